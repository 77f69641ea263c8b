"""Checks of the kernel's log for accesses that AppArmor or SELinux denied to the backend."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.subprocesses import ProgramFailed, read_program
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject

AUDIT_LOG = Path("/var/log/audit/audit.log")
DAY_S = 86_400.0
MOST_SHOWN = 3
_TAIL_BYTES = 4 << 20
_LIMIT_S = 10.0
_JOURNALCTL = (
    *("journalctl", "--quiet", "--no-pager", "--output=cat", "--since=-24h"),
    *("_TRANSPORT=kernel", "_TRANSPORT=audit"),
)
_AT = re.compile(r"audit\((\d+)\.\d+:\d+\)")
_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|(\S+))')


class KernelLog(NamedTuple):
    """Lines of the kernel's log; `unread` is the reason if the log cannot be read."""

    lines: Sequence[str]
    unread: str = ""


def read_log(audit_log: Path = AUDIT_LOG) -> KernelLog:
    """Read the audit log or, without it, the system journal's kernel messages."""
    try:
        with audit_log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return KernelLog(file.read().decode("utf-8", "replace").splitlines())
    except OSError:
        pass
    try:
        text = read_program(_JOURNALCTL, limit_s=_LIMIT_S).decode("utf-8", "replace")
    except ProgramFailed as error:
        return KernelLog((), f"journalctl {error}")
    return KernelLog(
        text.splitlines(), "" if text else tr("the system journal has no kernel messages")
    )


def check_denials(log: KernelLog, now_s: float, *, is_root: bool) -> Iterator[Finding]:
    """Check that nothing was denied to our programs in the last 24 hours."""
    confinement = Subject("AppArmor, SELinux", "log")
    if log.unread:
        fix = tr("Run: dmesg | grep -i denied (for a container, on its host)")
        yield confinement.note(
            tr("Cannot read the kernel's log ({unread}).", unread=log.unread),
            fix if is_root else tr("Run the doctor as root."),
        )
        return
    found = dict.fromkeys(filter(None, (_denial(line, now_s) for line in log.lines)))
    for denial in itertools.islice(found, MOST_SHOWN):
        yield confinement.error(*denial)
    if not found:
        yield confinement.good(tr("Nothing was denied to Cirrus Bridge in the last 24 hours."))


def _denial(line: str, now_s: float) -> tuple[str, str] | None:
    """The denial that a line reports, and its fix; None if the line is old or not about us."""
    low = line.lower()
    is_denial = 'apparmor="denied"' in low or "avc:  denied" in low
    at = _AT.search(line)
    if not is_denial or at is None or now_s - int(at[1]) > DAY_S:
        return None
    fields = {name: quoted or plain for name, quoted, plain in _FIELD.findall(line)}
    program, name = fields.get("comm", ""), fields.get("name", "")
    by_cups = "cups" in fields.get("profile", "") or "cupsd_t" in fields.get("scontext", "")
    is_ours = "cirrus" in program or "cirrus" in name or (by_cups and "python" in program)
    if not is_ours:
        return None
    if "apparmor" in low:
        what = f"{fields.get('operation', '?')} {name}".strip()
        text = tr(
            "AppArmor denied {program} in profile {profile}: {what}.",
            program=program,
            profile=fields.get("profile", "?"),
            what=what,
        )
        return text, tr(
            "Allow this access in /etc/apparmor.d/local/usr.sbin.cupsd, then run: "
            "apparmor_parser -r /etc/apparmor.d/usr.sbin.cupsd"
        )
    action = re.search(r"denied\s+\{([^}]*)\}", line)
    what = f"{action[1].strip() if action else '?'} {name} ({fields.get('tclass', '?')})"
    text = tr(
        "SELinux denied {program} in {context}: {what}.",
        program=program,
        context=fields.get("scontext", "?"),
        what=what,
    )
    return text, tr(
        "Decide whether this access should be allowed. If so, run: ausearch -m avc -c cirrus "
        "--raw | audit2allow -M cirrus && semodule -i cirrus.pp"
    )
