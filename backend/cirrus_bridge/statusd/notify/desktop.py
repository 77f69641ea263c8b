"""Notifications on the desktop of a job's owner, by notify-send(1).

It is run as the owner, on the owner's own session bus, with nothing of our rights or environment.
Who has no account or no session here is not told. Titles are data: no option, markup or escape
sequence in them has an effect.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.subprocesses import (
    Account,
    NotStarted,
    ProgramFailed,
    TooSlow,
    run_program,
)
from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.statusd.notify.background import Complaint

LIMIT_S = 5.0
LEFT_ALONE_S = 600.0  # a session that does not answer must not keep the others waiting again
LONGEST_TITLE, LONGEST_TEXT = 120, 400
RUN_USER = Path("/run/user")
# what a person who has printed wants to know
SUMMARIES = {
    "delivered": tr("Printed"),
    "saved": tr("Saved by the recipient"),
    "trashed": tr("Put into the trash by the recipient"),
    "deleted": tr("Not printed"),
    "unknown": tr("Perhaps not printed"),
    "let-go": tr("Canceled too late"),
    "lost": tr("Not printed"),
    "may-be-printed": tr("Perhaps not printed"),
    "reprinted": tr("Printed once more"),
}


@dataclass(slots=True)
class Desktop:
    """Tells owners. `run_user` has a folder for each user who is signed in (pam_systemd(8))."""

    failed: Complaint
    clock: Clock
    run_user: Path = RUN_USER
    limit_s: float = LIMIT_S
    _left_alone_until_s: dict[int, float] = field(default_factory=dict)

    def __call__(self, change: Change) -> None:
        """Tell the owner, if it is worth it."""
        summary = SUMMARIES.get(change.event)
        account = _account(change.user) if summary else None
        if summary is None or account is None:
            return
        now_s = self.clock.monotonic_s()
        bus = self.run_user / str(account.uid) / "bus"
        if not _is_bus_of(account, bus) or now_s < self._left_alone_until_s.get(account.uid, now_s):
            return
        command = ["notify-send", "--app-name=Cirrus Bridge", "--icon=printer"]
        command += ["--", translated(summary, change.language), _body(change)]
        try:
            run_program(command, _environ(account, bus), limit_s=self.limit_s, account=account)
        except NotStarted as error:
            self.failed.say(
                f"notify-send {error}. It is in the package libnotify-bin; or set notify = false "
                "below [statusd] in bridge.toml."
            )
        except TooSlow:
            self._left_alone_until_s[account.uid] = now_s + LEFT_ALONE_S
        except ProgramFailed:
            return  # a session without a desktop


def _account(user: str) -> Account | None:
    """The account of a job's owner, who may be anybody on any machine. root has no desktop."""
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        return None
    if entry.pw_uid == 0:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def _is_bus_of(account: Account, bus: Path) -> bool:
    try:
        status = bus.stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == account.uid


def _environ(account: Account, bus: Path) -> dict[str, bytes]:
    texts = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": account.home,
        "USER": account.name,
        "LC_ALL": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(bus.parent),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}",
    }
    return {name: os.fsencode(text) for name, text in texts.items()}


def _body(change: Change) -> str:
    """Text for a notification's body, which may have markup in it; notify-send itself takes
    backslashes for escape sequences."""
    title = _plain(change.title, LONGEST_TITLE)
    about = tr("“{title}” on {queue}", title=title, queue=_plain(change.queue, LONGEST_TITLE))
    text = translated(about, change.language)
    if change.text:
        text += f"\n{_plain(translated(change.text, change.language), LONGEST_TEXT)}"
    return escape(text).replace("\\", "\\\\")


def _plain(text: str, longest: int) -> str:
    shown = one_line(text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[:longest]}…"
