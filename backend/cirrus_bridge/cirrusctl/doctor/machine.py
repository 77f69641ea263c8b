"""Checks of this machine: programs that CUPS runs, what they may access, free space for jobs."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.privileges import unreadable_by, user_name
from cirrus_bridge.base.subprocesses import ProgramFailed, read_program
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject

NO_ROOM_BYTES = 16 << 20
LITTLE_ROOM_BYTES = 256 << 20
FEW_FILES = 100
AUDIT_LOG = Path("/var/log/audit/audit.log")
BOOTED = Path("/run/systemd/system")  # sd_booted(3)
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


def has_systemd() -> bool:
    """Whether systemd starts the services here. In most containers, it does not."""
    return BOOTED.is_dir()


def check_backend(path: Path) -> Finding:
    """Check the backend's file. CUPS runs it as root only if only root may run and write it."""
    backend = Subject(tr("backend"), str(path))
    try:
        status = path.stat()
    except OSError as trouble:
        text = tr(
            "Cannot find the backend ({strerror}), so CUPS does not accept cirrus:// URIs.",
            strerror=trouble.strerror,
        )
        fix = tr(
            "Install cirrus-bridge, or run: install -m 0700 …/bin/cirrus-backend {path}", path=path
        )
        return backend.error(text, fix)
    mode = format(stat.S_IMODE(status.st_mode), "04o")
    code = ""
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        text = tr(
            "Other users than root may write this file (mode {mode}). CUPS does not run it, and "
            "jobs wait forever.",
            mode=mode,
        )
    elif status.st_uid != 0:
        text = tr("This file belongs to user id {st_uid} instead of root.", st_uid=status.st_uid)
    elif not status.st_mode & stat.S_IXUSR:
        text = tr("This file is not executable (mode {mode}).", mode=mode)
    elif status.st_mode & (stat.S_IXGRP | stat.S_IXOTH):
        text = tr(
            "Its mode is {mode}, so CUPS runs it as lp, which cannot read the keys.", mode=mode
        )
        code = "CB-202"
    elif missing := _missing_interpreter(path):
        return backend.error(
            tr("The backend needs {missing}, which is missing.", missing=missing),
            tr("Install cirrus-bridge again; its Python environment was moved or removed."),
        )
    else:
        return backend.good(
            tr("The file belongs to root (mode {mode}), so CUPS runs it as root.", mode=mode)
        )
    as_root = f"chown root {path} && chmod 0700 {path}"
    return backend.error(text, as_root, code)


def check_driver(path: Path) -> Finding:
    """Check the driver program. Without it, dialogs offer only generic drivers."""
    driver = Subject(tr("driver program"), str(path))
    if os.access(path, os.X_OK) and not _missing_interpreter(path):
        return driver.good(tr("The driver program is installed."))
    text = tr(
        "The driver program is missing or not executable, so devices have no drivers of their own."
    )
    fix = tr("Install cirrus-bridge, or run: install -m 0755 …/bin/cirrus-driver {path}", path=path)
    return driver.warning(text, fix)


def check_readers(state: Path, cups_user: str) -> Iterator[Finding]:
    """Report what keeps the owner of the journal's folder, or the user of CUPS's programs, from
    reading Cirrus Bridge. Without root's rights, this is unknown."""
    losses: list[tuple[int, str]] = []
    with contextlib.suppress(KeyError):
        text = tr("CUPS cannot run the driver program, and devices have no drivers of their own")
        losses.append((pwd.getpwnam(cups_user).pw_uid, text))
    with contextlib.suppress(OSError):  # there is no journal yet
        losses.append((state.stat().st_uid, tr("the backend keeps root's rights")))
    for user, loss in losses:
        unread = unreadable_by(user)
        if not unread:
            continue
        text = tr("User {user} cannot read this, so {loss}.", user=user_name(user), loss=loss)
        fix = tr(
            "Install Cirrus Bridge where all users can read it, such as in /opt/cirrus-bridge."
        )
        yield Subject(tr("installation"), unread).warning(text, fix)


def _missing_interpreter(path: Path) -> str:
    """The missing interpreter of a script; empty if nothing is missing."""
    try:
        with path.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return ""
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    return words[0] if words and not os.access(words[0], os.X_OK) else ""


def check_disk(purpose: str, folder: Path) -> Finding:
    """Check the free space for a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    room = os.statvfs(there)
    free_bytes = room.f_bavail * room.f_frsize
    disk = Subject(tr("disk"), tr("{folder} ({purpose})", folder=folder, purpose=purpose))
    text = tr("{count} MiB are free", count=free_bytes >> 20)
    fix = tr(
        "Free some space (du -xh {folder} | sort -h | tail), or enlarge the file system.",
        folder=there,
    )
    if free_bytes < NO_ROOM_BYTES:
        return disk.error(tr("{text}: jobs fail.", text=text), fix, "CB-501")
    if room.f_files and room.f_favail < FEW_FILES:
        few = tr("Only {count} more files fit: jobs fail.", count=room.f_favail)
        return disk.error(few, fix, "CB-501")
    if free_bytes < LITTLE_ROOM_BYTES:
        return disk.warning(tr("{text}: a large job may fail.", text=text), fix)
    return disk.good(tr("{text}.", text=text))


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
    if not ("cirrus" in program or "cirrus" in name or (by_cups and "python" in program)):
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
