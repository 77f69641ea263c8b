"""A restart storm: all parts of a print site are killed at random while jobs flow.

`tests/storm --kind KIND --minutes 5 --seed N` runs a long one. The seed chooses the deeds, their
times and their victims, but not the moment of a job that they hit. At the end, everything starts
again, and a simulated person decides about held jobs.

`kills`: Processes die, and locations go offline.

`faults`: The server is also away for long, answers nonsense or tells of other jobs. The key is
wrong for a while, another program locks the journal, and poller and backend die at once. CUPS
cancels jobs that are processed for MAX_JOB_TIME_S.

After both kinds, each document that lp(1) accepted was delivered once to each of its targets. Each
job is completed, or CUPS canceled the job at its time limit, just after the delivery. The journal
has nothing open, and no queue is stopped.

`restored`: In addition, the server is restored from an older backup. It may then lose documents or
deliver them again. These promises stay:

- No silent loss: each document was delivered to each of its targets, or CUPS or the poller says
  that it was not.
- No false completion: a completed job was delivered everywhere, unless the poller has denied it
  since.
- No mix-up of people: each document at a device was printed to that device, and belongs to one job.
- No leftovers: the journal has nothing open, each job has ended, and no queue is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from answers import OTHER_JOB, WEB_PAGE, answer, mislabeled, with_interim
from cirrus_bridge.journal import run_notes
from faulty_printers import faulty_printers
from print_site import PrintSite
from printer_storm import DEVICES, PrinterStorm
from private_cups import STATES
from programs import Program
from storm_documents import Delivered, Output, delivered, outputs, written
from tcp_proxy import TcpProxy

TICK_S = 0.5
BYTES_PER_S = 3_000_000  # slow enough for kills to hit uploads
GET_JOB = b"GET /api/get/job/"
PENDING, HELD, PROCESSING, CANCELED, ABORTED, COMPLETED = 3, 4, 5, 7, 8, 9
IDLE_LOOKS = 20
DELIVERED = 2
MAX_JOB_TIME_S = 20
AWAY_TICKS = (20, 28)  # a backend waits for half of MAX_JOB_TIME_S, then its job is held
UNKNOWN_S = 600.0  # the poller asks rarely for old jobs, and several times for forgotten ones
LOCK_TICKS = 24  # a backend waits for the journal for ten seconds, then its job is held
# Codes of jobs that are held on purpose, until a person releases them.
RELEASED = {
    "CB-402",  # the key was refused, and no poller could release the job
    "CB-421",  # a submit had no answer, and the server has changed since
    "CB-422",  # a submit was answered with the id of another job
    "CB-603",  # five kills in a row
}
CONFIGURATION = """\
[defaults]
encryption = "never"
waittimeout = 1
[upload]
segment_bytes = 131072
largest_segment_bytes = 262144
read_timeout_s = 10
[statusd]
orphan_after_s = 5
unknown_after_s = 10
"""
QUEUES: Mapping[str, tuple[tuple[str, ...], str, bool]] = {
    "held": (("Paris:A",), "?handover=hold", False),
    "complete": (("Paris:B",), "?handover=complete", False),
    "driver": (("Paris:C",), "", True),
    "two": (("Paris:A", "Lyon:A"), "", False),
    "lyon": (("Lyon:B",), "?handover=complete", True),
    "submitted": (("Lyon:A",), "?wait=submitted", False),
}
LOCATIONS = ("Paris", "Lyon")
# The poller reports documents that were not delivered.
TOLD = re.compile(r"event=(?:unknown|deleted|mismatched|not-sent|may-be-printed) .*?job=(\d+)")
_CODE = re.compile(r"\((CB-\d+)\)")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of storm.

    Attributes:
        deeds: names with their relative frequency; a deed happens at each tick.
        directives: of cupsd.conf.
        is_restored: whether the server is restored from a backup.
        calm_s: the time limit at the end, until all jobs have ended.
    """

    deeds: Mapping[str, int]
    directives: Sequence[str] = ()
    is_restored: bool = False
    calm_s: float = 200.0


