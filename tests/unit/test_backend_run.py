"""A run of the backend that a signal ends at a moment that no real signal would meet in time."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.backend_run import BackendRun
from cirrus_bridge.clock import Clock
from cirrus_bridge.config import Configuration, UploadSettings
from cirrus_bridge.config_servers import Secret, Server
from cirrus_bridge.cups_job import SpooledDocument
from cirrus_bridge.cups_report import CupsReport
from cirrus_bridge.errors import Interrupted
from cirrus_bridge.journal import Journal
from cirrus_bridge.journal_poller import PollerJournal
from cirrus_bridge.lifecycle import State
from cirrus_bridge.model import PrintJob
from cirrus_bridge.settings import QueueSettings
from cirrus_bridge.uri import parse_queue_uri
from scripted_server import Answer, ScriptedServer


def _interrupt(*_: object, **__: object) -> None:
    raise Interrupted("The job was stopped before it was sent to the cloud; nothing was printed.")


@pytest.mark.parametrize("moment", ["take_back", "held_counts", "hand_over"])
def test_stopped_once_the_cloud_has_it(tmp_path: Path, moment: str) -> None:
    """Nobody is told that nothing was printed; the poller gets the document."""

    class InterruptedJournal(Journal):
        def __getattribute__(self, name: str) -> Any:
            if name == moment and not interrupted:
                interrupted.append(name)
                return _interrupt
            return super().__getattribute__(name)

    interrupted: list[str] = []
    spool = tmp_path / "d00001-001"
    spool.write_bytes(b"x")
    job = PrintJob(1, "urn:uuid:1", "u", "t", 1, "q", spool_path=spool)
    said = io.BytesIO()
    script = lambda r: Answer("1-1" if r.method == "PUT" else '{"State": 0}')  # noqa: E731
    with ScriptedServer(script) as server, InterruptedJournal(tmp_path / "state") as journal:
        settings = QueueSettings(encryption="never", wait_timeout_s=1)
        queue = parse_queue_uri(f"cirrus://{server.name}/Acme/Paris:L1", settings)
        entry = Server(server.name, Secret("k"), "Acme", ())
        configuration = Configuration(tmp_path, settings, UploadSettings(), (entry,))
        run = BackendRun(job, configuration, journal, Clock(), CupsReport(said), lambda: False)
        code = run.print(queue, SpooledDocument(job, io.BytesIO(), os.getpid()))
    with PollerJournal(tmp_path / "state") as others:
        (document,) = others.lease("p", now_s=1.0)
    assert interrupted
    assert code == 0
    assert document.state is State.LEFT
    assert b"has the job already and will print it: 1-1" in said.getvalue()
