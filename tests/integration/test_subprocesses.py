"""The environment and open files of programs that we run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import Interrupted
from cirrus_bridge.base.subprocesses import output_of, run_program


def test_only_what_is_given(tmp_path: Path) -> None:
    """A program gets only the given environment, and none of our open files."""
    record = tmp_path / "record"
    with (tmp_path / "journal").open("w") as journal:
        os.set_inheritable(journal.fileno(), True)
        script = (
            f"exec >{record}; tr '\\0' '\\n' </proc/$$/environ; "
            "readlink /proc/$$/fd/* | grep -c journal; true"
        )
        run_program(["/bin/sh", "-c", script], {"PATH": b"/usr/bin:/bin"}, limit_s=30)
    assert record.read_text().split() == ["PATH=/usr/bin:/bin", "0"]


def test_a_program_does_not_outlive_the_call(tmp_path: Path) -> None:
    """A stop of this process ends the program at once, with its children."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    # the pipe is full until this process reads, and so is at the place that the signal should meet
    script = f"exec 9>{fifo}; sleep 600 & head -c 200000 /dev/zero; kill -USR1 $PPID; wait"

    def stop(*_: object) -> None:
        raise Interrupted("The test was stopped.")

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Interrupted):
            output_of(["/bin/sh", "-c", script], limit_s=60)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert os.read(reader, 1) == b""  # nobody has the other end any longer
    os.close(reader)
