"""A restart storm: whatever a print site consists of is killed at random while jobs flow.

`tests/storm --minutes 5 --seed N` runs a long one. What is done, when and to whom is drawn from the
seed; which moment of a job that meets is the machine's. At the end everything is started, and
waited for: then each document that lp(1) has taken is delivered once to each of its targets, the
journal has nothing open, CUPS no job that has not ended, and no queue is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pypdf import PdfReader

from print_site import PrintSite
from programs import Program
from tcp_proxy import TcpProxy

TICK_S = 0.5
CALM_S = 90.0
LARGEST = 2_000_000
BYTES_PER_S = 3_000_000  # a line slow enough for kills to meet uploads
COMPLETED, STOPPED = 9, 5
TOO_OFTEN = "(CB-603)"  # held on purpose after five kills in a row, until a person releases it
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
# what happens at a tick, and how often compared with the rest
DEEDS: Mapping[str, int] = {
    "print": 12,
    "kill worker": 4,
    "kill supervisor": 3,
    "kill backend": 3,
    "kill cupsd": 2,
    "cut power": 1,
    "kill cloud": 2,
    "kill poller": 2,
    "switch location": 3,
}


@dataclass(slots=True)
class Printed:
    """What lp took: a job, its queue, and the marks of its documents."""

    job_id: int
    queue: str
    marks: list[str]


@dataclass(slots=True)
class Storm:
    """One storm on a site that is its own. `say` gets a line for each deed."""

    site: PrintSite
    seed: int
    say: Callable[[str], None]
    rng: random.Random = field(init=False)
    printed: list[Printed] = field(default_factory=list)
    released: Counter[int] = field(default_factory=Counter)
    stuck: int = 0
    _proxy: TcpProxy = field(init=False)
    _queues: dict[str, str] = field(default_factory=dict)
    _poller: Program[str] | None = None
    _due: list[tuple[float, str, Callable[[], None]]] = field(default_factory=list)
    _down: set[str] = field(default_factory=set)
    _online: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(LOCATIONS, True))
    _number: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._proxy = TcpProxy(self.site.server)
        self._proxy.bytes_per_s = BYTES_PER_S

    def run(self, seconds: float) -> None:
        """The storm, the calm, and what has to be so then."""
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
        self._poller = self.site.start_statusd()

    def _rage(self, seconds: float) -> None:
        began_s = time.monotonic()
        tick = 0
        while tick * TICK_S < seconds:
            # drawn whether it can be done now or not: what follows stays what the seed says
            (deed,) = self.rng.choices(list(DEEDS), list(DEEDS.values()))
            draw = random.Random(self.rng.random())
            self._start_due(tick)
            self.say(f"{tick * TICK_S:6.1f} {deed} {_DEEDS[deed](self, draw, tick)}")
            tick += 1
            time.sleep(max(0.0, began_s + tick * TICK_S - time.monotonic()))

    def _start_due(self, tick: float) -> None:
        for due in [due for due in self._due if due[0] <= tick]:
            self._due.remove(due)
            _, what, start = due
            start()
            self._down.discard(what)

    def _take_down(
        self, what: str, draw: random.Random, tick: int, kill: Callable[[], None],
        start: Callable[[], None],
    ) -> str:  # fmt: skip
        ticks = draw.choice((1, 2, 4, 8))
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
        files, marks = [], []
        for _ in range(count):
            self._number += 1
            marks.append(f"<{self.seed}-{self._number}>")
            path = self.site.root / f"document{self._number}"
            noise = draw.randbytes(draw.choice((100, 50_000, LARGEST)))
            raw = b"\x1bE" + marks[-1].encode() + noise  # which CUPS may join
            path.write_bytes(_pdf(marks[-1]) if driver else raw)
            files.append(path)
        if "cupsd" in self._down:
            return "but cupsd is down"
        options = () if driver else ("-o", "raw")
        job_id = self.site.cups.lp(self._queues[name], *options, *files)
        self.printed.append(Printed(job_id, name, marks))
        return f"job {job_id} on {name}: {' '.join(marks)}"

    def _kill_backend(self, draw: random.Random, *, worker: bool, supervisor: bool) -> str:
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
        _kill(chosen)
        return f"{chosen}"

    def _kill_cupsd(self, draw: random.Random, tick: int) -> str:
        cups = self.site.cups
        return self._take_down("cupsd", draw, tick, lambda: cups.kill(alone=True), cups.start)

    def _cut_power(self, draw: random.Random, tick: int) -> str:
        """Everything on this side of the line ends at once."""

        def kill() -> None:
            self.site.cups.kill()
            _kill([*self.site.backends()])  # those of an earlier cupsd

        return self._take_down("cupsd", draw, tick, kill, self.site.cups.start)

    def _kill_cloud(self, draw: random.Random, tick: int) -> str:
        cloud = self.site.cloud
        return self._take_down("cloud", draw, tick, cloud.kill, cloud.come_back)

    def _kill_poller(self, draw: random.Random, tick: int) -> str:
        def kill() -> None:
            assert self._poller
            self._poller.kill()
            self._poller.end()

        return self._take_down("poller", draw, tick, kill, self._start_poller)

    def _start_poller(self) -> None:
        self._poller = self.site.start_statusd()

    def _switch_location(self, draw: random.Random, _: int) -> str:
        location = draw.choice(LOCATIONS)
        self._online[location] = not self._online[location]
        word = "online" if self._online[location] else "offline"
        self.site.cloud.cli("location", word, location)
        return f"{location} {word}"

    def _calm(self) -> None:
        self._start_due(float("inf"))
        for location in LOCATIONS:
            self.site.cloud.cli("location", "online", location)
        began_s = time.monotonic()
        while self._open():
            self._release_what_waits_for_a_person()
            if time.monotonic() > began_s + CALM_S:
                break
            time.sleep(0.5)
        self.say(f"calm after {time.monotonic() - began_s:.0f} s")

    def _open(self) -> bool:
        rows = self.site.journal("SELECT 1 FROM document WHERE closed_at IS NULL")
        return bool(rows) or bool(self._jobs()) or bool(self.site.backends()) or bool(self._wrong())

    def _jobs(self) -> list[int]:
        """CUPS's jobs that have not ended."""
        lines = self.site.cups.run("lpstat", "-W", "not-completed", "-o").splitlines()
        return [int(line.split()[0].rpartition("-")[2]) for line in lines]

    def _release_what_waits_for_a_person(self) -> None:
        stuck = self.site.statusd_log().count("event=stuck")
        if stuck > self.stuck and not self.site.backends():
            # CUPS waits for a filter that nobody reads from: what the poller says is done
            self.stuck = stuck
            self.say("restarted CUPS, which had not noticed that a backend was killed")
            self.site.cups.kill()
            self.site.cups.start()
        for job_id in self._jobs():
            if TOO_OFTEN in str(self.site.cups.job(job_id).get("job-printer-state-message", "")):
                self.released[job_id] += 1
                self.say(f"released job {job_id}")
                self.site.cups.run("lp", "-i", str(job_id), "-H", "resume")

    def _wrong(self) -> dict[str, tuple[int, int]]:
        """Documents that did not come out as often as they should, at some target: how often they
        should, and did."""
        wanted = Counter(
            f"{mark} at {target}"
            for each in self.printed
            for mark in each.marks
            for target in QUEUES[each.queue][0]
        )
        got: Counter[str] = Counter()
        for job in self.site.cloud.jobs():
            if job["state"] == 2:
                got.update(f"{m} at {job['location']}:{job['device']}" for m in _marks(job))
        both = wanted | got
        return {name: (wanted[name], got[name]) for name in both if wanted[name] != got[name]}

    def _check(self) -> None:
        site = self.site
        assert not self._wrong(), f"documents (wanted, got): {self._wrong()}"
        columns = "job_id, queue, number, phase, ended, handover, poller"
        rows = site.journal(f"SELECT {columns} FROM document WHERE closed_at IS NULL")  # noqa: S608
        assert not rows, f"open in the journal: {rows}"
        assert not self._jobs()
        states = {each.job_id: site.cups.job(each.job_id)["job-state"] for each in self.printed}
        assert set(states.values()) <= {COMPLETED}, states
        stopped = [n for n, q in self._queues.items() if site.cups.printer(q)["printer-state"] == 5]
        assert not stopped
        self.say(f"{len(self.printed)} jobs, all delivered once; released: {dict(self.released)}")


