"""Checks of cupsd: which it is, and whether its settings leave jobs what they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cirrus_bridge.admin.doctor.finding import Finding, error, failed, good, note, warning
from cirrus_bridge.backend_run import QUEUES_HELD
from cirrus_bridge.cups_daemon import FOREVER_S, Daemon
from cirrus_bridge.cups_snap import ALONE, snap_hint
from cirrus_bridge.errors import CirrusError

CUPSD, PRESERVING, LIMITS = "cupsd", "preserving jobs", "job limits"
MAX_JOBS = 500  # cupsd.conf(5), as the next
PRESERVE_FILES_S = 86_400.0
HOUR_S = 3600.0


def check_daemon(
    address: str, daemon: Daemon, refusal: CirrusError | None, *, is_root: bool
) -> Iterator[Finding]:
    """cupsd answers, and from which folder it works."""
    if refusal is not None:
        yield failed(
            CUPSD, address, refusal,
            "Start it (systemctl start cups); for another one, set CUPS_SERVER to its socket",
        )  # fmt: skip
        return
    if daemon.pid is None:
        why = "" if is_root else ", which takes root's rights"
        yield note(
            CUPSD, address, f"It answers. Its process was not found{why}: its configuration is "
            f"looked for in {daemon.server_root}.", "Run the doctor as root, where cupsd runs.",
        )  # fmt: skip
    else:
        yield good(
            CUPSD, address, f"It answers (process {daemon.pid}, ServerRoot {daemon.server_root})."
        )
    for path in daemon.unreadable:
        yield note(
            CUPSD, str(path), "It can not be read, so cupsd's defaults are taken for its settings.",
            "Run the doctor as root.",
        )  # fmt: skip


def check_snap(root: Path) -> Iterator[Finding]:
    """CUPS as a snap, below the file system's `root`, runs no backend of ours."""
    hint = snap_hint(root)
    if hint:
        what, _, fix = hint.partition(". ")
        kind = error if hint == ALONE else note
        yield kind(CUPSD, "snap", f"{what}.", fix)


def check_preserving(daemon: Daemon) -> Iterator[Finding]:
    """Jobs that have to be printed again need their data."""
    about = str(daemon.server_root)
    keeps_history = daemon.is_on("PreserveJobHistory", default=True)
    files_s = daemon.seconds("PreserveJobFiles", yes_s=FOREVER_S, default_s=PRESERVE_FILES_S)
    fix = "Set PreserveJobFiles 1d (and PreserveJobHistory Yes) in cupsd.conf, and restart cupsd."
    if not keeps_history or files_s < HOUR_S:
        what = "no jobs" if not keeps_history else "no job's data"
        if keeps_history and files_s:
            what = f"a job's data for {files_s:.0f} s only"
        yield warning(
            PRESERVING, about,
            f"CUPS keeps {what}: one whose backend was killed, or that was not delivered, can not "
            "be printed again.", fix,
        )  # fmt: skip
    else:
        yield good(PRESERVING, about, "CUPS keeps jobs, and their data for an hour at least.")


def check_limits(daemon: Daemon, most_held: Iterable[int]) -> Iterator[Finding]:
    """Held jobs fit into what cupsd takes, and are not canceled by it.

    Args:
        most_held: `maxheld` of each queue.
    """
    about = str(daemon.server_root)
    most = max(most_held, default=0) * QUEUES_HELD
    max_jobs = daemon.number("MaxJobs", MAX_JOBS)
    hold_s = daemon.seconds("MaxHoldTime", yes_s=FOREVER_S, default_s=0.0)
    if max_jobs and most >= max_jobs:
        yield error(
            LIMITS, about,
            f"{most} jobs may be held ({QUEUES_HELD} times maxheld), and cupsd takes {max_jobs} "
            "(MaxJobs): while a location is away, it refuses new jobs of all queues.",
            f"Set MaxJobs {2 * most} or 0 in cupsd.conf and restart cupsd, or a smaller maxheld in "
            "bridge.toml or the queue's URI.",
        )  # fmt: skip
    elif hold_s:
        yield warning(
            LIMITS, about,
            f"cupsd cancels jobs that are held for {hold_s:.0f} s (MaxHoldTime), those that wait "
            "for their delivery, too.", "Set MaxHoldTime 0 in cupsd.conf and restart cupsd.",
        )  # fmt: skip
    else:
        yield good(LIMITS, about, f"MaxJobs is {max_jobs or 'unlimited'}, {most} may be held.")
