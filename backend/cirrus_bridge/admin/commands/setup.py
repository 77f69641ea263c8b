"""`cirrusctl setup`: from nothing to a queue that prints, one question after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cirrus_bridge.admin import setup
from cirrus_bridge.admin.conversation import Conversation
from cirrus_bridge.admin.cups_setup import CupsSetup
from cirrus_bridge.admin.doctor.examination import examine
from cirrus_bridge.admin.doctor.finding import Severity
from cirrus_bridge.admin.doctor.report import table
from cirrus_bridge.admin.exit_status import ExitStatus
from cirrus_bridge.admin.installation import Installation
from cirrus_bridge.admin.output import AsJson, Output
from cirrus_bridge.admin.print_test import Result, print_test_page
from cirrus_bridge.admin.queues_file import fill
from cirrus_bridge.admin.setup import Draft
from cirrus_bridge.api_errors import NO_TLS
from cirrus_bridge.config import Secret
from cirrus_bridge.drivers import Driver
from cirrus_bridge.errors import BadConfiguration, CirrusError, KeyRefused, NotTrusted
from cirrus_bridge.lan import LanServer, servers_on_lan
from cirrus_bridge.uri import is_loopback

ALL, NONE = "all", "none"
TEST_S = 60.0
Found = list[tuple[str, Driver]]  # location, device


@dataclass(frozen=True, slots=True)
class _Wanted:
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


def command(
    server: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="The print server.")
    ] = None,
    key_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file with the API key, or -."),
    ] = None,
    company: Annotated[str | None, typer.Option(metavar="ID", help="The key's company.")] = None,
    location: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="May be given several times.")
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LOCATION:DEVICE",
            help="Add a queue for this device; may be given several times; all, or none.",
        ),
    ] = None,
    queue_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of each queue, with {location} and {device} in it."),
    ] = None,
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The CA of the server's certificate.")
    ] = None,
    proxy: Annotated[
        str | None, typer.Option(metavar="http://HOST:PORT", help="The proxy on the way there.")
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Without TLS: who is on the way can read all."),
    ] = False,
    test: Annotated[
        bool | None, typer.Option("--test/--no-test", help="Print a test page on each new queue.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the server's entry, if there is one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set up a server and queues, step by step.

    Asks for what the options do not say, tries each answer, writes the server's file into
    servers.d, adds a queue for each device that you choose, and prints a test page. Run it as root.
    """
    wanted = _Wanted(server, key_file, company, tuple(location or ()), ca_file, proxy, plain,
                     tuple(device or ()), queue_name, test, replace)  # fmt: skip
    _Setup(wanted, Output(as_json), Conversation()).run()


