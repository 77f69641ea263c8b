"""Servers that cannot take several segments at once are detected, remembered, and used."""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from print_site import PrintSite
from scripted_server import Answer, Request, Reset, ScriptedServer


class OneAtATime:
    """A script that stores segments one at a time, with an action for others meanwhile."""

    def __init__(self, refuse: Callable[[], Answer | Reset]) -> None:
        self._refuse = refuse
        self._busy = threading.Lock()
        self.files: dict[str, bytearray] = {}
        self.refused = 0
        self.documents: list[bytes] = []

    def __call__(self, request: Request) -> Answer | Reset:
        verb = request.path.removeprefix("/api/").split("/")[0]
        if verb == "tempfile":
            self.files[f"t{len(self.files)}"] = bytearray()
            return Answer(f"t{len(self.files) - 1}")
        if verb == "submitfile":
            self.documents.append(zlib.decompress(self.files[request.fields["file"]]))
            return Answer(f"20261123000000-{len(self.documents)}")
        if verb != "putsegment":
            return Answer("x\ny\nz\n")
        if not self._busy.acquire(blocking=False):
            self.refused += 1
            return self._refuse()
        try:
            time.sleep(0.1)  # long enough for other segments to come
            return self._store(request)
        finally:
            self._busy.release()

    def _store(self, request: Request) -> Answer:
        file, at = self.files[request.fields["file"]], int(request.fields["index"])
        file.extend(bytes(max(0, at - len(file))))
        file[at : at + len(request.body)] = request.body
        return Answer(str(len(request.body)))


def _configure(site: PrintSite, server: ScriptedServer, **upload: int) -> None:
    site.configure(server=server.name)
    lines = [f"{name} = {value}" for name, value in upload.items()]
    text = '[defaults]\nencryption = "never"\n[upload]\n' + "\n".join(lines)
    (site.config / "bridge.toml").write_text(text)


REFUSALS: dict[str, Callable[[], Answer | Reset]] = {
    "Error text": lambda: Answer("Error: the file is in use"),
    "409": lambda: Answer("in use", 409),
    "503": lambda: Answer("busy", 503),
    "short": lambda: Answer("0"),
    "reset": Reset,
}


@pytest.mark.sampled(refusal=["short", "reset"])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_found_and_remembered(own_site: PrintSite, tmp_path: Path, refusal: str) -> None:
    """The first job detects the limit and prints; the next job does not try again."""
    site = own_site
    data = random.Random(refusal).randbytes(8_000_000)
    (tmp_path / "raw").write_bytes(data)
    script = OneAtATime(REFUSALS[refusal])
    with ScriptedServer(script) as server:
        _configure(site, server, largest_segment_bytes=524_288)
        queue = site.queue(driver=False, server=server.name, options="?wait=submitted")
        for expected in (True, False):
            script.refused = 0
            job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
            assert site.cups.wait_job(job_id)["job-state"] == 9
            assert bool(script.refused) == expected
    assert script.documents == [data, data]
    assert site.journal("SELECT name FROM server") == [(server.name,)]


def test_server_with_one_thread(own_site: PrintSite, tmp_path: Path) -> None:
    """A server with one connection at a time keeps the others waiting for an answer."""
    site = own_site
    data = random.Random(1).randbytes(6_000_000)
    (tmp_path / "raw").write_bytes(data)
    script = OneAtATime(lambda: Answer("never", 500))
    with ScriptedServer(script, threads=False) as server:
        _configure(
            site, server, segment_bytes=65_536, largest_segment_bytes=131_072, read_timeout_s=1
        )
        queue = site.queue(driver=False, server=server.name, options="?wait=submitted")
        prints, noted = 0, False
        while prints < 2 or (not noted and prints < 6):  # a busy machine shows the fault later
            job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
            assert site.cups.wait_job(job_id)["job-state"] == 9
            prints += 1
            noted = site.journal("SELECT name FROM server") == [(server.name,)]
    assert script.documents == [data] * prints
    assert noted
