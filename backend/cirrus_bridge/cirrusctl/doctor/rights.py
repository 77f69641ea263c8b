"""Check that CUPS lets the poller change jobs and queues.

By default, CUPS grants these rights to members of the groups that SystemGroup names
(cups-files.conf(5)). The names differ between distributions, and administrators change them. A
policy in cupsd.conf may also name the user.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.base.errors import CupsRefused
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.cups.cupsd import Cupsd
from cirrus_bridge.journal.health import poller


def check_rights(daemon: Cupsd, state: Path) -> Iterator[Finding]:
    """Check the rights of the running poller, whose journal is in the folder `state`."""
    account = _account(state)
    return check_account(daemon, account) if account else iter(())


def check_account(daemon: Cupsd, account: pwd.struct_passwd) -> Iterator[Finding]:
    """Check the rights of the poller's user. Root has all rights."""
    groups = daemon.directives.get("systemgroup", "").split()
    if account.pw_uid == 0 or not groups:
        return
    rights = Subject(tr("rights"), account.pw_name)
    own = {_group(each) for each in os.getgrouplist(account.pw_name, account.pw_gid)}
    if account.pw_name in daemon.named_users or own.intersection(groups):
        yield rights.good(tr("CUPS lets the poller change jobs and queues."))
        return
    text = tr(
        "The poller's user is not in any group of CUPS's SystemGroup ({groups}), so held jobs stay "
        "held.",
        groups=" ".join(groups),
    )
    fix = tr(
        "In {file}, write: SystemGroup {groups} {group}. Then restart cupsd.",
        file=daemon.server_root / "cups-files.conf",
        groups=" ".join(groups),
        group=_group(account.pw_gid),
    )
    yield rights.error(text, fix, CupsRefused.code)


def _account(state: Path) -> pwd.struct_passwd | None:
    """The account of the poller's process; None without such a process on this machine."""
    with contextlib.suppress(OSError, KeyError):
        runs, sign = poller(state)
        host, _, process = sign.name.rpartition(":") if sign else ("", "", "")
        if runs and host == socket.gethostname():
            return pwd.getpwuid(Path("/proc", process).stat().st_uid)
    return None


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
