"""The first questions of the guided setup: which server, key, company and locations; each answer is
tried before the next question.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.api.mdns import LanServer, servers_on_lan
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.distrust import Distrust
from cirrus_bridge.base.errors import CirrusError, KeyRefused, NotPermitted, ServerMisconfigured
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.setup import steps as setup
from cirrus_bridge.cirrusctl.setup.conversation import Conversation
from cirrus_bridge.cirrusctl.setup.steps import Draft, WrongAnswer
from cirrus_bridge.config.queue_uri import is_loopback
from cirrus_bridge.config.servers import Secret, is_key
from cirrus_bridge.drivers.devices import Driver

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
class GuidedServer:
    """`done(text, step, **facts)` is told what was found out."""

    wanted: Wanted
    talk: Conversation
    clock: Clock
    done: Callable[..., None]

    def ask(self) -> tuple[Draft, Found]:
        """A server with what it has accepted, and the devices of its locations."""
        return self._key_and_locations(*self._server())

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
                why = trouble.distrust if isinstance(trouble, ServerMisconfigured) else None
                if why is Distrust.NO_TLS and self._may_be_plain(address):
                    plain = True
                    continue
                self.talk.or_end(trouble)
                if why is Distrust.UNKNOWN_CA:
                    ca_file = self.talk.text(tr("File of the CA that has signed it"), "--ca-file")
                else:
                    address, ca_file, plain = None, None, self.wanted.plain
                continue
            name = drafted.server.name
            self.done(
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
            there = servers_on_lan(self.clock)
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
            except (KeyRefused, NotPermitted) as trouble:
                self.talk.or_end(trouble)
                company, key, proposed = None, "", company or proposed
            except CirrusError as trouble:
                self.talk.or_end(trouble)
                locations = ()
            else:
                self.done(
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
                    "and nothing else, or - for standard input.",
                    file=file,
                    why=why,
                )
            )
        return key.strip()
