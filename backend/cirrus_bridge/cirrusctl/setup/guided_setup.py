"""The guided setup: questions in order, then files, queues, test pages and the doctor.

Without a terminal, the first missing or wrong answer ends the setup.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cirrus_bridge.base.errors import BadConfiguration, CirrusError, CupsAway, CupsNotPossible
from cirrus_bridge.base.spelling import did_you_mean
from cirrus_bridge.base.subprocesses import ProgramFailed, run_program
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor.examination import examine
from cirrus_bridge.cirrusctl.doctor.finding import (
    COLUMNS,
    Finding,
    Severity,
    by_severity,
    rows,
)
from cirrus_bridge.cirrusctl.doctor.following import POLLER
from cirrus_bridge.cirrusctl.doctor.printers import SERVICE, UNIT
from cirrus_bridge.cirrusctl.mistakes import UnknownName, WrongAnswer
from cirrus_bridge.cirrusctl.output.output import Output
from cirrus_bridge.cirrusctl.output.table import some
from cirrus_bridge.cirrusctl.queues.names import queue_name
from cirrus_bridge.cirrusctl.setup.conversation import Conversation
from cirrus_bridge.cirrusctl.setup.guided_server import FoundDevices, GuidedServer, SetupOptions
from cirrus_bridge.cirrusctl.setup.server_files import entries, numbered, server_file, write_server
from cirrus_bridge.cirrusctl.setup.test_page import Result, print_test_page
from cirrus_bridge.config.chosen_devices import add_devices
from cirrus_bridge.config.servers import Server
from cirrus_bridge.config.write import check_writable, server_toml
from cirrus_bridge.cups.queues import CupsQueues, QueueChange
from cirrus_bridge.drivers.devices import Driver

ALL, NONE = "all", "none"
TEST_S = 60.0
POLLER_S = 5.0
SERVICE_S = 60.0
_ONLY_HERE = tr(
    'Only this machine can print there. For the network, set listen = "0.0.0.0" below [printers] '
    "in bridge.toml, and restart cirrus-printers."
)
_WITHOUT_CUPS = tr("To offer devices as printers without drivers and without CUPS, use --printers.")


@dataclass(slots=True)
class GuidedSetup:
    """One run of the guided setup."""

    options: SetupOptions
    output: Output
    talk: Conversation
    installation: Installation
    _asked_about: Path | None = None  # the file whose key was proposed
    _kept: Server | None = None  # the entry whose key the user keeps

    def run(self) -> bool:
        """Run the setup, and return whether everything works."""
        # before the first question, check that the results can be saved
        check_writable(self.installation.config / "servers.d" / "*.toml")
        has_cups = self._finds_cups()
        clock = self.installation.clock
        questions = GuidedServer(self.options, self.talk, clock, self._done, self._known_key)
        server, found = questions.ask()
        self._write(server)
        chosen = self._chosen(found)
        queues = [*self._queues(chosen)] if has_cups else []
        failed = [queue for queue in queues if not self._test(queue)]
        offered = self._offer(chosen)
        findings = by_severity(self._findings())
        if self.output.as_json:
            self._done("", "doctor", findings=findings)
        else:
            none = tr("The doctor finds nothing wrong.")
            self.output.rows(rows(findings), COLUMNS, none=none)
        works = not failed and all(each.severity < Severity.ERROR for each in findings)
        self._end(queues, offered, works=works)
        return works

    def _finds_cups(self) -> bool:
        """Whether queues can be added. Without CUPS, devices can still be offered as printers
        without drivers; raises CupsAway if that is not asked for."""
        if self.options.devices == [NONE]:
            return True
        try:
            self.installation.cups.version()
        except CupsAway as error:
            if self.options.printers:
                return False
            error.hint = joined(" ", filter(None, (error.hint, _WITHOUT_CUPS)))
            raise
        return True

    def _end(self, queues: Sequence[str], offered: Sequence[str], *, works: bool) -> None:
        """Say what to do next."""
        if not works:
            told = tr("Not everything works yet. Next, run: cirrusctl doctor")
        elif queues:
            told = tr("Done. Try: lp -d {queue} file.pdf", queue=shlex.quote(queues[0]))
        elif offered:
            told = tr("Done. To see the printers, run: cirrusctl printers")
        else:
            told = tr("Done. To add a queue, run: cirrusctl setup")
        self._done(told, "end", works=works, queues=queues)

    def _known_key(self, server: Server) -> str:
        """The key that servers.d has for this server and company, if the user wants to keep it;
        else say where a new key goes, and return an empty text."""
        path = server_file(self.installation.config, server)
        known = next(iter(entries(path)), None)
        if known is not None and self.talk.may_ask and path != self._asked_about:
            self._asked_about = path  # a key that the server refuses is not proposed again
            question = tr("{path} has a key for this company. Use it?", path=path)
            if self.talk.confirm(question, default=True):
                self._kept = known
                return known.api_key.reveal()
        self._kept = None
        goes = tr(
            "The key is sent only to {name}, and stored in {path}, which only root can read.",
            name=server.name,
            path=path,
        )
        self.talk.say(goes)
        return ""

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

    def _write(self, server: Server) -> None:
        if self._kept is not None:
            locations = dict.fromkeys((*self._kept.locations, *server.locations))
            server = replace(server, locations=tuple(locations))
        folder = self.installation.config
        path = server_file(folder, server)
        if [server_toml(each) for each in entries(path)] == [server_toml(server)]:
            told = tr("{path} already has this entry.", path=path)
        else:
            question = tr("{path} already has an entry. Replace it?", path=path)
            # a person who was asked about the file's key has agreed to a new entry
            may_write = self.options.replace or not path.exists() or path == self._asked_about
            if not may_write and not self.talk.confirm(question, default=False):
                what = tr("{path} already exists.", path=path)
                raise BadConfiguration(what, tr("Use --replace to replace it."))
            write_server(folder, path, server)
            told = tr("{path} was written; only root can read it.", path=path)
        self._done(told, "file", path=str(path))

    def _queues(self, chosen: FoundDevices) -> Iterator[str]:
        """Add queues for the chosen devices, and yield their names."""
        for location, device in chosen:
            if name := self._add(location, device):
                told = tr("Queue {name} prints to {info}.", name=name, info=device.info)
                self._done(told, "queue", queue=name, device=f"{location}:{device.key}")
                yield name

    def _chosen(self, found: FoundDevices) -> FoundDevices:
        if self.options.devices or not self.talk.may_ask or not found:
            return _devices(self.options.devices or [], found)
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
            except UnknownName as trouble:
                self.talk.or_end(trouble)

    def _add(self, location: str, device: Driver) -> str:
        """Add a queue, and return its name; empty if the user declines."""
        cups = self.installation.cups
        name = _proposed_name(device, location, _queue_names(cups))
        template = self.options.queue_name
        if template is not None or not self.talk.may_ask:
            name = name if template is None else _name_by(template, device, location)
            _add_queue(cups, name, device)
            return name
        while True:
            question = tr("Name of the queue for {device} (- for none)", device=device.info)
            name = self.talk.text(question, "--queue-name", default=name)
            if name == "-":
                return ""
            try:
                _add_queue(cups, name, device)
            except CirrusError as trouble:
                self.talk.or_end(trouble)
            else:
                return name

    def _offer(self, chosen: FoundDevices) -> list[str]:
        """Offer the chosen devices as printers without drivers, if that is wanted; return them. The
        question is asked if the package cirrus-printers is installed."""
        wants, has_service = self.options.printers, UNIT.exists()
        if wants is None and chosen and has_service:
            question = tr(
                "Offer these devices to phones, Windows and other computers, too (printers without "
                "drivers)?"
            )
            wants = self.talk.confirm(question, default=False)
        if wants and not chosen:
            told = tr("No device was chosen, so none is offered as a printer without driver.")
            self._done(told, "printers", path="", devices=[])
        if not wants or not chosen:
            return []
        path = self.installation.config / "bridge.toml"
        devices = [f"{location}:{device.key}" for location, device in chosen]
        add_devices(path, devices)
        told = tr("Added to {path}: {devices}", path=path, devices=", ".join(devices))
        if self.installation.configuration.printers.is_local:
            told = joined(" ", (told, _ONLY_HERE))
        if has_service:
            with contextlib.suppress(ProgramFailed):  # the doctor says what is wrong
                run_program(("systemctl", "enable", "--now", SERVICE), {}, limit_s=SERVICE_S)
        self._done(told, "printers", path=str(path), devices=devices)
        return devices

    def _test(self, queue: str) -> bool:
        """Print a test page if it is wanted, and return whether nothing failed."""
        wants = self.options.test
        if wants is None:
            question = tr("Print a test page on {queue}?", queue=queue)
            wants = self.talk.confirm(question, default=True)
        if not wants:
            return True
        result = None
        for news in print_test_page(self.installation, queue, limit_s=TEST_S):
            result = news.result
            told = joined("  ", ("", f"{news.at:%H:%M:%S}", news.what))
            self._done(told, "test", queue=queue, **news._asdict())
        return result is Result.DONE


def _devices(words: Sequence[str], found: FoundDevices) -> FoundDevices:
    """The devices that these words name: LOCATION:DEVICE, or numbers from 1."""
    if words == [ALL]:
        return found
    known = {f"{location}:{device.key}": (location, device) for location, device in found}
    offered = known | {str(number): each for number, each in enumerate(found, 1)}
    chosen = [word for word in words if word != NONE]
    for word in chosen:
        if word not in offered:
            what = tr("There is no active device {word}.", word=word)
            hint = tr("The given locations have no active devices.")
            if known:
                hint = tr("Name one of {known}, or all, or none.", known=some(known))
            raise UnknownName.guessing(what, word, known, hint)
    return [offered[word] for word in chosen]


def _proposed_name(device: Driver, location: str, taken: Collection[str]) -> str:
    """A free name for a device's queue; `taken` has names in lower case."""
    short = _name_by("{device}", device, location)
    if short.lower() not in taken:
        return short
    names = numbered(_name_by("{location}-{device}", device, location))
    return next(name for name in names if name.lower() not in taken)


