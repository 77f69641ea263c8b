"""The first questions of the guided setup: server, key, company and locations.

Each answer is tried before the next question. After a wrong answer, the question is repeated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cirrus_bridge.api.mdns import LanServer, servers_on_lan
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.distrust import Distrust
from cirrus_bridge.base.errors import CirrusError, KeyRefused, NotPermitted, ServerMisconfigured
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.setup import steps
from cirrus_bridge.cirrusctl.setup.conversation import Conversation
from cirrus_bridge.cirrusctl.setup.steps import ServerDraft, WrongAnswer
from cirrus_bridge.config.queue_uri import is_loopback
from cirrus_bridge.config.servers import Secret, is_key
from cirrus_bridge.drivers.devices import Driver

FoundDevices = list[tuple[str, Driver]]  # location, device


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """The options of the command; None and () stand for questions."""

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


@dataclass(frozen=True, slots=True)
class _ServerAnswers:
    """Answers about the server; `proposed` is the company that the server announces."""

    address: str | None
    ca_file: str | None
    plain: bool
    proposed: str = ""


@dataclass(frozen=True, slots=True)
class _CompanyAnswers:
    """Answers about the company, empty before a question; `proposed` is a default for its id."""

    company: str
    key: str
    locations: Sequence[str]
    proposed: str = ""


@dataclass(slots=True)
class GuidedServer:
    """Questions about the server; `done(text, step, **facts)` reports results."""

    options: SetupOptions
    talk: Conversation
    clock: Clock
    done: Callable[..., None]

    def ask(self) -> tuple[ServerDraft, FoundDevices]:
        """Ask for a server, and return it with the devices of its locations.

        Raises:
            CirrusError: an answer is wrong, and there is no terminal.
        """
        drafted, proposed = self._server()
        options = self.options
        answers = _CompanyAnswers(
            options.company or "", self._given_key(), options.locations, proposed
        )
        while True:
            answers = self._with_company(answers)
            try:
                draft = drafted.with_(company=answers.company, api_key=Secret(answers.key))
                steps.try_key(draft)
                answers = self._with_locations(answers)
                draft = draft.with_(locations=answers.locations)
                found = _devices_of(draft, answers.locations)
            except (KeyRefused, NotPermitted) as trouble:
                self.talk.or_end(trouble)
                answers = _CompanyAnswers("", "", answers.locations, answers.company)
            except CirrusError as trouble:
                self.talk.or_end(trouble)
                answers = replace(answers, locations=())
            else:
                self._tell_found(draft, found)
                return draft, found

    # --- the server

    def _server(self) -> tuple[ServerDraft, str]:
        """A server that answers, and the company that it announces (or empty)."""
        options = self.options
        answers = _ServerAnswers(options.server, options.ca_file, options.plain)
        while True:
            if answers.address is None:
                answers = self._with_address(answers)
            try:
                drafted = self._try_server(answers)
            except CirrusError as trouble:
                answers = self._corrected(answers, trouble)
            else:
                return drafted, answers.proposed

    def _try_server(self, answers: _ServerAnswers) -> ServerDraft:
        drafted = steps.draft(
            answers.address or "",
            ca_file=answers.ca_file,
            proxy=self.options.proxy,
            plain=answers.plain,
        )
        version = steps.try_server(drafted)
        name = drafted.server.name
        self.done(
            tr("{name} answers (version {version}).", name=name, version=version),
            "server",
            server=name,
            version=version,
            tls=not drafted.plain,
        )
        return drafted

    def _corrected(self, answers: _ServerAnswers, trouble: CirrusError) -> _ServerAnswers:
        """The answers for the next attempt.

        Raises:
            CirrusError: `trouble`, if there is no terminal.
        """
        why = trouble.distrust if isinstance(trouble, ServerMisconfigured) else None
        if why is Distrust.NO_TLS and self._may_be_plain(answers.address or ""):
            return replace(answers, plain=True)
        self.talk.or_end(trouble)
        if why is Distrust.UNKNOWN_CA:
            question = tr("File of the CA that signed the certificate")
            return replace(answers, ca_file=self.talk.text(question, "--ca-file"))
        return replace(answers, address=None, ca_file=None, plain=self.options.plain)

    def _may_be_plain(self, address: str) -> bool:
        host = address.rpartition(":")[0] or address
        return is_loopback(host) and self.talk.confirm(
            tr("{address} (this machine) does not use TLS. Continue without TLS?", address=address),
            default=True,
        )

    def _with_address(self, answers: _ServerAnswers) -> _ServerAnswers:
        """Ask for the address, and list the servers that announce themselves."""
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
        # no default: anyone can announce a server, and the key would go there
        answer = self.talk.text(question, "--server")
        if answer.isdecimal() and 0 < int(answer) <= len(there):
            chosen = there[int(answer) - 1]
            address = steps.address_of(chosen)
            return replace(answers, address=address, proposed=chosen.company)
        return replace(answers, address=answer, proposed="")

    # --- the key, the company, the locations

    def _with_company(self, answers: _CompanyAnswers) -> _CompanyAnswers:
        company = answers.company or self.talk.text(
            tr("Company (its id)"), "--company", default=answers.proposed or None
        )
        return replace(answers, company=company, key=answers.key or self._typed_key())

    def _tell_found(self, draft: ServerDraft, found: FoundDevices) -> None:
        locations = draft.server.locations
        self.done(
            tr(
                "The key is accepted. Devices at {locations}: {count}.",
                locations=", ".join(locations),
                count=len(found),
            ),
            "locations",
            company=draft.server.company,
            locations=locations,
            devices=len(found),
        )

    def _with_locations(self, answers: _CompanyAnswers) -> _CompanyAnswers:
        if answers.locations:
            return answers
        question = tr("Location (its id; several with commas)")
        answer = self.talk.text(question, "--location")
        locations = tuple(filter(None, map(str.strip, answer.split(","))))
        return replace(answers, locations=locations)

    def _typed_key(self) -> str:
        while True:
            key = self.talk.text(tr("API key (not shown)"), "--key-file", is_secret=True)
            if is_key(key):
                return key
            self.talk.say(tr("! A key has neither spaces nor non-ASCII letters."))

    def _given_key(self) -> str:
        """The key from --key-file. No option has the key itself: command lines are public."""
        if self.options.key_file is None:
            return ""
        file = self.options.key_file
        why: str = tr("the file holds no key, or more than one")
        try:
            key = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
        except OSError as error:
            key, why = "", error.strerror or why
        except UnicodeDecodeError:
            key = ""
        if not is_key(key.strip()):
            raise WrongAnswer(
                tr(
                    "Cannot read a key from --key-file {file} ({why}). Name a file with only "
                    "the API key, or - for standard input.",
                    file=file,
                    why=why,
                )
            )
        return key.strip()


def _devices_of(draft: ServerDraft, locations: Sequence[str]) -> FoundDevices:
    return [(each, device) for each in locations for device in steps.try_location(draft, each)]