_KILLS = {
    "print": 12,
    "kill worker": 4,
    "kill supervisor": 3,
    "kill backend": 3,
    "kill cupsd": 2,
    "cut power": 1,
    "kill cloud": 2,
    "kill poller": 2,
    "kill workerd": 2,
    "switch location": 3,
}
_FAULTS = _KILLS | {
    "print": 24,
    "kill backend and poller": 3,
    "stop cloud for long": 2,
    "lock journal": 1,
    "refuse key": 2,
    "send web pages": 2,
    "tell of another job": 2,
    "repeat an id": 3,
    "send interim answers": 2,
    "mislabel answers": 2,
}
_BRIEF = (f"MaxJobTime {MAX_JOB_TIME_S}",)
KINDS: Mapping[str, Kind] = {
    "kills": Kind(_KILLS),
    "faults": Kind(_FAULTS, _BRIEF),
    "restored": Kind(_FAULTS, _BRIEF, is_restored=True, calm_s=UNKNOWN_S),
}


@dataclass(slots=True)
class Printed:
    """An accepted job with its queue and the expected outputs."""

    job_id: int
    queue: str
    outputs: list[Output]

    @property
    def wanted(self) -> list[Delivered]:
        """The expected deliveries."""
        return [Delivered(at, each) for each in self.outputs for at in QUEUES[self.queue][0]]


