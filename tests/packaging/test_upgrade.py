"""A program of the packages continues with its own modules after an upgrade."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from programs import Program
from scripted_server import Answer, Request, ScriptedServer

pytestmark = pytest.mark.timeout(900)  # the first test builds the packages


def test_upgraded_during_a_job(packages: Path, tmp_path: Path) -> None:
    """The backend's process that CUPS sees imports further modules when the other one is killed.
    They are those of its own version, even if an upgrade has replaced all files."""
    for version in ("now", "next"):
        (deb,) = (packages / version).glob("cirrus-bridge_*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, tmp_path / version], check=True)
    installed, other = (tmp_path / each / "usr/lib/cirrus-bridge" for each in ("now", "next"))
    document = tmp_path / "document"
    document.write_bytes(b"x")

    def upgrade(_: Request) -> Answer:
        """Replace each file as dpkg does, and kill the process that waits for the answer."""
        shutil.rmtree(installed)
        shutil.copytree(other, installed, symlinks=True)
        children = Path(f"/proc/{backend.pid}/task/{backend.pid}/children").read_text()
        os.kill(int(children), signal.SIGKILL)
        return Answer("1-1")

    with ScriptedServer(upgrade) as server:
        command: list[str | Path] = [
            installed / "cirrus-backend",
            *("1", "ann", "t", "1", ""),
            document,
        ]
        backend = Program[str](
            command, env=_configured(tmp_path, server.name), stderr=subprocess.PIPE, text=True
        )
        with backend:
            assert backend.stderr is not None
            said = [line for line in backend.stderr if _ends_the_pause(line, backend)]
            code = backend.wait(60)
    assert said and said[-1].startswith("INFO: Printing was interrupted"), said
    assert code == 7  # CUPS_BACKEND_RETRY_CURRENT


def _ends_the_pause(line: str, backend: Program[str]) -> bool:
    if "interrupted" in line:
        backend.terminate()
    return True


def _configured(folder: Path, server: str) -> dict[str, str]:
    etc = folder / "etc"
    (etc / "servers.d").mkdir(parents=True)
    entry = etc / "servers.d" / "test.toml"
    entry.touch(mode=0o600)
    entry.write_text(f'[[server]]\nhost = "{server}"\ncompany = "Acme"\napi_key = "k3y"\n')
    return {
        "PATH": os.environ["PATH"],
        "CIRRUS_BRIDGE_CONFIG": str(etc),
        "CIRRUS_BRIDGE_STATE": str(folder / "state"),
        "DEVICE_URI": f"cirrus://{server}/Acme/Paris:Laser?encryption=never",
        "PRINTER": "q",
    }
