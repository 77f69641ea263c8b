"""The guided setup: what is asked, in which order, and what follows from an answer that is wrong.

Where there is no terminal, the first answer that is missing or wrong is the end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.admin import setup
from cirrus_bridge.admin.conversation import Conversation
from cirrus_bridge.admin.cups_setup import CupsSetup
from cirrus_bridge.admin.doctor import report
from cirrus_bridge.admin.doctor.examination import examine
from cirrus_bridge.admin.doctor.finding import Finding, Severity
from cirrus_bridge.admin.doctor.following import POLLER
from cirrus_bridge.admin.installation import Installation
from cirrus_bridge.admin.output import Output
from cirrus_bridge.admin.print_test import Result, print_test_page
from cirrus_bridge.admin.setup import Draft, WrongAnswer
from cirrus_bridge.api_errors import NO_TLS_YET
from cirrus_bridge.config_servers import Secret, is_key
from cirrus_bridge.drivers import Driver
from cirrus_bridge.errors import BadConfiguration, CirrusError, KeyRefused, NotTrusted
from cirrus_bridge.lan import LanServer, servers_on_lan
from cirrus_bridge.uri import is_loopback
from cirrus_bridge.words import joined, tr

ALL, NONE = "all", "none"
TEST_S = 60.0
POLLER_S = 5.0
Found = list[tuple[str, Driver]]  # location, device


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says; None and () where people are to be asked."""

    server: str | None
    key_file: str | None
    company: str | None
    locations: Sequence[str]
    ca_file: str | None
    proxy: str | None
    plain: bool
    devices: Sequence[str]
    queue_name: str | None
    test: bool | None
    replace: bool


