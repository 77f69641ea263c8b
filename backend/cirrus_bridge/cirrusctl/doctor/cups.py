"""Checks of the versions, of cupsd and of its settings for jobs."""

from __future__ import annotations

import platform
import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.config.defaults import QUEUES_HELD
from cirrus_bridge.cups.cupsd import ALONE, FOREVER_S, Cupsd, snap_notice
from cirrus_bridge.version import __version__

CUPSD = "cupsd"
OLDEST_CUPS, FIRST_THAT_WARNS, FIRST_WITHOUT_BACKENDS = (2, 2), (2, 3), (3, 0)
MAX_JOBS = 500  # cupsd.conf(5), as for PRESERVE_FILES_S
PRESERVE_FILES_S = 86_400.0
HOUR_S = 3600.0
MAX_JOB_TIME_S = 10_800.0  # cupsd.conf(5)
SHORT_S = 120.0  # a backend waits for a server this long


def check_versions(cups: str) -> Finding:
    """Check that CUPS supports backends. `cups` is its version; empty if unknown."""
    number = tuple(int(part) for part in cups.split(".")[:2] if part.isdigit())
    versions = Subject(tr("versions"), f"CUPS {cups}".rstrip())
    if number and number >= FIRST_WITHOUT_BACKENDS:
        return versions.error(
            tr("This version of CUPS no longer supports backends and drivers."),
            tr("Install CUPS 2.4, or a later CUPS 2, on this machine or on a print server."),
        )
    if number and number < OLDEST_CUPS:
        text = tr("This version of CUPS is too old.")
        return versions.error(text, tr("Install CUPS 2.4 or later."))
    python = platform.python_version()
    ours = f"cirrus-bridge {__version__}, Python {python}, {ssl.OPENSSL_VERSION}."
    if number >= FIRST_THAT_WARNS:
        warns = tr("CUPS warns that drivers are deprecated; they work until CUPS 3.")
        return versions.good(joined(" ", (ours, warns)))
    return versions.good(ours)


def check_daemon(
    address: str, daemon: Cupsd, refusal: CirrusError | None, *, is_root: bool, has_systemd: bool
) -> Iterator[Finding]:
    """Check that cupsd answers, and report its ServerRoot."""
    cupsd = Subject(CUPSD, address)
    if refusal is not None:
        fix = tr(
            "Start CUPS, or the container that it belongs to, or set CUPS_SERVER to the socket of "
            "another cupsd."
        )
        if has_systemd:
            fix = tr(
                "Start CUPS (systemctl start cups), or set CUPS_SERVER to the socket of another "
                "cupsd."
            )
        yield cupsd.failed(refusal, refusal.hint or fix)
        return
    pid, root = daemon.pid, daemon.server_root
    if pid is None:
        found = tr("Its process was not found") if is_root else tr("Only root can find its process")
        text = tr(
            "cupsd answers. {found}, so its configuration is read from {server_root}.",
            found=found,
            server_root=root,
        )
        yield cupsd.note(text, tr("Run the doctor as root where cupsd runs."))
    else:
        text = tr(
            "cupsd answers (process {pid}, ServerRoot {server_root}).", pid=pid, server_root=root
        )
        yield cupsd.good(text)
    for path in daemon.unreadable:
        text = tr("Cannot read this file, so cupsd's defaults are assumed.")
        yield Subject(CUPSD, str(path)).note(text, tr("Run the doctor as root."))


def without_cups() -> Finding:
    """The finding for a machine that has printers without drivers, and no CUPS."""
    text = tr(
        "CUPS is not installed, so this machine has no queues. Printers without drivers do not "
        "need CUPS."
    )
    return Subject(CUPSD, "CUPS").good(text)


def check_snap(root: Path) -> Iterator[Finding]:
    """Report CUPS as a snap, which cannot run our backend; `root` is the file system's root."""
    if notice := snap_notice(root):
        snap = Subject(CUPSD, "snap")
        tell = snap.error if notice == ALONE else snap.note
        yield tell(notice.message, notice.hint)