@dataclass(slots=True)
class Storm:
    """A storm on a site of its own with the kind's directives. `say` gets a line for each deed."""

    site: PrintSite
    kind: Kind
    seed: int
    say: Callable[[str], None]
    rng: random.Random = field(init=False)
    printed: list[Printed] = field(default_factory=list)
    released: Counter[str] = field(default_factory=Counter)
    stuck: int = 0
    _idle_looks: int = 0
    _proxy: TcpProxy = field(init=False)
    _queues: dict[str, str] = field(default_factory=dict)
    _poller: Program[str] | None = None
    _due: list[tuple[float, str, Callable[[], None]]] = field(default_factory=list)
    _down: set[str] = field(default_factory=set)
    _online: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(LOCATIONS, True))
    _number: int = 0
    _came_out: dict[tuple[int, str], Delivered] = field(default_factory=dict)
    _restored: int = 0
    _said: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._proxy = TcpProxy(self.site.server)
        self._proxy.bytes_per_s = BYTES_PER_S
        if self.kind.is_restored:  # the server must not reveal it
            self._proxy.hide = (b"server-instance",)

    def run(self, seconds: float) -> None:
        """Run the storm and the calm, then check the promises."""
        with self._proxy:
            self._furnish()
            try:
                self._rage(seconds)
                self._calm()
                self._check()
            finally:
                if self._poller:
                    self._poller.end()

    def _furnish(self) -> None:
        self.site.configure(server=self._proxy.name)
        (self.site.config / "bridge.toml").write_text(CONFIGURATION)
        self.site.cloud.cli("location", "add", "Acme/Lyon")
        devices = {target for targets, _, _ in QUEUES.values() for target in targets}
        for target in sorted(devices):
            path = f"Acme/{target.replace(':', '/')}"
            self.site.cloud.cli("device", "add", path, "--type", "file")
        for name, (targets, options, driver) in QUEUES.items():
            self._queues[name] = self.site.queue(
                *targets, options=options, driver=driver, server=self._proxy.name
            )
        self._start_poller()

    def _rage(self, seconds: float) -> None:
        began_s = time.monotonic()
        tick, ticks = 0, round(seconds / TICK_S)
        while tick < ticks:
            # drawn even if the deed is impossible now, so that the seed decides all later deeds
            (deed,) = self.rng.choices(list(self.kind.deeds), list(self.kind.deeds.values()))
            draw = random.Random(self.rng.random())
            self._start_due(tick)
            self._look_after(tick)
            if self.kind.is_restored and tick == ticks // 4:
                self._back_up()
            if self.kind.is_restored and tick == ticks * 3 // 4:
                self._restore()
            self.say(f"{tick * TICK_S:6.1f} {deed} {_DEEDS[deed](self, draw, tick)}")
            tick += 1
            time.sleep(max(0.0, began_s + tick * TICK_S - time.monotonic()))

    def _start_due(self, tick: float) -> None:
        for due in [due for due in self._due if due[0] <= tick]:
            self._due.remove(due)
            _, what, start = due
            start()
            self._down.discard(what)

    def _look_after(self, tick: float) -> None:
        """Do what systemd does for the poller, and a person for CUPS."""
        if self._poller and "poller" not in self._down and self._poller.poll() is not None:
            self.say(f"{tick * TICK_S:6.1f} the poller ended by itself, and is started")
            self._start_poller()
        stuck = self.site.statusd_log().count("event=stuck")
        if stuck > self.stuck and "cupsd" not in self._down:
            # CUPS waits for a filter without a reader; the poller's advice is followed
            self.stuck = stuck
            self._restart_cups("which had not noticed that a backend was killed")

    def _restart_cups(self, why: str) -> None:
        self.say(f"restarted CUPS, {why}")
        self.site.cups.kill()
        self.site.cups.start()

    def _wake_cups(self) -> None:
        """Wake CUPS 2.4: after it cancels a stuck job (MaxJobTime), the queue starts no job."""
        self._idle_looks = self._idle_looks + 1 if self._stands_still() else 0
        if self._idle_looks > IDLE_LOOKS:
            self._idle_looks = 0
            self._restart_cups("whose queue stood still")

    def _stands_still(self) -> bool:
        states = [self.site.cups.job(job_id)["job-state"] for job_id in self._jobs()]
        return PENDING in states and PROCESSING not in states

    def _take_down(
        self, what: str, ticks: int, tick: int, kill: Callable[[], None],
        start: Callable[[], None],
    ) -> str:  # fmt: skip
        if what in self._down:
            return "is down already"
        kill()
        self._down.add(what)
        self._due.append((tick + ticks, what, start))
        return f"for {ticks * TICK_S} s"

    def _print(self, draw: random.Random, _: int) -> str:
        name = draw.choice(list(QUEUES))
        driver = QUEUES[name][2]
        count = draw.choice((1, 1, 1, 2, 3))
        marks = [f"<{self.seed}-{self._number + each}>" for each in range(1, count + 1)]
        self._number += count
        files = written(self.site.root, marks, draw, pdf=driver)
        if "cupsd" in self._down:
            return "but cupsd is down"
        options = () if driver else ("-o", "raw")
        job_id = self.site.cups.lp(self._queues[name], *options, *files)
        self.printed.append(Printed(job_id, name, outputs(files, marks, pdf=driver)))
        return f"job {job_id} on {name}: {' '.join(marks)}"

    def _kill_backend(
        self, draw: random.Random, tick: int, *, worker: bool, supervisor: bool,
        poller: bool = False,
    ) -> str:  # fmt: skip
        wait_s, all_s = draw.uniform(0.0, 0.4), time.monotonic() + 2 * TICK_S
        while not (backends := self.site.backends()) and time.monotonic() < all_s:
            time.sleep(0.02)
        time.sleep(wait_s)
        backends = self.site.backends()
        pairs = [(own, parent) for own, parent in backends.items() if parent in backends]
        if not pairs:
            return "but there is none"
        own, parent = draw.choice(pairs)
        chosen = [pid for pid, wanted in ((parent, supervisor), (own, worker)) if wanted]
        if poller and "poller" not in self._down:
            assert self._poller
            _kill([*chosen, self._poller.pid])
            return f"{chosen}, the poller {self._kill_poller(draw, tick)}"
        _kill(chosen)
        return f"{chosen}"

    def _kill_cupsd(self, draw: random.Random, tick: int) -> str:
        cups = self.site.cups
        return self._take_down(
            "cupsd", _ticks(draw), tick, lambda: cups.kill(alone=True), cups.start
        )

    def _cut_power(self, draw: random.Random, tick: int) -> str:
        """End all local processes at once."""

        def kill() -> None:
            self.site.cups.kill()
            _kill([*self.site.backends()])  # of an earlier cupsd

        return self._take_down("cupsd", _ticks(draw), tick, kill, self.site.cups.start)

    def _kill_cloud(self, draw: random.Random, tick: int) -> str:
        cloud = self.site.cloud
        return self._take_down("cloud", _ticks(draw), tick, cloud.kill, cloud.come_back)

    def _stop_cloud_for_long(self, draw: random.Random, tick: int) -> str:
        cloud, ticks = self.site.cloud, draw.randint(*AWAY_TICKS)
        return self._take_down("cloud", ticks, tick, cloud.kill, cloud.come_back)

    def _kill_poller(self, draw: random.Random, tick: int) -> str:
        def kill() -> None:
            assert self._poller
            self._poller.kill()
            self._poller.end()

        return self._take_down("poller", _ticks(draw), tick, kill, self._start_poller)

    def _kill_workerd(self, draw: random.Random, tick: int) -> str:
        """End the service with the warm workers, which end their jobs."""
        site = self.site
        if not site.is_warm:
            return "but there is none"
        return self._take_down("workerd", _ticks(draw), tick, site.kill_workerd, site.start_workerd)

    def _start_poller(self) -> None:
        self._poller = self.site.start_statusd()

    def _switch_location(self, draw: random.Random, _: int) -> str:
        location = draw.choice(LOCATIONS)
        self._online[location] = not self._online[location]
        word = "online" if self._online[location] else "offline"
        self.site.cloud.cli("location", word, location)
        return f"{location} {word}"

    def _lock_journal(self, _: random.Random, tick: int) -> str:
        path = self.site.state / "journal.db"
        if not path.exists():
            return "but there is none"
        db = sqlite3.connect(path, timeout=30, isolation_level=None)

        def lock() -> None:
            db.execute("BEGIN IMMEDIATE")

        return self._take_down("journal", LOCK_TICKS, tick, lock, db.close)

    def _refuse_key(self, draw: random.Random, tick: int) -> str:
        entry = self.site.config / "servers.d" / "site.toml"
        good = entry.read_text()
        bad = good.replace(self.site.key, "wr0ng-k3y-0123456789")

        def put(text: str) -> None:
            _replace(entry, text)
            self.site.copy_keys()

        return self._take_down("key", _ticks(draw), tick, lambda: put(bad), lambda: put(good))

    def _answer_instead(self, piece: bytes, text: bytes, draw: random.Random) -> str:
        times = draw.choice((1, 3, 10))
        self._proxy.answer_instead = (piece, text, times)
        return f"{times} times"

    def _repeat_id(self, draw: random.Random, _: int) -> str:
        """Answer the next job for the targets of a queue with the ids of an earlier job."""
        for name in draw.sample(list(QUEUES), len(QUEUES)):
            targets = QUEUES[name][0]
            ids = [self._id_at(target) for target in targets]
            if all(ids):
                piece = f"targets={quote(';'.join(targets), safe='')}&".encode()
                self._proxy.answer_instead = (piece, answer("200 OK", "\n".join(ids)), 1)
                return f"of {' '.join(targets)}: {' '.join(ids)}"
        return "but there is none"

    def _id_at(self, target: str) -> str:
        rows = self.site.journal(
            "SELECT cloud_job_id FROM delivery WHERE cloud_job_id NOT NULL"
            " AND location || ':' || device = ? ORDER BY rowid LIMIT 1",
            target,
        )
        return str(rows[0][0]) if rows else ""

    def _rewrite(self, rewrite: Callable[[bytes], bytes], draw: random.Random, tick: int) -> str:
        def begin() -> None:
            self._proxy.rewrite_answers = rewrite

        def end() -> None:
            self._proxy.rewrite_answers = bytes

        return self._take_down("line", _ticks(draw), tick, begin, end)

    def _back_up(self) -> None:
        self._copy(self.site.cloud.data, self._backup)
        self.say("backed up the cloud")

    def _restore(self) -> None:
        self._copy(self._backup, self.site.cloud.data)
        self._restored += 1
        self.say("restored the cloud")

    @property
    def _backup(self) -> Path:
        return self.site.root / "backup"

    def _copy(self, source: Path, target: Path) -> None:
        """Copy the cloud's data while the cloud does not run."""
        if "cloud" not in self._down:
            self.site.cloud.kill()
        self._look()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        if "cloud" not in self._down:
            self.site.cloud.come_back()

    def _calm(self) -> None:
        self._start_due(float("inf"))
        self._proxy.answer_instead = None
        for location in LOCATIONS:
            self.site.cloud.cli("location", "online", location)
        began_s = time.monotonic()
        while self._open():
            self._look_after(float("inf"))
            self._act_as_person()
            self._wake_cups()
            if time.monotonic() > began_s + self.kind.calm_s:
                break
            time.sleep(0.5)
        self.say(f"calm after {time.monotonic() - began_s:.0f} s")

    def _open(self) -> bool:
        rows = self.site.journal("SELECT 1 FROM document WHERE closed_at IS NULL")
        # CUPS aborts a job of several files whose backend was killed, until the poller restarts it
        killed = next(run_notes.left(str(self.site.state)), None)
        return any((rows, killed, self._jobs(), self.site.backends(), self._wrong()))

    def _jobs(self) -> list[int]:
        """The jobs of CUPS that have not ended."""
        lines = self.site.cups.run("lpstat", "-W", "not-completed", "-o").splitlines()
        return [int(line.split()[0].rpartition("-")[2]) for line in lines]

    def _act_as_person(self) -> None:
        """Do what the messages of jobs ask of a person."""
        for each in self.printed:
            job = self.site.cups.job(each.job_id)
            state, said = job["job-state"], str(job.get("job-printer-state-message", ""))
            code = "".join(_CODE.findall(said)[-1:])
            if state == HELD and code == "CB-703":  # the person looked at the output
                self._said[each.job_id] = said
                self._command(code, "cancel", each.job_id)
            elif state == HELD and code in RELEASED and "continues by itself" not in said:
                self._command(code, "lp", "-i", each.job_id, "-H", "resume")
            elif state == CANCELED and self._is_over_time(each) and self._is_reported(each):
                self._restart_cups("which would cancel that job again at once")
                self._command("MaxJobTime", "lp", "-i", each.job_id, "-H", "restart")
            elif state == ABORTED and code in RELEASED and "restart the job" in said:
                self._command(code, "lp", "-i", each.job_id, "-H", "restart")

    def _command(self, code: str, *command: str | int) -> None:
        self.released[code] += 1
        self.say(f"{code}: {' '.join(map(str, command))}")
        self.site.cups.run(*map(str, command))

    def _look(self) -> None:
        """Read the new deliveries."""
        for job in self.site.cloud.jobs():
            key = (self._restored, str(job["id"]))
            if job["state"] == DELIVERED and key not in self._came_out:
                self._came_out[key] = delivered(job)

    def _wrong(self) -> list[str]:
        """The broken promises, in words."""
        self._look()
        got = list(self._came_out.values())
        wanted = [each for printed in self.printed for each in printed.wanted]
        strange = [one for one in got if not any(one.is_part_of(each) for each in wanted)]
        wrong = [f"not printed there, or not so: {each}" for each in strange]
        for printed in self.printed:
            for each in printed.wanted:
                count = sum(one.is_all_of(each) for one in got)
                about = f"job {printed.job_id} on {printed.queue}, {each}"
                if count == 0 and not (self.kind.is_restored and self._is_told(printed)):
                    wrong.append(f"lost: {about}")
                elif count > 1 and not self.kind.is_restored:
                    wrong.append(f"{count} times: {about}")
        return wrong

    def _is_over_time(self, printed: Printed) -> bool:
        """Whether CUPS canceled a job after MAX_JOB_TIME_S."""
        return f"[Job {printed.job_id}] Canceling stuck job" in self.site.cups.error_log()

    def _is_late(self, printed: Printed) -> bool:
        """Whether CUPS canceled a job after MAX_JOB_TIME_S, just after its delivery."""
        ended_s = int(self.site.cups.job(printed.job_id)["time-at-completed"])
        delivered_s = [
            Path(job["delivered_path"]).stat().st_mtime
            for job in self.site.cloud.jobs()
            if job["state"] == DELIVERED
            and any(delivered(job).is_all_of(each) for each in printed.wanted)
        ]
        is_just_over = max(delivered_s, default=0.0) > ended_s - MAX_JOB_TIME_S / 2
        return is_just_over and self._is_over_time(printed)

    def _is_reported(self, printed: Printed) -> bool:
        """Whether the poller says that a job was not delivered completely."""
        return str(printed.job_id) in TOLD.findall(self.site.statusd_log())

    def _is_told(self, printed: Printed) -> bool:
        """Whether CUPS or the poller says that a job was not delivered completely."""
        job = self.site.cups.job(printed.job_id)
        said = self._said.get(printed.job_id) or str(job.get("job-printer-state-message", ""))
        is_told = job["job-state"] in (CANCELED, ABORTED) and bool(_CODE.search(said))
        return is_told or self._is_reported(printed)

    def _check(self) -> None:
        site = self.site
        assert not self._wrong(), "\n".join(self._wrong())
        columns = "job_id, queue, number, state, waits_for"
        rows = site.journal(f"SELECT {columns} FROM document WHERE closed_at IS NULL")  # noqa: S608
        assert not rows, f"open in the journal: {rows}"
        assert not self._jobs()
        for printed in self.printed:
            state = site.cups.job(printed.job_id)["job-state"]
            is_told = self.kind.is_restored and self._is_told(printed)
            # on a busy machine, the time may be over just after the delivery
            is_late = state == CANCELED and self._is_late(printed)
            is_right = state == COMPLETED or is_told or is_late
            assert is_right, f"job {printed.job_id} is {STATES[state]}"
        stopped = [n for n, q in self._queues.items() if site.cups.printer(q)["printer-state"] == 5]
        assert not stopped
        self.say(f"{len(self.printed)} jobs; a person was asked for: {dict(self.released)}")


