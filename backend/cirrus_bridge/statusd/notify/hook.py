"""The administrator's command for changes: what has changed is in its environment.

Titles and messages come from strangers. They never are arguments, and no shell sees them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.subprocesses import ProgramFailed, run_program
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.statusd.notify.background import Complaint

LIMIT_S = 30.0
LONGEST = 4096  # characters; Linux takes 128 KiB in one variable
NAMES = ("event", "queue", "job", "user", "title", "target", "cloud-job", "message")


@dataclass(frozen=True, slots=True)
class Hook:
    """Runs `command` for a change. Every variable is set, to an empty text where there is nothing
    to say, so that none is left over from `environ`."""

    command: Sequence[str]
    environ: Mapping[str, str]
    failed: Complaint
    limit_s: float = LIMIT_S

    def __call__(self, change: Change) -> None:
        """Run it, to its end."""
        fields = change.fields
        environ = {name: os.fsencode(text) for name, text in self.environ.items()}
        for name in NAMES:
            environ[f"CIRRUS_{name.upper().replace('-', '_')}"] = _value(fields.get(name, ""))
        try:
            run_program(self.command, environ, limit_s=self.limit_s)
        except ProgramFailed as error:
            self.failed.say(
                f"The hook {self.command[0]} {error}. See 'hook' below [statusd] in bridge.toml."
            )


def _value(text: str) -> bytes:
    return text.replace("\0", "")[:LONGEST].encode("utf-8", "replace")
