"""Files on disk: who may read them, and how they get their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_cloudlet.files import open_folder, rename_new
from cloudlet_server import CloudletServer
from curl import Curl
from paths import WELCOME
from visitor import Visitor


@pytest.fixture
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.attacker("local account")
@pytest.mark.usefixtures("_no_umask")
def test_the_data_folder_is_private(own: CloudletServer) -> None:
    """Read documents, uploads, page images, settings or the database of the cloud: all have mode
    0600, under any umask."""
    own.restart()
    curl = Curl(own.url, own.key)
    curl.upload({0: b"a segment"})
    job_id = curl.submit(WELCOME.read_bytes())
    own.wait_for_job(job_id, 2)
    visitor = Visitor(own.url)
    visitor.sign_in("anna", own.cli("account", "add", "anna", "--company", "ACME"))
    assert visitor.get(f"/jobs/{job_id}/thumbnail").status == 200
    own.cli("location", "offline", "Office")
    modes = {
        path.relative_to(own.data): stat.S_IMODE(path.stat().st_mode)
        for path in own.data.rglob("*")
        if path.relative_to(own.data).parts[0] != "delivered" and path.is_file()
    }
    kinds = {path.parts[0] for path in modes}
    assert kinds >= {"documents", "uploads", "previews", "cloudlet.db", "cloudlet.toml"}
    assert {path for path, mode in modes.items() if mode != 0o600} == set()
    folders = (path for path in own.data.iterdir() if path.is_dir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    """Without hard links, a renamed file does not replace a file or a link either."""
    (tmp_path / "old").write_text("old")
    (tmp_path / "file").write_text("file")
    (tmp_path / "link").symlink_to("nowhere")
    with open_folder(tmp_path) as folder:
        for name in ("file", "link"):
            with pytest.raises(FileExistsError):
                rename_new(folder, "old", name)
        with pytest.raises(FileNotFoundError):
            rename_new(folder, "none", "new")
        rename_new(folder, "old", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link", "new"}
    assert (tmp_path / "new").read_text() == "old"
    assert (tmp_path / "file").read_text() == "file"