_DEEDS: Mapping[str, Callable[[Storm, random.Random, int], str]] = {
    "print": Storm._print,
    "kill worker": lambda s, draw, _: s._kill_backend(draw, worker=True, supervisor=False),
    "kill supervisor": lambda s, draw, _: s._kill_backend(draw, worker=False, supervisor=True),
    "kill backend": lambda s, draw, _: s._kill_backend(draw, worker=True, supervisor=True),
    "kill cupsd": Storm._kill_cupsd,
    "cut power": Storm._cut_power,
    "kill cloud": Storm._kill_cloud,
    "kill poller": Storm._kill_poller,
    "switch location": Storm._switch_location,
}


def _kill(pids: list[int]) -> None:
    """All at the same moment: none sees how another ends."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _marks(job: Mapping[str, object]) -> list[str]:
    """The marks in a delivered document."""
    data = Path(str(job["delivered_path"])).read_bytes()
    if data.startswith(b"%PDF"):
        text = "".join(page.extract_text() for page in PdfReader(str(job["delivered_path"])).pages)
        data = text.encode()
    return [mark.decode() for mark in re.findall(rb"<[0-9]+-[0-9]+>", data)]


def _pdf(text: str) -> bytes:
    """A page with this text."""
    content = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n"
    return (
        data
        + head
        + table
        + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(data))
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="storm", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", help="a folder for the logs, if it fails", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with PrintSite() as site:
        try:
            Storm(site, arguments.seed, lambda text: print(text, flush=True)).run(
                arguments.minutes * 60
            )
        except AssertionError as error:
            print(f"FAILED: {error}\nseed {arguments.seed}", flush=True)
            if arguments.keep:
                subprocess.run(["cp", "-a", site.root, arguments.keep], check=True)
            sys.exit(1)


if __name__ == "__main__":
    main()
