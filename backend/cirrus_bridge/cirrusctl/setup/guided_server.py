"""The first questions of the guided setup: server, key, company and locations.

Each answer is tried before the next question. After a wrong answer, the question is repeated.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.connectivity import addresses
from cirrus_bridge.api.mdns import LanServer, servers_on_lan
from cirrus_bridge.base import errors
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.distrust import Distrust
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import TIMEOUTS, Installation
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer
from cirrus_bridge.cirrusctl.setup.conversation import Conversation
from cirrus_bridge.config.queue_uri import check_id, is_loopback, parse_server, server_name
from cirrus_bridge.config.servers import Secret, Server, is_key
from cirrus_bridge.drivers.devices import Driver, devices

FoundDevices = list[tuple[str, Driver]]  # location, device
NO_KEY = Secret("no key yet")  # `version` needs no key
NO_LOCATION = "cirrusctl-setup"  # an id that no location has


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """The options of the command; None stands for a question."""

    server: str | None
    key_file: str | None
    company: str | None
    locations: Sequence[str] | None
    ca_file: str | None
    proxy: str | None
    plain: bool
    local_user: str | None
    devices: Sequence[str] | None
    queue_name: str | None
    test: bool | None
    replace: bool
    printers: bool | None = None


@dataclass(slots=True)
class GuidedServer:
    """Questions about the server.

    Attributes:
        done: `done(text, step, **facts)` reports results.
        known_key: a key that the configuration has for a server and its company, and that the user
            wants to keep; else says where a key goes, and returns an empty text.
    """

    options: SetupOptions
    talk: Conversation
    clock: Clock
    done: Callable[..., None]
    known_key: Callable[[Server], str]

    def ask(self) -> tuple[Server, FoundDevices]:
        """Ask for a server, and return it with the devices of its locations.

        Raises:
            CirrusError: an answer is wrong, and there is no terminal; or there is no place for the
                key.
        """
        server = self._accepted(*self._server())
        locations = tuple(self.options.locations or ())
        while True:
            if not locations:
                question = tr("Location (its id; several with commas)")
                answer = self.talk.text(question, "--location")
                locations = tuple(filter(None, map(str.strip, answer.split(","))))
            server = replace(server, locations=locations)
            try:
                found = _devices(server)
            except CirrusError as trouble:
                self.talk.or_end(trouble)
                locations = ()
            else:
                break
        told = tr(
            "Devices at {locations}: {count}.", locations=", ".join(locations), count=len(found)
        )
        facts = {"company": server.company, "locations": locations, "devices": len(found)}
        self.done(told, "locations", **facts)
        return server, found

    def _accepted(self, server: Server, proposed: str) -> Server:
        """The server with a company and a key that the server accepts together. The user knows
        where the key goes before typing it."""
        company = self.options.company or ""
        key = _key_in(self.options.key_file) if self.options.key_file is not None else ""
        while True:
            company = company or self.talk.text(
                tr("Company (its id)"), "--company", default=proposed or None
            )
            server = replace(server, company=company)
            key = key or self.known_key(server) or self._typed_key()
            server = replace(server, api_key=Secret(key))
            try:
                _check_key(server)
            except CirrusError as trouble:
                self.talk.or_end(trouble)
                company, key, proposed = "", "", company
            else:
                break
        told = tr("{name} accepts the key for {company}.", name=server.name, company=company)
        self.done(told, "key", server=server.name, company=company)
        return server

    def _server(self) -> tuple[Server, str]:
        """A server that answers, and the company that it announces (or empty)."""
        address, proposed = self.options.server, ""
        ca_file, plain = self.options.ca_file, self.options.plain
        local_user = self.options.local_user
        while True:
            if address is None:
                address, proposed = self._typed_address()
            try:
                server = _draft(address, ca_file, self.options.proxy, plain=plain)
                server = replace(server, local_user=local_user)
                version = _api(server).version()[0]
            except CirrusError as trouble:
                why = trouble.distrust if isinstance(trouble, errors.ServerMisconfigured) else None
                if why is Distrust.NO_TLS and self._may_be_plain(address):
                    plain = True
                    continue
                self.talk.or_end(trouble)
                if isinstance(trouble, errors.WrongUser) and self._may_run(trouble.user):
                    local_user = trouble.user
                elif why is Distrust.UNKNOWN_CA:
                    question = tr("File of the CA that signed the certificate")
                    ca_file = self.talk.text(question, "--ca-file")
                else:
                    address, ca_file, plain = None, None, self.options.plain
            else:
                break
        name = server.name
        told = tr("{name} answers (version {version}).", name=name, version=version)
        self.done(told, "server", server=name, version=version, tls=not plain)
        return server, proposed

    def _may_be_plain(self, address: str) -> bool:
        host = address.rpartition(":")[0] or address
        return is_loopback(host) and self.talk.confirm(
            tr("{address} (this machine) does not use TLS. Continue without TLS?", address=address),
            default=True,
        )

    def _may_run(self, user: str) -> bool:
        """Ask whether a user may run the server and so get the key."""
        question = tr("May user {user} run the server, and get the key and documents?", user=user)
        return bool(user) and self.talk.confirm(question, default=False)

    def _typed_address(self) -> tuple[str, str]:
        """Ask for the address, and list the servers that announce themselves.

        Returns:
            The address, and the company that the server announces (or empty).
        """
        there = servers_on_lan(self.clock) if self.talk.may_ask else []
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
            return _address_of(chosen), chosen.company
        return answer, ""

    def _typed_key(self) -> str:
        while True:
            key = self.talk.text(tr("API key (not shown)"), "--key-file", is_secret=True)
            if is_key(key):
                return key
            self.talk.say(tr("! A key has neither spaces nor non-ASCII letters."))


def _key_in(file: str) -> str:
    """The key in --key-file. No option has the key itself: command lines are public."""
    why: str = tr("the file holds no key, or more than one")
    key = ""
    try:
        key = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:
        why = error.strerror or why
    except UnicodeDecodeError:
        pass
    if not is_key(key.strip()):
        what = tr(
            "Cannot read a key from --key-file {file} ({why}). Name a file with only "
            "the API key, or - for standard input.",
            file=file,
            why=why,
        )
        raise WrongAnswer(what)
    return key.strip()


def _draft(address: str, ca_file: str | None, proxy: str | None, *, plain: bool) -> Server:
    """The server at HOST or HOST:PORT, without key, company and locations."""
    try:
        host, port = parse_server(address.strip())
    except ValueError as error:
        raise WrongAnswer(tr("{error}. Write HOST, or HOST:PORT.", error=error)) from None
    if ca_file is not None and not os.access(ca_file, os.R_OK):
        what = tr(
            "Cannot read --ca-file {ca_file}. Name the file of the CA that signed the "
            "server's certificate.",
            ca_file=ca_file,
        )
        raise WrongAnswer(what)
    encryption = "never" if plain else "required"
    name = server_name(host, port)
    server = Server(name, NO_KEY, ca_file=ca_file, proxy=proxy, encryption=encryption)
    return replace(server, allow_plaintext=plain and not server.may_be_plain)


def _api(server: Server) -> CloudApi:
    https = server.encryption != "never"
    return CloudApi(server, server.company or "", https=https, timeouts=TIMEOUTS, sets_up=True)


def _check_key(server: Server) -> None:
    """Check the key and the company. No request has only these, so a location is asked for that
    does not exist.

    Raises:
        CirrusError: the server refuses the key or the company, or does not answer.
    """
    try:
        check_id(server.company or "")
    except ValueError as error:
        raise WrongAnswer(tr("The id of a company {error}.", error=error)) from None
    _api(server).temp_file()  # with the key alone, so that a wrong key is told apart
    try:
        _api(server).location(NO_LOCATION)
    except errors.Refused as refusal:
        if "company" in refusal.message.lower():  # the server's words
            raise


def _devices(server: Server) -> FoundDevices:
    found: FoundDevices = []
    declared = Installation.here().declared_devices
    for location in server.locations:
        try:
            check_id(location)
        except ValueError as error:
            raise WrongAnswer(tr("The id of a location {error}.", error=error)) from None
        place = Place(server.name, server.company or "", location)
        listed = devices(place, _api(server).location(location), declared)
        found += [(location, device) for device in listed]
    return found


def _address_of(announced: LanServer) -> str:
    """HOST:PORT of an announced server.

    A server on this machine gets its loopback address. Another server gets its name, which its
    certificate has, if this machine can resolve the name.
    """
    hosts = sorted(announced.hosts, key=is_loopback, reverse=True)
    host = next(filter(_is_known, hosts), hosts[0])
    return f"[{host}]:{announced.port}" if ":" in host else f"{host}:{announced.port}"


def _is_known(host: str) -> bool:
    try:
        return bool(addresses(host, 0))
    except errors.Unreachable:
        return False
