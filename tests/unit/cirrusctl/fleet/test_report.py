"""One table of several hosts, of which one does not tell the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.base.subprocesses import ProgramFailed, output_of
from cirrus_bridge.cirrusctl.commands import jobs, queues
from cirrus_bridge.cirrusctl.fleet.hosts import Host
from cirrus_bridge.cirrusctl.fleet.options import Fleet
from cirrus_bridge.cirrusctl.fleet.report import report
from cirrus_bridge.cirrusctl.fleet.ssh import SshSettings
from cirrus_bridge.cirrusctl.output.output import Output

JOB = {
    "job_id": 7,
    "job": 7,
    "queue": "Laser",
    "title": "A letter",
    "created": None,
    "state": "processing",
    "progress": 50,
    "message": "",
    "documents": [],
}
FORMS = {
    "levels": "[" * 200_000,
    "many values": "[" + "[]," * 1_100_000 + "[]]",
    "progress": json.dumps([{**JOB, "progress": 10**12}]),
    "no number": json.dumps([{**JOB, "progress": "half"}]),
    "far future": json.dumps([{**JOB, "created": "9999-99-99T00:00:00"}]),
    "lists": json.dumps([[[]]]),
}
SAME_TABLE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "jobs": (jobs._of_host, jobs._COLUMNS),
    "queues": (queues._of_host, queues._COLUMNS),
}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], int]:
    """Ask the hosts `bad`, with an output, and `good`, by a program that stands for ssh."""

    def ask(command: str, bad: str, good: object = (JOB,)) -> int:
        (tmp_path / "bad").write_text(bad)
        (tmp_path / "good").write_text(json.dumps(good))
        program = tmp_path / "ssh"
        program.write_text(
            f'#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nexec cat {tmp_path}/"$2"\n'
        )
        program.chmod(0o755)
        rows_of, columns = SAME_TABLE[command]
        fleet = Fleet([Host("bad"), Host("good")], SshSettings(limit_s=120))
        return report(fleet, [command], Output(False), rows_of, columns, "nothing")

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return ask


@pytest.mark.attacker("host")
@pytest.mark.parametrize("form", FORMS)
def test_a_host_that_answers_anything(
    ask: Callable[[str, str], int], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answer with JSON of any form, depth and size: an error of that host, and the others are
    shown."""
    assert ask("jobs", FORMS[form]) == 8
    shown = capsys.readouterr()
    assert "A letter" in shown.out and "good" in shown.out
    assert "! bad: " in shown.err and "1 of 2 hosts gave no answer." in shown.err


@pytest.mark.attacker("host")
def test_a_host_in_the_name_of_another(
    ask: Callable[[str, str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Name another host in one's answer: the rows stay below one's own name."""
    forged = [{**JOB, "host": "good", "severity": "high", "title": "Forged"}]
    assert ask("jobs", json.dumps(forged)) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "Forged" in rows["bad"] and "A letter" in rows["good"]


@pytest.mark.attacker("host")
def test_an_output_without_end() -> None:
    """Write without end: the program is ended, and the memory has a limit."""
    with pytest.raises(ProgramFailed, match="wrote more than 1000000 bytes"):
        output_of(["yes"], limit_s=600, most_bytes=1_000_000)
    with pytest.raises(ProgramFailed, match="wrote more than 1000000 bytes"):
        output_of(["sh", "-c", "yes >&2"], limit_s=600, most_bytes=1_000_000)
    with pytest.raises(TimeoutError):
        output_of(["sh", "-c", "exec >&- 2>&-; exec sleep 600"], limit_s=0.2)
    assert output_of(["sh", "-c", "echo a; echo b >&2; exit 3"], limit_s=600) == (3, "a\n", "b\n")
