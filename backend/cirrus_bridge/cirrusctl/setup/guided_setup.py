"""The guided setup: questions in order, then files, queues, test pages and the doctor.

Without a terminal, the first missing or wrong answer ends the setup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.errors import BadConfiguration, CirrusError
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor.examination import examine
from cirrus_bridge.cirrusctl.doctor.finding import COLUMNS, Finding, Severity, rows
from cirrus_bridge.cirrusctl.doctor.following import POLLER
from cirrus_bridge.cirrusctl.output.output import Output
from cirrus_bridge.cirrusctl.setup import steps
from cirrus_bridge.cirrusctl.setup.conversation import Conversation
from cirrus_bridge.cirrusctl.setup.guided_server import FoundDevices, GuidedServer, SetupOptions
from cirrus_bridge.cirrusctl.setup.steps import WrongAnswer
from cirrus_bridge.cirrusctl.setup.test_page import Result, print_test_page
from cirrus_bridge.config.servers import Server
from cirrus_bridge.config.write import check_writable
from cirrus_bridge.drivers.devices import Driver

ALL, NONE = "all", "none"
TEST_S = 60.0
POLLER_S = 5.0


@dataclass(slots=True)
class GuidedSetup:
    """One run of the guided setup."""

    options: SetupOptions
    output: Output
    talk: Conversation
    installation: Installation

    def run(self) -> bool:
        """Run the setup, and return whether everything works."""
        # before the first question, check that the results can be saved
        check_writable(self.installation.config / "servers.d" / "*.toml")
        if [*self.options.devices] != [NONE]:
            self.installation.cups.version()
        clock = self.installation.clock
        server, found = GuidedServer(self.options, self.talk, clock, self._done).ask()
        self._write(server)
        queues = [*self._queues(found)]
        failed = [queue for queue in queues if self._wants_test(queue) and not self._test(queue)]
        findings = self._findings()
        if self.output.as_json:
            self._done("", "doctor", findings=findings)
        else:
            none = tr("The doctor finds nothing wrong.")
            self.output.rows(rows(findings), COLUMNS, none=none)
        return not failed and all(each.severity < Severity.ERROR for each in findings)

    def _findings(self) -> list[Finding]:
        """The doctor's warnings and errors.

        systemd restarts the poller for the new key, so a missing poller is checked again for
        POLLER_S seconds.
        """
        clock = self.installation.clock
        deadline_s = clock.monotonic_s() + POLLER_S
        while True:
            found = [each for each in examine(self.installation) if each.severity > Severity.NOTE]
            away = any(each.check == POLLER for each in found)
            if not away or clock.monotonic_s() >= deadline_s:
                return found
            clock.sleep(0.5)

    def _done(self, text: str, step: str, **facts: Any) -> None:
        self.output.event({"step": step, **facts}, text)

    # --- what is written

    def _write(self, server: Server) -> None:
        folder = self.installation.config
        path = steps.server_file(folder, server)
        if steps.is_written(path, server):
            told = tr("{path} already has this entry.", path=path)
        else:
            question = tr("{path} already has an entry. Replace it?", path=path)
            may_write = self.options.replace or not path.exists()
            if not may_write and not self.talk.confirm(question, default=False):
                raise BadConfiguration(
                    tr("{path} already exists.", path=path), tr("Use --replace to replace it.")
                )
            steps.write_server(folder, path, server)
            told = tr("{path} was written; only root can read it.", path=path)
        self._done(told, "file", path=str(path))

    def _queues(self, found: FoundDevices) -> Iterator[str]:
        """Add the chosen queues, and yield their names."""
        for location, device in self._chosen(found):
            if name := self._add(location, device):
                told = tr("Queue {name} prints to {info}.", name=name, info=device.info)
                self._done(told, "queue", queue=name, device=f"{location}:{device.key}")
                yield name

    def _chosen(self, found: FoundDevices) -> FoundDevices:
        """The devices that the command line or the user chooses."""
        if self.options.devices or not self.talk.may_ask or not found:
            return _devices(self.options.devices, found)
        for number, (location, device) in enumerate(found, 1):
            self.talk.say(f"  {number}  {location}:{device.key}  {device.info}")
        while True:
            answer = self.talk.text(
                tr("Queues for which devices (numbers with commas, all, or none)"),
                "--device",
                default="1" if len(found) == 1 else NONE,
            )
            try:
                return _devices([word.strip() for word in answer.split(",")], found)
            except WrongAnswer as trouble:
                self.talk.or_end(trouble)

    def _add(self, location: str, device: Driver) -> str:
        """Add a queue, and return its name; empty if the user declines."""
        cups = self.installation.cups
        name = steps.proposed_name(device, location, steps.queue_names(cups))
        template = self.options.queue_name
        if template is not None or not self.talk.may_ask:
            name = name if template is None else steps.name_by(template, device, location)
            steps.add_queue(cups, name, device)
            return name
        while True:
            question = tr("Name of the queue for {device} (- for none)", device=device.info)
            name = self.talk.text(question, "--queue-name", default=name)
            if name == "-":
                return ""
            try:
                steps.add_queue(cups, name, device)
            except CirrusError as trouble:
                self.talk.or_end(trouble)
            else:
                return name

    # --- the test page

    def _wants_test(self, queue: str) -> bool:
        if self.options.test is not None:
            return self.options.test
        return self.talk.confirm(tr("Print a test page on {queue}?", queue=queue), default=True)

    def _test(self, queue: str) -> bool:
        result = None
        for news in print_test_page(self.installation, queue, limit_s=TEST_S):
            result = news.result
            told = joined("  ", ("", f"{news.at:%H:%M:%S}", news.what))
            self._done(told, "test", queue=queue, **news._asdict())
        return result is Result.DONE


def _devices(words: Sequence[str], found: FoundDevices) -> FoundDevices:
    """The devices that these words name: LOCATION:DEVICE, or numbers from 1.

    Raises:
        WrongAnswer: a word names no device.
    """
    if list(words) == [ALL]:
        return found
    known = {f"{location}:{device.key}": (location, device) for location, device in found}
    numbered = {str(number): each for number, each in enumerate(found, 1)}
    chosen = [word for word in words if word != NONE]
    for word in chosen:
        if word not in known and word not in numbered:
            raise WrongAnswer(
                tr(
                    "There is no active device {word}. Name one of {known}, or all, or none.",
                    word=word,
                    known=", ".join(known),
                )
                if known
                else tr(
                    "There is no active device {word}. The given locations have no active devices.",
                    word=word,
                )
            )
    return [known.get(word) or numbered[word] for word in chosen]
