"""The system calls of a program that runs, seen by strace(1)."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from programs import Program

_CALL = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. \w+ resumed>")


class Event(NamedTuple):
    """The begin or the end of a call, with its name and arguments as strace writes them."""

    is_end: bool
    name: str
    arguments: str


@contextlib.contextmanager
def watched_calls(process: int, names: Sequence[str]) -> Iterator[list[Event]]:
    """Watch the calls of a process and all its threads. The list has their begins and ends, in
    order, once the context has ended."""
    events: list[Event] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "calls")
        # -y: the path of each file
        command = ["strace", "-f", "-y", "-s", "40", "-e", f"trace={','.join(names)}"]
        with Program[str](
            [*command, "-o", out, "-p", str(process)], stderr=subprocess.PIPE, text=True
        ) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline()
            assert "attached" in said, said
            yield events
            strace.send_signal(signal.SIGINT)  # it detaches
            strace.wait(60)
        events += _events(out.read_text())


def _events(text: str) -> Iterator[Event]:
    begun: dict[str, Event] = {}
    for line in text.splitlines():
        if found := _CALL.match(line):
            event = Event(False, found["name"], found["rest"])
            yield event
            if line.endswith("<unfinished ...>"):
                begun[found["thread"]] = event
            else:
                yield event._replace(is_end=True)
        elif found := _RESUMED.match(line):
            yield begun.pop(found["thread"])._replace(is_end=True)
