"""The administrator's command for changes. A thread runs it, so the poller's loop never waits.

The change is in the command's environment. Titles and messages are untrusted, so they are never
arguments, and no shell reads them. A repeated problem is logged now and then, not for each change.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.subprocesses import ProgramFailed, run_program
from cirrus_bridge.base.translation import tr
from cirrus_bridge.delivery.events import WARNING, Change

MOST_WAITING = 1000
AGAIN_S = 600.0
LIMIT_S = 30.0
LONGEST = 4096  # characters of a value; Linux allows 128 KiB (MAX_ARG_STRLEN)
# what a hook inherits: its folders, its language, and what cirrusctl needs
INHERITED = (
    *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "CUPS_SERVER"),
    *("CIRRUS_BRIDGE_CONFIG", "CIRRUS_BRIDGE_STATE", "CIRRUS_BRIDGE_CACHE"),
)
NAMES = ("event", "queue", "job", "user", "title", "target", "cloud-job", "message")
_LATE = "hook-late"


@dataclass(slots=True)
class Complaint:
    """One kind of problem, logged at once, and then at most every AGAIN_S while it lasts."""

    event: str
    log: Callable[[Change], None]
    clock: Clock
    _not_before_s: float = -math.inf
    _unsaid: int = 0

    def say(self, text: str) -> None:
        """Log the problem, unless it was logged recently."""
        now_s = self.clock.monotonic_s()
        if now_s < self._not_before_s:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more times since the last report)" if self._unsaid else ""
        self._not_before_s, self._unsaid = now_s + AGAIN_S, 0
        self.log(Change(self.event, text + more, WARNING))


class BackgroundWorker:
    """Calls `act`, which may take its time and may fail, for each change, in order, in a thread.

    When too many changes wait, the oldest are dropped. This is a thread and a queue, not an
    executor. An executor keeps each canceled change until its thread reaches the change. A signal
    that interrupts `submit` can also leave an executor's lock locked.
    """

    def __init__(
        self, act: Callable[[Change], None], log: Callable[[Change], None], clock: Clock
    ) -> None:
        self._act = act
        self._log = log
        self._dropped = Complaint(_LATE, log, clock)
        self._fault = Complaint(_LATE, log, clock)
        # SimpleQueue takes no lock of Python's own: a signal may end the loop at any point
        self._waiting: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __call__(self, change: Change) -> None:
        """Queue a change, and return at once."""
        if self._waiting.qsize() >= MOST_WAITING:
            with contextlib.suppress(queue.Empty):  # the thread was faster
                self._waiting.get_nowait()
                text = f"More than {MOST_WAITING} changes wait; the oldest are dropped."
                self._dropped.say(text)
        self._waiting.put(change)

    def close(self, wait_s: float) -> None:
        """Wait at most `wait_s` seconds for the queued changes, and log the loss of the others."""
        self._waiting.put(None)
        self._thread.join(wait_s)
        if self._thread.is_alive():
            text = "The program ends before all changes were handled; the others are lost."
            self._log(Change(_LATE, text, WARNING))

    def _run(self) -> None:
        while (change := self._waiting.get()) is not None:
            try:
                self._act(change)
            except Exception as error:  # noqa: BLE001 - the next change may work
                self._fault.say(f"Internal error in Cirrus Bridge: {error!r}")


def run_hook(
    command: Sequence[str],
    environ: Mapping[str, str],
    failed: Complaint,
    change: Change,
    *,
    limit_s: float = LIMIT_S,
) -> None:
    """Run a command for a change, and wait for its end, for at most `limit_s` seconds.

    Of the poller's environment (`environ`), the command gets INHERITED and the locale. It does not
    get the folder of the keys (CREDENTIALS_DIRECTORY), for example. Every variable of a change is
    set, if only to an empty text.
    """
    own = {
        name: os.fsencode(text)
        for name, text in environ.items()
        if name in INHERITED or name.startswith("LC_")
    }
    for name in NAMES:
        value = change.fields.get(name, "").replace("\0", "")[:LONGEST]
        own[f"CIRRUS_{name.upper().replace('-', '_')}"] = value.encode("utf-8", "replace")
    try:
        run_program(command, own, limit_s=limit_s)
    except ProgramFailed as error:
        failed.say(f"The hook {command[0]} {error}. Check 'hook' below [statusd] in bridge.toml.")


def check_owner(path: Path) -> None:
    """Check that only its owner can change the file that sets the hook.

    Raises:
        BadConfiguration: other users can write to the file, or own it.
    """
    status = path.stat()
    if status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
        raise BadConfiguration(
            tr(
                "{path} sets a command to run, but users other than its owner can change the file.",
                path=path,
            ),
            tr("Run: chown root {path} && chmod go-w {path}", path=path),
        )
