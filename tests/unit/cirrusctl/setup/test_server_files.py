"""cirrusctl setup and existing files."""

from __future__ import annotations

from pathlib import Path

from cirrus_bridge.cirrusctl.setup.server_files import server_file, write_server
from cirrus_bridge.config.servers import Secret, Server


def test_names_that_look_alike(tmp_path: Path) -> None:
    """Each company has a file of its own, which a second run finds, so no key is lost."""
    companies = ["株式会社", "東京", "Ä-B", "Ö-B"]
    servers = [Server("print.example", Secret(name.encode().hex()), name) for name in companies]
    for server in servers:
        path = server_file(tmp_path, server)
        assert not path.exists()
        write_server(tmp_path, path, server)
    paths = [server_file(tmp_path, server) for server in servers]
    assert len(set(paths)) == len(companies)
    for path, server in zip(paths, servers, strict=True):
        assert server.api_key.reveal() in path.read_text("utf-8")
