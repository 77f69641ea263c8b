"""Checks of the journal, and of the poller that follows what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cirrus_bridge.admin.doctor.finding import Finding, error, failed, good, note, warning
from cirrus_bridge.errors import JournalError
from cirrus_bridge.journal_health import MOST_WAITING, Health, look, strangers_files

JOURNAL, POLLER, WAITING = "journal", "poller", "waiting"
LARGE_BYTES = 1 << 30
LATE_S = 30.0  # pollers give a sign of life every ten seconds
WAITS_LONG_S = 3600.0
START = "Start it: systemctl enable --now cirrus-statusd, or, as root: cirrus-statusd"


def check_journal(folder: Path, now_s: float) -> Iterator[Finding]:
    """Everything about the journal in `folder`, and its poller."""
    yield from check_writable(folder)
    if not (folder / "journal.db").exists():
        yield note(
            JOURNAL, str(folder), "There is no journal yet: nothing was printed so far.",
            "Print something: cirrusctl test QUEUE",
        )  # fmt: skip
        yield from check_poller(Health(0, 0, (), (), 0, 0.0, ()), now_s)
        return
    try:
        health = look(folder)
    except JournalError as trouble:
        yield _damaged(folder, str(trouble))
        return
    yield from check_health(folder, health)
    if not health.damage and not health.is_newer:
        yield from check_poller(health, now_s)
        yield from check_waiting(health, now_s)


def check_writable(folder: Path) -> Iterator[Finding]:
    """The backend works as the owner of the folder, who has to be able to write there."""
    if not folder.is_dir():
        return
    try:
        strange = strangers_files(folder)
    except JournalError as trouble:
        yield failed(JOURNAL, str(folder), trouble)
        return
    if strange:
        owner = folder.stat().st_uid
        yield error(
            JOURNAL, str(folder), f"{', '.join(path.name for path in strange)}: not of user id "
            f"{owner}, who owns the folder and has to write it.",
            f"Run: chown -R {owner} {folder}", JournalError.code,
        )  # fmt: skip
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield error(
            JOURNAL, str(folder), "The file system is mounted read-only, so nothing is printed.",
            "Look for the reason in the kernel's log (dmesg), then: mount -o remount,rw …",
            JournalError.code,
        )  # fmt: skip


def check_health(folder: Path, health: Health) -> Iterator[Finding]:
    """It is whole, of a version that is known here, and of a bearable size."""
    about = str(folder)
    if health.damage:
        yield _damaged(folder, f"It is damaged: {'; '.join(health.damage)}")
    elif health.is_newer:
        yield error(
            JOURNAL, about, "It was written by a newer version of Cirrus Bridge.",
            "Install that version again, or a newer one.", JournalError.code,
        )  # fmt: skip
    elif health.size_bytes > LARGE_BYTES:
        yield warning(
            JOURNAL, about, f"It has {health.size_bytes >> 20} MiB.",
            "Set smaller keep_days and keep_documents below [journal] in bridge.toml.",
        )  # fmt: skip
    else:
        yield good(JOURNAL, about, f"It is whole ({health.size_bytes >> 10} KiB).")


def check_poller(health: Health, now_s: float) -> Iterator[Finding]:
    """One runs, and gives signs of life."""
    living = [sign for sign in health.pollers if sign.lives]
    left = f" {_jobs(health.left)} waits for it." if health.left else ""
    if not living:
        died = max((sign.at_s for sign in health.pollers), default=0.0)
        when = f"It has died; its last sign of life was at {_clock(died)}." if died else ""
        yield error(
            POLLER, "cirrus-statusd", f"It does not run: held jobs stay held.{left} {when}".strip(),
            START,
        )  # fmt: skip
        return
    last = max(living, key=lambda sign: sign.at_s)
    if now_s - last.at_s > LATE_S:
        yield error(
            POLLER, "cirrus-statusd",
            f"It runs ({last.name}) and does nothing since {_clock(last.at_s)}.{left}",
            "Look at its log (journalctl -u cirrus-statusd), then restart it: systemctl restart "
            "cirrus-statusd",
        )  # fmt: skip
    else:
        yield good(POLLER, "cirrus-statusd", f"It runs and follows {_jobs(health.left)}.")


def check_waiting(health: Health, now_s: float) -> Iterator[Finding]:
    """No location leaves its jobs where they are."""
    if len(health.waiting) > MOST_WAITING:
        yield warning(
            WAITING, "jobs", f"Jobs wait at more than {MOST_WAITING} locations.",
            "See that the server is there for its locations. Those that wait longest follow.",
        )  # fmt: skip
    for each in health.waiting[:MOST_WAITING]:
        if now_s - each.oldest_s > WAITS_LONG_S:
            yield warning(
                WAITING, f"{each.location} ({each.server})",
                f"{_jobs(each.count)} not fetched, the oldest since {_clock(each.oldest_s)}.",
                "See at the location that the server's client runs and is online; the jobs are "
                "delivered then.",
            )  # fmt: skip


def _damaged(folder: Path, text: str) -> Finding:
    return error(
        JOURNAL, str(folder), text,
        "See that the disk is sound. Then stop cirrus-statusd, put the journal aside (journal.db, "
        "journal.db-wal, journal.db-shm) and start it again: what waits now is forgotten, and jobs "
        "that are released or restarted may print twice.", JournalError.code,
    )  # fmt: skip


def _jobs(count: int) -> str:
    return f"{count} document{'' if count == 1 else 's'}"


def _clock(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s).astimezone():%Y-%m-%d %H:%M:%S}"