class _Setup:
    """One conversation, from the first question to the last."""

    def __init__(self, wanted: _Wanted, output: Output, talk: Conversation) -> None:
        self.wanted = wanted
        self.output = output
        self.talk = talk
        self.installation = Installation.of(os.environ)

    def run(self) -> None:
        """All of it."""
        drafted, proposed = self._server()
        drafted, found = self._key_and_locations(drafted, proposed)
        self._write(drafted)
        queues = [*self._queues(drafted, found)]
        failed = [queue for queue in queues if self._wants_test(queue) and not self._test(queue)]
        findings = [each for each in examine(self.installation) if each.severity > Severity.NOTE]
        text = "\n".join(table(findings, self.output.width)) or "The doctor finds nothing wrong."
        self.output.event({"step": "doctor", "findings": findings}, text)
        if failed or any(each.severity is Severity.ERROR for each in findings):
            raise typer.Exit(ExitStatus.FAILED)

    def _done(self, text: str, step: str, **facts: Any) -> None:
        self.output.event({"step": step, **facts}, text)

    # --- the server

    def _server(self) -> tuple[Draft, str]:
        """A server that answers, and the company that it announces, if it does."""
        address, ca_file, plain = self.wanted.server, self.wanted.ca_file, self.wanted.plain
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
                self.talk.or_end(trouble)
                if isinstance(trouble, NotTrusted):
                    ca_file = self.talk.text("File of the CA that has signed it", "--ca-file")
                elif NO_TLS in str(trouble) and self._may_be_plain(address):
                    plain = True
                else:
                    address = None
                continue
            name = drafted.server.name
            self._done(f"{name} answers (version {version}).", "server", server=name,
                       version=version, tls=not drafted.plain)  # fmt: skip
            return drafted, proposed

    def _may_be_plain(self, address: str) -> bool:
        host = address.rpartition(":")[0] or address
        return is_loopback(host) and self.talk.confirm(
            "It is on this machine. Talk to it without TLS?", default=True
        )

    def _address(self) -> tuple[str, str]:
        """Which one, of those that announce themselves or any other."""
        there: list[LanServer] = []
        if self.talk.may_ask:
            there = servers_on_lan(self.installation.clock)
        for number, each in enumerate(there, 1):
            of = f", company {each.company}" if each.company else ""
            self.talk.say(f"  {number}  {each.name} ({each.hosts[0]}:{each.port}{of})")
        hint = ", or a number of the list" if there else ""
        answer = self.talk.text(
            f"Print server (HOST or HOST:PORT{hint})", "--server", default="1" if there else None
        )
        if answer.isdecimal() and 0 < int(answer) <= len(there):
            chosen = there[int(answer) - 1]
            return setup.address_of(chosen), chosen.company
        return answer, ""

    # --- the key, the company, the locations

    def _key_and_locations(self, drafted: Draft, proposed: str) -> tuple[Draft, Found]:
        """The server with what was accepted, and the devices of its locations."""
        company, key, locations = self.wanted.company, self._given_key(), self.wanted.locations
        while True:
            company = company or self.talk.text("Company (its id)", "--company",
                                                default=proposed or None)  # fmt: skip
            key = key or self.talk.text("API key (not shown)", "--key-file", is_secret=True)
            if not locations:
                answer = self.talk.text("Location (its id; several with commas)", "--location")
                locations = tuple(filter(None, map(str.strip, answer.split(","))))
            draft = drafted.with_(company=company, api_key=Secret(key), locations=locations)
            try:
                found = [
                    (each, device)
                    for each in locations
                    for device in setup.try_location(draft, each)
                ]
            except KeyRefused as trouble:
                self.talk.or_end(trouble)
                company, key = None, ""
            except CirrusError as trouble:
                self.talk.or_end(trouble)
                locations = ()
            else:
                self._done(
                    f"The key is accepted. Devices at {', '.join(locations)}: {len(found)}.",
                    "locations", company=company, locations=locations, devices=len(found),
                )  # fmt: skip
                return draft, found

    def _given_key(self) -> str:
        """The key of the command line's file; never one of the command line itself, which
        everybody can see."""
        if self.wanted.key_file is None:
            return ""
        try:
            if self.wanted.key_file == "-":
                return sys.stdin.readline().strip()
            return Path(self.wanted.key_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfiguration(f"The key file can not be read: {error}.") from error

    # --- what is written

    def _write(self, drafted: Draft) -> None:
        folder = self.installation.config
        path = setup.server_file(folder, drafted.server)
        if path.exists() and not self.wanted.replace:
            question = f"{path} has an entry already. Replace it?"
            if not self.talk.confirm(question, default=False):
                raise BadConfiguration(f"{path} is there already; --replace replaces it.")
        setup.write_server(folder, path, drafted.server)
        self._done(f"{path} is written; only root can read it.", "file", path=str(path))

    def _queues(self, drafted: Draft, found: Found) -> Iterator[str]:
        """Add those that are wanted; the names of them."""
        for location, device in self._chosen(found):
            name = self._add(drafted, location, device)
            if name:
                self._done(f"Queue {name} prints to {device.info}.", "queue", queue=name,
                           device=f"{location}:{device.key}")  # fmt: skip
                yield name

    def _chosen(self, found: Found) -> Found:
        by_name = {f"{location}:{device.key}": (location, device) for location, device in found}
        wanted = list(self.wanted.devices)
        if not wanted and self.talk.may_ask and found:
            for number, (name, (_, device)) in enumerate(by_name.items(), 1):
                self.talk.say(f"  {number}  {name}  {device.info}")
            answer = self.talk.text(
                "Queues for which devices (numbers with commas, all, or none)", "--device",
                default="1" if len(found) == 1 else NONE,
            )  # fmt: skip
            numbered = dict(zip(map(str, range(1, len(found) + 1)), by_name, strict=False))
            wanted = [numbered.get(word, word) for word in answer.replace(",", " ").split()]
        if wanted == [ALL]:
            return found
        chosen = [each for each in wanted if each != NONE]
        for each in chosen:
            if each not in by_name:
                known = ", ".join(by_name) or "none"
                raise BadConfiguration(f"There is no active device {each} (there are: {known}).")
        return [by_name[each] for each in chosen]

    def _add(self, drafted: Draft, location: str, device: Driver) -> str:
        """Add a queue; its name, or nothing if people have given up."""
        taken = setup.queue_names(CupsSetup(self.installation.cups_server))
        name = setup.proposed_name(device, location, taken)
        if self.wanted.queue_name is not None:
            name = fill(self.wanted.queue_name, {"location": location, "device": device.key})
        while True:
            if self.wanted.queue_name is None and self.talk.may_ask:
                question = f"Name of the queue for {device.info} (- for none)"
                name = self.talk.text(question, "--queue-name", default=name)
            if name == "-":
                return ""
            try:
                setup.add_queue(self.installation, name, device, plain=drafted.plain)
            except CirrusError as trouble:
                if self.wanted.queue_name is not None:
                    raise
                self.talk.or_end(trouble)
            else:
                return name

    # --- the test page

    def _wants_test(self, queue: str) -> bool:
        if self.wanted.test is not None:
            return self.wanted.test
        return self.talk.confirm(f"Print a test page on {queue}?", default=True)

    def _test(self, queue: str) -> bool:
        result = None
        for news in print_test_page(self.installation, queue, limit_s=TEST_S):
            result = news.result
            self._done(f"  {news.at:%H:%M:%S}  {news.what}", "test", queue=queue,
                       **news._asdict())  # fmt: skip
        return result is Result.DONE