def check_preserving(daemon: Cupsd) -> Finding:
    """Check that CUPS keeps the data of jobs, which a reprint needs."""
    preserving = Subject(tr("preserving jobs"), str(daemon.server_root))
    files_s = daemon.seconds("PreserveJobFiles", yes_s=FOREVER_S, default_s=PRESERVE_FILES_S)
    if not daemon.is_on("PreserveJobHistory"):
        what = tr("no jobs")
    elif not files_s:
        what = tr("no job's data")
    elif files_s < HOUR_S:
        what = tr("a job's data for only {seconds} s", seconds=format(files_s, ".0f"))
    else:
        return preserving.good(tr("CUPS keeps jobs and, for at least an hour, their data."))
    text = tr(
        "CUPS keeps {what}. A job whose backend was killed, or that was not delivered, cannot be "
        "printed again.",
        what=what,
    )
    fix = tr(
        "Set PreserveJobFiles 1d (and PreserveJobHistory Yes) in cupsd.conf, and restart cupsd."
    )
    return preserving.warning(text, fix)


def check_limits(daemon: Cupsd, most_held: Iterable[int]) -> Finding:
    """Check that cupsd accepts enough jobs for each queue's `maxheld`, and cancels no held jobs."""
    limits = Subject(tr("job limits"), str(daemon.server_root))
    most = max(most_held) * QUEUES_HELD
    max_jobs = daemon.number("MaxJobs", MAX_JOBS)
    if max_jobs and most >= max_jobs:
        text = tr(
            "Up to {most} jobs may be held ({queues_held} times maxheld), but cupsd accepts only "
            "{max_jobs} (MaxJobs). While a location is away, cupsd rejects new jobs of all queues.",
            most=most,
            queues_held=QUEUES_HELD,
            max_jobs=max_jobs,
        )
        fix = tr(
            "Set MaxJobs {number} or 0 in cupsd.conf and restart cupsd, or set a smaller maxheld "
            "in bridge.toml or the queue's URI.",
            number=2 * most,
        )
        return limits.error(text, fix)
    if hold_s := daemon.seconds("MaxHoldTime", yes_s=FOREVER_S, default_s=0.0):
        text = tr(
            "cupsd cancels jobs that are held for {hold_s} s (MaxHoldTime). cirrus-statusd "
            "protects jobs that wait for a server, but not jobs that wait for their delivery.",
            hold_s=format(hold_s, ".0f"),
        )
        return limits.warning(text, tr("Set MaxHoldTime 0 in cupsd.conf and restart cupsd."))
    number = max_jobs or tr("unlimited")
    return limits.good(
        tr("MaxJobs is {max_jobs}; up to {most} jobs may be held.", max_jobs=number, most=most)
    )


def check_job_time(daemon: Cupsd, cancel_after_s: Mapping[str, int | None]) -> Iterator[Finding]:
    """Check that CUPS gives jobs enough time: by job-cancel-after-default of each queue or, if that
    is None, by MaxJobTime."""
    check = tr("job time")
    of_all = Subject(check, str(daemon.server_root))
    of_all_s = daemon.seconds("MaxJobTime", yes_s=0.0, default_s=MAX_JOB_TIME_S)
    for queue, limit_s in cancel_after_s.items():
        if limit_s == 0:
            text = tr(
                "CUPS cancels each job of this queue within seconds (job-cancel-after-default is "
                "0)."
            )
            fix = tr("Run: lpadmin -p {queue} -R job-cancel-after-default", queue=queue)
            yield Subject(check, queue).error(text, fix)
        elif limit_s is not None and limit_s < SHORT_S and limit_s != of_all_s:
            yield _little_time(Subject(check, queue), limit_s, "job-cancel-after-default")
    if 0 < of_all_s < SHORT_S:
        yield _little_time(of_all, of_all_s, "MaxJobTime")
    elif all(limit_s is None or limit_s >= SHORT_S for limit_s in cancel_after_s.values()):
        time = format(of_all_s, ".0f") if of_all_s else tr("unlimited")
        yield of_all.good(tr("MaxJobTime is {time}; longer jobs resume in a new run.", time=time))


def _little_time(subject: Subject, limit_s: float, name: str) -> Finding:
    text = tr(
        "CUPS allows each job only {seconds} s ({name}). Large documents need several runs.",
        seconds=format(limit_s, ".0f"),
        name=name,
    )
    return subject.warning(text, tr("Set {name} to 3600 or more.", name=name))
