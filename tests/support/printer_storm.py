"""A storm of faults for `cirrus-printers`: `tests/storm --kind printers --minutes 5 --seed N`.

Clients print by IPP at several printers. Meanwhile the service, its starter, its runs and the cloud
are killed, the cloud is away or answers nonsense, and the location goes offline. The seed chooses
the deeds, but not the moment of a job that they hit.

At the end, everything works again. Each accepted job is completed then, and its document came out
once at its printer. A document whose client got no answer came out at most once.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from answers import WEB_PAGE
from cirrus_bridge.ipp.message import Attribute, Group, JobState, Operation
from cirrus_bridge.ipp.values import MimeType
from faulty_printers import pdf
from printer_site import PrinterSite, eventually
from processes import children
from tcp_proxy import TcpProxy

DEVICES = ("A", "B", "C")
TICK_S = 0.5
BYTES_PER_S = 3_000_000  # slow enough for kills to hit uploads
SIZES = (1_000, 50_000, 800_000, 2_000_000)
CALM_S = 240.0
_FINAL = tuple(state for state in JobState if state.is_final)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A document that a client has sent; the job's id is 0 if there was no answer."""

    printer: str
    sha256: str
    job_id: int


@dataclass(slots=True)
class PrinterStorm:
    """A storm on a site whose way to the cloud is `line`. `say` gets a line for each deed."""

    site: PrinterSite
    line: TcpProxy
    seed: int
    say: Callable[[str], None]
    sent: list[_Sent] = field(default_factory=list)
    _rng: random.Random = field(init=False)
    _names: dict[str, str] = field(default_factory=dict)  # printer → device
    _due: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    _is_away: bool = False

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def run(self, seconds: float) -> None:
        """Run the storm and the calm, then check the promises."""
        self.line.bytes_per_s = BYTES_PER_S
        for printer in self.site.printers():
            name = printer.text("printer-uri-supported").rpartition("/")[2]
            device = next(each for each in DEVICES if f"-{each.lower()}-" in name)
            self._names[name] = device
        for tick in range(round(seconds / TICK_S)):
            (deed,) = self._rng.choices(list(_DEEDS), [weight for weight, _ in _DEEDS.values()])
            draw = random.Random(self._rng.random())
            for due in [due for due in self._due if due[0] <= tick]:
                self._due.remove(due)
                due[1]()
            self.say(f"{tick * TICK_S:6.1f} {deed} {_DEEDS[deed][1](self, draw, tick)}")
            time.sleep(TICK_S)
        self._calm()
        self._check()

    def _print(self, draw: random.Random, tick: int) -> str:
        name = draw.choice(sorted(self._names))
        data = pdf(draw.choice(SIZES), f"{self.seed} {tick}")
        asked = [Attribute("document-format", [MimeType("application/pdf")])]
        job_id = 0
        try:
            answer = self.site.ask(Operation.PRINT_JOB, asked, data=data, name=name)
            if answer.code < 0x100:
                job_id = answer.all(Group.JOB)[0].number("job-id") or 0
        except (OSError, http.client.HTTPException):
            pass  # the service was killed: the client does not know
        self.sent.append(_Sent(name, hashlib.sha256(data).hexdigest(), job_id))
        return f"job {job_id} at {name}"

    def _kill_service(self, draw: random.Random, _: int) -> str:
        time.sleep(draw.uniform(0.0, 0.4))
        self.site.kill()
        self.site.start()
        return ""

    def _kill_starter(self, draw: random.Random, _: int) -> str:
        """The service ends with its starter, and systemd starts the service again."""
        time.sleep(draw.uniform(0.0, 0.4))
        assert self.site.program is not None
        _kill(children(self.site.program.pid))
        self.site.program.wait(60)
        self.site.stop()
        self.site.start()
        return ""

    def _kill_run(self, draw: random.Random, _: int) -> str:
        time.sleep(draw.uniform(0.0, 0.4))
        assert self.site.program is not None
        runs = [run for each in children(self.site.program.pid) for run in children(each)]
        chosen = draw.sample(runs, min(1, len(runs)))
        _kill(chosen)
        return str(chosen or "but there is none")

    def _stop_service(self, draw: random.Random, _: int) -> str:
        time.sleep(draw.uniform(0.0, 0.4))
        status = self.site.stop()
        self.site.start()
        return f"with status {status}"

    def _kill_cloud(self, draw: random.Random, tick: int) -> str:
        if self._is_away:
            return "but it is away already"
        ticks = draw.choice((1, 4, 16))
        self.site.cloud.kill()
        self._is_away = True
        self._due.append((tick + ticks, self._start_cloud))
        return f"for {ticks * TICK_S} s"

    def _start_cloud(self) -> None:
        if self._is_away:
            self.site.cloud.come_back()
            self._is_away = False

    def _send_web_pages(self, draw: random.Random, _: int) -> str:
        count = draw.randint(1, 4)
        self.line.answer_instead = (b"/api/", WEB_PAGE, count)
        return f"{count} times"

    def _lose_answer(self, draw: random.Random, _: int) -> str:
        piece = draw.choice((b"PUT /api/putfile", b"POST /api/submitfile"))

        def lose() -> None:
            self.line.lose_answers_after = None

        self.line.lose_answers_after = piece
        self.line.at_answer = (piece, lose)
        return piece.decode()

    def _switch_location(self, draw: random.Random, _: int) -> str:
        state = draw.choice(("offline", "online"))
        if self._is_away:
            return "but the cloud is away"
        self.site.cloud.cli("location", state, "Paris")
        return state

    def _calm(self) -> None:
        """Let everything work again, decide about held jobs, and wait for the ends of all jobs."""
        self.line.bytes_per_s = None
        self.line.answer_instead = self.line.lose_answers_after = self.line.at_answer = None
        self._due.clear()
        self._start_cloud()
        self.site.cloud.cli("location", "online", "Paris")
        until_s = time.monotonic() + CALM_S
        while open_jobs := [each for each in self._accepted() if self._state(each) not in _FINAL]:
            for each in open_jobs:
                if self._state(each) == JobState.PENDING_HELD:  # a person has looked at the printer
                    self.say(f"job {each.job_id} is released")
                    about = [Attribute("job-id", [each.job_id])]
                    self.site.ask(Operation.RELEASE_JOB, about, name=each.printer)
            assert time.monotonic() < until_s, f"{open_jobs}\n{self.site.log()[-4000:]}"
            time.sleep(1)
        eventually(lambda: self._delivered().total() == len(self.site.cloud.jobs()))

    def _accepted(self) -> list[_Sent]:
        return [each for each in self.sent if each.job_id]

    def _state(self, sent: _Sent) -> int | None:
        return self.site.job(sent.job_id).number("job-state")

    def _delivered(self) -> Counter[tuple[str, str]]:
        """How often each document was delivered at each device."""
        return Counter(
            (job["device"], job["sha256"]) for job in self.site.cloud.jobs() if job["state"] == 2
        )

    def _check(self) -> None:
        delivered = self._delivered()
        for each in self.sent:
            count = delivered.pop((self._names[each.printer], each.sha256), 0)
            if each.job_id:
                assert self._state(each) == JobState.COMPLETED, each
                assert count == 1, (each, count)
            else:
                assert count <= 1, (each, count)
        assert not delivered, delivered
        assert not list((self.site.state / "printers" / "spool").iterdir())
        self.say(f"{len(self._accepted())} of {len(self.sent)} documents were accepted")


Deed = Callable[[PrinterStorm, random.Random, int], str]
_DEEDS: Mapping[str, tuple[int, Deed]] = {
    "print": (24, PrinterStorm._print),
    "kill service": (2, PrinterStorm._kill_service),
    "kill starter": (1, PrinterStorm._kill_starter),
    "kill run": (6, PrinterStorm._kill_run),
    "stop service": (1, PrinterStorm._stop_service),
    "kill cloud": (2, PrinterStorm._kill_cloud),
    "send web pages": (2, PrinterStorm._send_web_pages),
    "lose an answer": (3, PrinterStorm._lose_answer),
    "switch location": (3, PrinterStorm._switch_location),
}


def _kill(processes: list[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
