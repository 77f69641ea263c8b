"""Checks of the journal and of the poller."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cirrus_bridge.base.errors import JournalDamaged, JournalError, JournalNewer
from cirrus_bridge.base.translation import joined, tr, trn
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity, Subject
from cirrus_bridge.journal.health import MOST_WAITING, Health, look, strangers_files

POLLER = tr("poller")
LARGE_BYTES = 1 << 30
LATE_S = 30.0  # a poller gives a sign of life every ten seconds
TOLD_S = 7 * 86_400.0  # older jobs are printed or canceled by then
WAITS_S = 60.0  # the jobs have a message after the same time
WAITS_LONG_S = 3600.0


def has_journal(folder: Path) -> bool:
    """Whether the folder has a journal. PermissionError is for root to solve, as in the checks."""
    return (folder / "journal.db").exists()


def check_journal(folder: Path, now_s: float, *, has_systemd: bool) -> Iterator[Finding]:
    """Check the journal in `folder`, and its poller."""
    journal = Subject(tr("journal"), str(folder))
    strange: list[Finding] = []
    if folder.is_dir():
        strange += _check_owner(journal, folder)
        yield from strange
        yield from _check_writable(journal, folder)
    if not has_journal(folder):
        text = tr("There is no journal yet, because nothing was printed so far.")
        yield journal.note(text, tr("Print something: cirrusctl test QUEUE"))
        yield _check_poller(Health(), now_s, has_systemd=has_systemd)
        return
    try:
        health = look(folder)
    except JournalNewer as trouble:
        yield journal.failed(trouble)
        return
    except JournalError as trouble:
        if not strange:  # reported by _check_owner
            yield _unusable(journal, trouble.text, trouble.code)
        return
    yield _check_health(journal, health)
    if now_s - health.trusted_since_s < TOLD_S:
        text = tr(
            "The journal replaced another one, or was restored from a backup, at {time}. Older "
            "jobs that are missing from the journal are held.",
            time=_clock(health.trusted_since_s),
        )
        yield journal.note(text, tr("Look at the printer before you release such a job."))
    if not health.damage:
        yield _check_poller(health, now_s, has_systemd=has_systemd)
        yield from _check_waiting(health, now_s)


def _check_owner(journal: Subject, folder: Path) -> Iterator[Finding]:
    """Check that the folder's owner, as whom all programs work, owns its files."""
    try:
        strange = strangers_files(folder)
    except JournalError as trouble:
        yield journal.failed(trouble)
        return
    if strange:
        owner = folder.stat().st_uid
        text = tr(
            "{names}: not owned by user id {owner}, which owns the folder and must be able to "
            "write there.",
            names=", ".join(path.name for path in strange),
            owner=owner,
        )
        fix = tr("Run: chown -R {owner} {folder}", owner=owner, folder=folder)
        yield journal.error(text, fix, JournalError.code)


def _check_writable(journal: Subject, folder: Path) -> Iterator[Finding]:
    if folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield journal.warning(
            tr("Other users may write into this folder, and so cause jobs to be printed twice."),
            tr("Run: chmod go-w {folder}", folder=folder),
        )
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield journal.error(
            tr("The file system is mounted read-only, so nothing is printed."),
            tr("Find the reason in the kernel's log (dmesg), then run: mount -o remount,rw …"),
            JournalError.code,
        )


def _check_health(journal: Subject, health: Health) -> Finding:
    if health.damage:
        text = tr("The journal is damaged: {damage}", damage="; ".join(health.damage))
        return _unusable(journal, text, JournalDamaged.code)
    if health.size_bytes > LARGE_BYTES:
        return journal.warning(
            tr("The journal has {number} MiB.", number=health.size_bytes >> 20),
            tr("Set smaller keep_days and keep_documents below [journal] in bridge.toml."),
        )
    size = health.size_bytes >> 10
    if health.checked is None:
        return journal.good(tr("The journal is intact ({number} KiB).", number=size))
    return journal.good(
        tr(
            "The newest {count} documents of the journal ({number} KiB), and as many open ones, "
            "are intact. An older document is checked when its job is printed again.",
            count=health.checked,
            number=size,
        )
    )


def _check_poller(health: Health, now_s: float, *, has_systemd: bool) -> Finding:
    poller = Subject(POLLER, "cirrus-statusd")
    sign, left = health.sign, health.left
    waits = last = ""
    if left:
        waits = trn(
            "{count} document waits for the poller.", "{count} documents wait for the poller.", left
        )
    time = _clock(sign.at_s) if sign else ""
    if not health.poller_runs:
        text = tr("The poller is not running, so held jobs stay held.")
        last = tr("The poller's last sign of life was at {time}.", time=time) if sign else ""
        fix = tr(
            "Start the poller, as root: cirrus-statusd. If it belongs to a container, restart the "
            "container."
        )
        if has_systemd:
            fix = tr(
                "Start the poller: systemctl enable --now cirrus-statusd, or, as root: "
                "cirrus-statusd"
            )
    elif sign and now_s - sign.at_s > LATE_S:
        text = tr(
            "The poller ({name}) is running, but has done nothing since {time}.",
            name=sign.name,
            time=time,
        )
        fix = tr(
            "Check the poller's log, then restart the poller, or the container that it belongs to."
        )
        if has_systemd:
            fix = tr(
                "Check the poller's log (journalctl -u cirrus-statusd), then run: systemctl "
                "restart cirrus-statusd"
            )
    else:
        documents = _documents(left)
        return poller.good(
            tr("The poller is running and follows {documents}.", documents=documents)
        )
    return poller.error(joined(" ", filter(None, (text, waits, last))), fix)


def _check_waiting(health: Health, now_s: float) -> Iterator[Finding]:
    """Report locations that do not fetch their jobs."""
    check = tr("waiting")
    if len(health.waiting) > MOST_WAITING:
        text = tr("Jobs wait at more than {most_waiting} locations.", most_waiting=MOST_WAITING)
        fix = tr(
            "Check that the servers' clients run at these locations and are online. The longest "
            "waits are listed below."
        )
        yield Subject(check, tr("jobs")).warning(text, fix)
    for each in health.waiting[:MOST_WAITING]:
        waits_s = now_s - each.oldest_s
        if waits_s > WAITS_S:
            text = tr(
                "{documents} not fetched; the oldest has been waiting since {time}.",
                documents=_documents(each.count),
                time=_clock(each.oldest_s),
            )
            fix = tr(
                "Check that the server's client runs at the location and is online. The jobs are "
                "then delivered."
            )
            severity = Severity.WARNING if waits_s > WAITS_LONG_S else Severity.NOTE
            yield Subject(check, f"{each.location} ({each.server})").found(severity, text, fix)


def _unusable(journal: Subject, text: str, code: str) -> Finding:
    fix = tr(
        "Check the disk. Stop cirrus-statusd, move the journal aside (journal.db, journal.db-wal, "
        "journal.db-shm), and start cirrus-statusd again. Leave jobs.lock in place. Older jobs are "
        "then held. Look at the printer before you release them."
    )
    return journal.error(text, fix, code)


def _documents(count: int) -> str:
    return trn("{count} document", "{count} documents", count)


def _clock(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s).astimezone():%Y-%m-%d %H:%M:%S}"