@dataclass(slots=True)
class GuidedSetup:
    """One conversation, from the first question to the last."""

    wanted: Wanted
    output: Output
    talk: Conversation
    installation: Installation

    def run(self) -> bool:
        """All of it; whether all that was tried works."""
        drafted, proposed = self._server()
        drafted, found = self._key_and_locations(drafted, proposed)
        self._write(drafted)
        queues = [*self._queues(found)]
        failed = [queue for queue in queues if self._wants_test(queue) and not self._test(queue)]
        findings = self._findings()
        if self.output.as_json:
            self._done("", "doctor", findings=findings)
        else:
            rows = report.rows(findings)
            self.output.rows(rows, report.COLUMNS, none=tr("The doctor finds nothing wrong."))
        return not failed and all(each.severity < Severity.ERROR for each in findings)

    def _findings(self) -> list[Finding]:
        """What is not as it should be. The new key has systemd start the poller again, which takes
        a moment."""
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

    # --- the server

    def _server(self) -> tuple[Draft, str]:
        """A server that answers, and the company that it announces, if it does."""
        address: str | None = self.wanted.server
        ca_file, plain = self.wanted.ca_file, self.wanted.plain
        proposed = ""
        while True:
            if address is None:
                address, proposed = self._address()
            try:
                drafted = setup.draft(
                    address, ca_file=ca_file, proxy=self.wanted.proxy, plain=plain
                )
                version = setup.try_server(drafted)
            except CirrusError as trouble:
                if NO_TLS_YET in str(trouble) and self._may_be_plain(address):
                    plain = True
                    continue
                self.talk.or_end(trouble)
                if isinstance(trouble, NotTrusted):
                    ca_file = self.talk.text(tr("File of the CA that has signed it"), "--ca-file")
                else:
                    address, ca_file, plain = None, None, self.wanted.plain
                continue
            name = drafted.server.name
            self._done(
                tr("{name} answers (version {version}).", name=name, version=version),
                "server",
                server=name,
                version=version,
                tls=not drafted.plain,
            )
            return drafted, proposed

    def _may_be_plain(self, address: str) -> bool:
        host = address.rpartition(":")[0] or address
        return is_loopback(host) and self.talk.confirm(
            tr("{address} (this machine) has no TLS. Go on without TLS?", address=address),
            default=True,
        )

    def _address(self) -> tuple[str, str]:
        """Which one, of those that announce themselves or any other."""
        there: list[LanServer] = []
        if self.talk.may_ask:
            there = servers_on_lan(self.installation.clock)
        for number, each in enumerate(there, 1):
            about = f"{each.hosts[0]}:{each.port}"
            if each.company:
                about = tr("{server}, company {company}", server=about, company=each.company)
            line = tr("{number}  {name} ({about})", number=number, name=each.name, about=about)
            self.talk.say(joined("  ", ("", line)))
        question = tr("Print server (HOST or HOST:PORT)")
        if there:
            question = tr("Print server (HOST or HOST:PORT, or a number of the list)")
        # none by default: anybody can announce himself, and the key would go there
        answer = self.talk.text(question, "--server")
        if answer.isdecimal() and 0 < int(answer) <= len(there):
            chosen = there[int(answer) - 1]
            return setup.address_of(chosen), chosen.company
        return answer, ""

    # --- the key, the company, the locations

    def _key_and_locations(self, drafted: Draft, proposed: str) -> tuple[Draft, Found]:
        """The server with what was accepted, and the devices of its locations."""
        company, key, locations = self.wanted.company, self._given_key(), self.wanted.locations
        while True:
            company = company or self.talk.text(
                tr("Company (its id)"), "--company", default=proposed or None
            )
            key = key or self._typed_key()
            draft = drafted.with_(company=company, api_key=Secret(key))
            try:
                setup.try_key(draft)
                if not locations:
                    answer = self.talk.text(
                        tr("Location (its id; several with commas)"), "--location"
                    )
                    locations = tuple(filter(None, map(str.strip, answer.split(","))))
                draft = draft.with_(locations=locations)
                found = [
                    (each, device)
                    for each in locations
                    for device in setup.try_location(draft, each)
                ]
            except KeyRefused as trouble:
                self.talk.or_end(trouble)
                company, key, proposed = None, "", company or proposed
            except CirrusError as trouble:
                self.talk.or_end(trouble)
                locations = ()
            else:
                self._done(
                    tr(
                        "The key is accepted. Devices at {locations}: {count}.",
                        locations=", ".join(locations),
                        count=len(found),
                    ),
                    "locations",
                    company=company,
                    locations=locations,
                    devices=len(found),
                )
                return draft, found

    def _typed_key(self) -> str:
        while True:
            key = self.talk.text(tr("API key (not shown)"), "--key-file", is_secret=True)
            if is_key(key):
                return key
            self.talk.say(tr("! A key has no spaces, and no letters beyond ASCII."))

    def _given_key(self) -> str:
        """The key of the command line's file; never one of the command line itself, which
        everybody can see."""
        if self.wanted.key_file is None:
            return ""
        file = self.wanted.key_file
        why: str = tr("it holds no key, or more than one")
        try:
            key = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
        except OSError as error:
            key, why = "", error.strerror or why
        except UnicodeDecodeError:
            key = ""
        if not is_key(key.strip()):
            raise WrongAnswer(
                tr(
                    "There is no key in --key-file {file} ({why}). Name a file with the API key "
                    "and "
                    "nothing else, or - for standard input.",
                    file=file,
                    why=why,
                )
            )
        return key.strip()

    # --- what is written

    def _write(self, drafted: Draft) -> None:
        folder = self.installation.config
        path = setup.server_file(folder, drafted.server)
        if path.exists() and not self.wanted.replace:
            question = tr("{path} has an entry already. Replace it?", path=path)
            if not self.talk.confirm(question, default=False):
                raise BadConfiguration(
                    tr("{path} is there already; --replace replaces it.", path=path)
                )
        setup.write_server(folder, path, drafted.server)
        self._done(
            tr("{path} is written; only root can read it.", path=path), "file", path=str(path)
        )

    def _queues(self, found: Found) -> Iterator[str]:
        """Add those that are wanted; the names of them."""
        for location, device in self._chosen(found):
            name = self._add(location, device)
            if name:
                self._done(
                    tr("Queue {name} prints to {info}.", name=name, info=device.info),
                    "queue",
                    queue=name,
                    device=f"{location}:{device.key}",
                )
                yield name

    def _chosen(self, found: Found) -> Found:
        """The devices that the command line or people choose."""
        if self.wanted.devices or not self.talk.may_ask or not found:
            return _devices(self.wanted.devices, found)
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
        """Add a queue; its name, or nothing if people have given up."""
        taken = setup.queue_names(CupsSetup(self.installation.cups_server))
        name = setup.proposed_name(device, location, taken)
        template = self.wanted.queue_name
        if template is not None or not self.talk.may_ask:
            name = name if template is None else setup.name_by(template, device, location)
            setup.add_queue(self.installation, name, device)
            return name
        while True:
            question = tr("Name of the queue for {device} (- for none)", device=device.info)
            name = self.talk.text(question, "--queue-name", default=name)
            if name == "-":
                return ""
            try:
                setup.add_queue(self.installation, name, device)
            except CirrusError as trouble:
                self.talk.or_end(trouble)
            else:
                return name

    # --- the test page

    def _wants_test(self, queue: str) -> bool:
        if self.wanted.test is not None:
            return self.wanted.test
        return self.talk.confirm(tr("Print a test page on {queue}?", queue=queue), default=True)

    def _test(self, queue: str) -> bool:
        result = None
        for news in print_test_page(self.installation, queue, limit_s=TEST_S):
            result = news.result
            self._done(
                joined("  ", ("", f"{news.at:%H:%M:%S}", news.what)),
                "test",
                queue=queue,
                **news._asdict(),
            )
        return result is Result.DONE


def _devices(words: Sequence[str], found: Found) -> Found:
    """Those that these words stand for: LOCATION:DEVICE, or numbers from 1.

    Raises:
        WrongAnswer: a word stands for none.
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
                    "There is no active device {word}. There are: {known}; name one of "
                    "them, all, or none.",
                    word=word,
                    known=", ".join(known),
                )
                if known
                else tr(
                    "There is no active device {word}, nor any other at the locations that you "
                    "have given.",
                    word=word,
                )
            )
    return [known.get(word) or numbered[word] for word in chosen]
