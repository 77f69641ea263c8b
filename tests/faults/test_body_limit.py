"""Servers or proxies that limit the size of requests."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from print_site import PrintSite
from scripted_server import Answer, Request, ScriptedServer

COMPLETED = 9


class Limited:
    """A script of a server that accepts bodies of up to `limit_bytes`.

    `documents` are the documents submitted to the server.
    """

    def __init__(self, limit_bytes: int = 1 << 30) -> None:
        self.limit_bytes = limit_bytes
        self.file = bytearray()
        self.documents: list[bytes] = []
        self.taken: list[int] = []

    def __call__(self, request: Request) -> Answer:
        if len(request.body) > self.limit_bytes:
            return Answer("<html>Request Entity Too Large</html>", 413)
        self.taken.append(len(request.body))
        verb = request.path.removeprefix("/api/").split("/")[0]
        if verb == "tempfile":
            return Answer("t1")
        if verb == "putsegment":
            at = int(request.fields["index"])
            self.file.extend(bytes(max(0, at + len(request.body) - len(self.file))))
            self.file[at : at + len(request.body)] = request.body
            return Answer(str(len(request.body)))
        if verb in ("putfile", "submitfile"):
            data = request.body if verb == "putfile" else bytes(self.file)
            self.documents.append(zlib.decompress(data))
            return Answer(f"20261123000000-{len(self.documents)}")
        return Answer("x\ny\nz\nw")


def _print(
    site: PrintSite, server: ScriptedServer, path: Path, *, upload: str = ""
) -> tuple[int, str]:
    site.configure(server=server.name)
    text = f'[defaults]\nencryption = "never"\n[upload]\n{upload}'
    (site.config / "bridge.toml").write_text(text)
    queue = site.queue(driver=False, server=server.name, options="?wait=submitted")
    job = site.cups.wait_job(site.cups.lp(queue, "-o", "raw", path), "completed", "held")
    return job["job-state"], job["job-printer-state-message"]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """400,000 incompressible bytes."""
    path = tmp_path / "raw"
    path.write_bytes(random.Random(1).randbytes(400_000))
    return path


@pytest.mark.parametrize("segment_bytes", [100_000, 1_000_000])
def test_configured_size(own_site: PrintSite, document: Path, segment_bytes: int) -> None:
    """No request is larger than the setting, not even a single one."""
    script = Limited()
    with ScriptedServer(script) as server:
        sizes = f"segment_bytes = {segment_bytes}\nlargest_segment_bytes = {segment_bytes}\n"
        state, _ = _print(own_site, server, document, upload=sizes)
    assert state == COMPLETED and script.documents == [document.read_bytes()]
    assert max(script.taken) <= segment_bytes
    putfile = [request for request in server.requests if request.path == "/api/putfile"]
    assert bool(putfile) == (segment_bytes > 400_000)


def test_single_request_that_is_too_large(own_site: PrintSite, document: Path) -> None:
    """After the refusal, the same bytes go by segments, and are printed once."""
    script = Limited(150_000)
    with ScriptedServer(script) as server:
        state, _ = _print(own_site, server, document)
    assert state == COMPLETED and script.documents == [document.read_bytes()]


def test_no_request_is_small_enough(own_site: PrintSite, document: Path) -> None:
    """The job is held, and the log names the next step."""
    script = Limited(30_000)
    with ScriptedServer(script) as server:
        state, message = _print(own_site, server, document)
    assert state != COMPLETED and script.documents == []
    assert "Print it in parts" in message and "(CB-406)" in message
    assert "lower segment_bytes in bridge.toml" in own_site.cups.error_log()