def _name_by(template: str, device: Driver, location: str) -> str:
    """Make a queue's name from a template with {location} and {device}."""
    try:
        return queue_name(template, {"location": location, "device": device.key})
    except KeyError as error:
        word = error.args[0]
        what = tr(
            "The name {template} has an unknown placeholder {{{word}}} (known: "
            "{{location}}, {{device}}).",
            template=template,
            word=word,
        )
        raise WrongAnswer(what, did_you_mean(word, ("location", "device"))) from None


def _add_queue(cups: CupsQueues, name: str, device: Driver) -> None:
    """Add a queue with the device's own driver."""
    if name.lower() in _queue_names(cups):
        what = tr("CUPS already has a queue {name}.", name=name)
        raise CupsNotPossible(what, tr("Choose another name."))
    if device.language is None:
        what = tr(
            "There is no driver for {info}, because no CUPS filter produces a format that "
            "it accepts.",
            info=device.info,
        )
        hint = tr(
            "Add the queue with a driver of your own: lpadmin -p {name} -E -v '{uri}' -m …",
            name=name,
            uri=device.uri,
        )
        raise CupsNotPossible(what, hint)
    change = QueueChange(
        device_uri=device.uri,
        info=device.info,
        location=device.place,
        ppd=device.ppd(),
        defaults={"print-color-mode": "auto"},  # each job may choose
    )
    cups.set_queue(name, change, is_new=True)


def _queue_names(cups: CupsQueues) -> list[str]:
    return [queue.name.lower() for queue in cups.queues()]  # CUPS ignores case
