"""A soak of the embedded cloud: honest and hostile clients use it at the same time.

`tests/soak --minutes 10 --seed N` runs a long one. Honest clients print and look at the page. For
most of the time, hostile clients attack meanwhile. For an eighth of the time before and after the
attack, the honest clients are alone. Hostile clients run in a process of their own with the lowest
priority (nice 19), so that their own work does not slow the server down. All clients share the
loopback address.

At the end, these promises are checked:

- Each honest print is delivered once and unchanged, and each page is shown.
- The 99th percentile of the honest clients' waits is at most three times as long as before.
- Memory, open files and disk return to where they were.
- The log has no traceback, and at most 200 lines for each minute.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import hostile_clients
from cloudlet_server import CloudletServer
from honest_clients import PATIENCE_S, HonestClients, Waits
from programs import Program
from visitor import Visitor

SLOWDOWN = 3.0
LOG_LINES = 200  # each minute
MORE_MEMORY_BYTES = 32 * 1024**2  # kept by Python and libc for later requests
MORE_FILES = 16  # idle connections to the database
_RETURN_S = 90.0  # for memory and open files after the attack
_NEWLINE = "\n"
# the hostile company reaches each of these
_LIMITS = "\n[limits]\ndocument_bytes = 16777216\ncompany_bytes = 67108864\ncompany_uploads = 500\n"
_NO_TIME = "upload_hours = 0.0000001\ndocument_days = 0.0000001\n"
_RIVAL = """
[[company]]
id = "Rival"

[[location]]
company = "Rival"
id = "Office"

[[device]]
company = "Rival"
location = "Office"
id = "Folder"
type = "file"
"""


class Usage(NamedTuple):
    """What a server's process uses: its share of memory (PSS), and open files."""

    memory_bytes: int
    files: int


@dataclass(slots=True)
class Soak:
    """A soak on a server of its own.

    Attributes:
        say: gets the lines of the report.
        broken: the promises that were not kept, about everything but time.
        slow: those about time.
    """

    folder: Path
    seed: int
    say: Callable[[str], None]
    broken: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    server: CloudletServer = field(default_factory=CloudletServer)

    def run(self, idle_s: float, hostile_s: float) -> None:
        """Run the soak, and report it. Honest clients are alone twice for `idle_s`."""
        self.server.start(self.folder / "data")
        try:
            toml = self.server.data / "cloudlet.toml"
            toml.write_text(toml.read_text() + _RIVAL + _LIMITS)
            honest = self._enter()
            honest.fill_the_page(idle_s)
            earlier = honest.run(idle_s)
            before, logged = self._usage(), len(self.server.log_text)
            attacks, attacked = self._attack(honest, hostile_s)
            stored = self._stored()
            after = self._wait_for_return(before)
            later = honest.run(idle_s)
            log = self.server.log_text[logged:]
            toml.write_text(toml.read_text() + _NO_TIME)
            self.server.restart()
            left = self._wait_for_expiry()
        finally:
            self.server.close()
        self.broken += honest.faults
        alone = {kind: [*earlier[kind], *later[kind]] for kind in earlier}
        self._compare_waits(alone, attacked)
        self.say(f"{honest.repeated} requests repeated, {len(honest.faults)} failed")
        self.say(f"attacks: {attacks}")
        self.say(f"memory: {before.memory_bytes >> 20} MiB, then {after.memory_bytes >> 20} MiB")
        self.say(f"open files: {before.files}, then {after.files}")
        self.say(f"stored: {stored >> 20} MiB, {left} bytes after they expired")
        self.say(f"log: {len(log)} bytes, {log.count(_NEWLINE)} lines")
        self._require(after.memory_bytes <= before.memory_bytes + MORE_MEMORY_BYTES, "memory")
        self._require(after.files <= before.files + MORE_FILES, "open files")
        self._require(left == 0, "disk")
        self._require("Traceback" not in log, "a traceback in the log")
        lines = LOG_LINES * (1 + hostile_s / 60)
        self._require(log.count(_NEWLINE) <= lines, "size of the log")

    def _enter(self) -> HonestClients:
        password = self.server.cli("account", "add", "anna", "--company", "ACME")
        visitor = Visitor(self.server.url)
        assert visitor.sign_in("anna", password).status == 303
        return HonestClients(self.server, visitor.cookie, random.Random(self.seed))

    def _attack(self, honest: HonestClients, seconds: float) -> tuple[str, Waits]:
        key = self.server.new_key("Rival")
        with Program[str](
            [sys.executable, hostile_clients.__file__, str(self.server.port), key, str(self.seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as hostile:
            attacked = honest.run(seconds)
            attacks, _ = hostile.communicate(timeout=PATIENCE_S)
        return attacks.strip(), attacked

    def _usage(self) -> Usage:
        process = Path("/proc", str(self.server.pid))
        lines = (process / "smaps_rollup").read_text().splitlines()
        pss_kb = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return Usage(pss_kb * 1024, len(list((process / "fd").iterdir())))

    def _wait_for_return(self, before: Usage) -> Usage:
        until = time.monotonic() + _RETURN_S
        while (after := self._usage()).files > before.files + MORE_FILES:
            if time.monotonic() > until:
                break
            time.sleep(0.2)
        return after

    def _stored(self) -> int:
        folders = [self.server.data / name for name in ("uploads", "documents", "previews")]
        found = 0
        for path in (path for folder in folders for path in folder.rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # the server has removed it
                found += path.stat().st_size if path.is_file() else 0
        return found

    def _wait_for_expiry(self) -> int:
        until = time.monotonic() + PATIENCE_S
        while (left := self._stored()) and time.monotonic() < until:
            time.sleep(0.1)
        return left

    def _compare_waits(self, alone: Waits, attacked: Waits) -> None:
        self.say("            alone                    attacked")
        self.say("          number median   99 %   number median   99 %   ratio")
        for kind in sorted(alone):
            first, second = _summary(alone[kind]), _summary(attacked.get(kind, []))
            ratio = second.slowest_s / first.slowest_s
            self.say(f"{kind:8} {first} {second} {ratio:7.1f}")
            if not ratio <= SLOWDOWN:  # also without a number
                self.slow.append(f"{kind} is {ratio:.1f} times as slow")

    def _require(self, kept: bool, promise: str) -> None:
        if not kept:
            self.broken.append(promise)


class Summary(NamedTuple):
    """Waits in short: their number, median and 99th percentile."""

    number: int
    median_s: float
    slowest_s: float

    def __str__(self) -> str:
        return f"{self.number:7} {self.median_s:6.3f} {self.slowest_s:6.3f}"


def _summary(waits_s: Sequence[float]) -> Summary:
    if len(waits_s) < 2:
        return Summary(len(waits_s), float("nan"), float("nan"))
    hundredths = statistics.quantiles(waits_s, n=100, method="inclusive")
    return Summary(len(waits_s), statistics.median(waits_s), hundredths[-1])


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    seconds = arguments.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), arguments.seed, lambda text: print(text, flush=True))
        soak.run(seconds / 8, seconds * 3 / 4)
    for promise in soak.broken + soak.slow:
        print(f"BROKEN: {promise}", flush=True)
    sys.exit(1 if soak.broken or soak.slow else 0)


if __name__ == "__main__":
    main()
