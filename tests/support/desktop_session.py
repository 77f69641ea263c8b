"""A user who is signed in: a real session bus with a notification service on it, as that user."""

from __future__ import annotations

import contextlib
import json
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from print_site import eventually
from programs import Program

SERVICE = Path(__file__).with_name("notification_service.py")
SYSTEM_PYTHON = "/usr/bin/python3"  # has the D-Bus binding
USER = "nobody"  # an account that is there everywhere, and never signed in


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="cb-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


class DesktopSession:
    """Use as a context manager, as root. `run_user` is what /run/user is on a real machine."""

    def __init__(self, user: str = USER, *, stuck: bool = False) -> None:
        self.account = pwd.getpwnam(user)
        self._stack = contextlib.ExitStack()
        self._root = self._stack.enter_context(open_folder())
        self.run_user = self._root / "run-user"
        self._record = self._root / "record"
        self._stuck = stuck
        self._started: list[Program[bytes]] = []

    def __enter__(self) -> DesktopSession:
        folder = self.run_user / str(self.account.pw_uid)
        folder.mkdir(parents=True)
        folder.chmod(0o700)
        shutil.chown(folder, self.account.pw_uid, self.account.pw_gid)
        self._bus = folder / "bus"
        shutil.copy(SERVICE, self._root)  # where the user can read it
        self._start("dbus-daemon", "--session", "--nofork", f"--address=unix:path={self._bus}")
        eventually(self._is_up)
        stuck = ["--stuck"] if self._stuck else []
        self._start(SYSTEM_PYTHON, str(self._root / SERVICE.name), *stuck)
        eventually(lambda: len(self._lines()) > 0)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in reversed(self._started):
            process.end()
        self._stack.close()

    @property
    def here(self) -> list[str]:
        """A command that runs another where the user is signed in: in a mount namespace."""
        mounts = (
            f"mount -t tmpfs none /run && mkdir /run/user && mount -B {self.run_user} /run/user"
        )
        return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]

    def told(self) -> list[dict[str, Any]]:
        """The notifications that have come."""
        return self._lines()[1:]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    def _is_up(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self._bus))
        except OSError:
            return False
        return True

    def _start(self, *command: str) -> None:
        with self._record.open("a") as record:
            self._started.append(
                Program[bytes](
                    command,
                    env={
                        "PATH": "/usr/bin:/bin",
                        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self._bus}",
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=record,
                    user=self.account.pw_uid,
                    group=self.account.pw_gid,
                    extra_groups=(),
                    cwd="/",
                )
            )
