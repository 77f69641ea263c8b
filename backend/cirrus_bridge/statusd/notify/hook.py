"""The administrator's command for changes. The change is in its environment.

Titles and messages are untrusted, so they are never arguments, and no shell reads them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.subprocesses import ProgramFailed, run_program
from cirrus_bridge.base.translation import tr
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.statusd.notify.background import Complaint

LIMIT_S = 30.0
LONGEST = 4096  # characters of a value; Linux allows 128 KiB (MAX_ARG_STRLEN)
NAMES = ("event", "queue", "job", "user", "title", "target", "cloud-job", "message")


@dataclass(frozen=True, slots=True)
class Hook:
    """Runs a command for each change.

    Every variable is set, if only to an empty text, so that no value of `environ` remains.

    Args:
        command: the program and its arguments.
        environ: the poller's environment.
        failed: reports that the command has failed.
        limit_s: seconds after which the command is killed.
    """

    command: Sequence[str]
    environ: Mapping[str, str]
    failed: Complaint
    limit_s: float = LIMIT_S

    def __call__(self, change: Change) -> None:
        """Run the command, and wait for its end."""
        fields = change.fields
        environ = {name: os.fsencode(text) for name, text in self.environ.items()}
        for name in NAMES:
            environ[f"CIRRUS_{name.upper().replace('-', '_')}"] = _value(fields.get(name, ""))
        try:
            run_program(self.command, environ, limit_s=self.limit_s)
        except ProgramFailed as error:
            self.failed.say(
                f"The hook {self.command[0]} {error}. Check 'hook' below [statusd] in bridge.toml."
            )


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


def _value(text: str) -> bytes:
    return text.replace("\0", "")[:LONGEST].encode("utf-8", "replace")