_DEEDS: Mapping[str, Callable[[Storm, random.Random, int], str]] = {
    "print": Storm._print,
    "kill worker": functools.partial(Storm._kill_backend, worker=True, supervisor=False),
    "kill supervisor": functools.partial(Storm._kill_backend, worker=False, supervisor=True),
    "kill backend": functools.partial(Storm._kill_backend, worker=True, supervisor=True),
    "kill backend and poller": functools.partial(
        Storm._kill_backend, worker=True, supervisor=True, poller=True
    ),
    "kill cupsd": Storm._kill_cupsd,
    "cut power": Storm._cut_power,
    "kill cloud": Storm._kill_cloud,
    "kill poller": Storm._kill_poller,
    "kill workerd": Storm._kill_workerd,
    "switch location": Storm._switch_location,
    "stop cloud for long": Storm._stop_cloud_for_long,
    "lock journal": Storm._lock_journal,
    "refuse key": Storm._refuse_key,
    "send web pages": lambda s, draw, _: s._answer_instead(b"/api/", WEB_PAGE, draw),
    "tell of another job": lambda s, draw, _: s._answer_instead(GET_JOB, OTHER_JOB, draw),
    "repeat an id": Storm._repeat_id,
    "send interim answers": lambda s, draw, tick: s._rewrite(with_interim, draw, tick),
    "mislabel answers": lambda s, draw, tick: s._rewrite(mislabeled, draw, tick),
}


def _ticks(draw: random.Random) -> int:
    return draw.choice((1, 2, 4, 8))


def _kill(pids: list[int]) -> None:
    """Kill all at the same moment, so that no process sees another's end."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.rename(path)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="storm", description=__doc__)
    parser.add_argument("--kind", choices=(*KINDS, "printers"), default="faults")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--cold", action="store_true", help="without warm workers")
    parser.add_argument("--keep", help="a folder for the logs, if it fails", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    if arguments.kind == "printers":
        with faulty_printers(devices=DEVICES) as (printers, line):
            PrinterStorm(printers, line, arguments.seed, lambda text: print(text, flush=True)).run(
                arguments.minutes * 60
            )
        return
    kind = KINDS[arguments.kind]
    with PrintSite(is_warm=not arguments.cold, directives=kind.directives) as site:
        try:
            Storm(site, kind, arguments.seed, lambda text: print(text, flush=True)).run(
                arguments.minutes * 60
            )
        except AssertionError as error:
            print(f"FAILED: {error}\nseed {arguments.seed}", flush=True)
            if arguments.keep:
                subprocess.run(["cp", "-a", site.root, arguments.keep], check=True)
            sys.exit(1)


if __name__ == "__main__":
    main()
