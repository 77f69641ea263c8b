"""Use case: from nothing to a queue that prints, in steps; each is tried before the next.

Asks nobody: who talks to people decides what to do about an error, and calls a step again.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.connectivity import addresses
from cirrus_bridge.api.mdns import LanServer
from cirrus_bridge.base.errors import (
    BadConfiguration,
    CirrusError,
    CupsNotPossible,
    Unreachable,
    UsageError,
)
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import TIMEOUTS, Installation
from cirrus_bridge.cirrusctl.queues.names import queue_name
from cirrus_bridge.config.load import load
from cirrus_bridge.config.queue_uri import check_id, is_loopback, parse_server, server_name
from cirrus_bridge.config.servers import Secret, Server, read_server_file
from cirrus_bridge.config.write import check_writable, server_toml, write_private
from cirrus_bridge.cups.queues import CupsQueues, QueueChange
from cirrus_bridge.drivers.devices import Driver, devices

NO_KEY = Secret("no key yet")  # for a server of which only its version is asked
COLOR_LEFT_OPEN: Mapping[str, str | None] = {"print-color-mode": "auto"}


class WrongAnswer(UsageError):
    """What was answered to a question, or given as its option, can not be used."""

    code = ""  # it is told to who has given it, at once


@dataclass(frozen=True, slots=True)
class ServerDraft:
    """A server that is being set up."""

    server: Server

    @property
    def plain(self) -> bool:
        """Without TLS."""
        return self.server.encryption == "never"

    @property
    def api(self) -> CloudApi:
        """It, as it is set up so far."""
        company = self.server.company or ""
        return CloudApi(self.server, company, https=not self.plain, timeouts=TIMEOUTS, sets_up=True)

    def with_(self, **changes: Any) -> ServerDraft:
        """The same with other settings of the server."""
        return replace(self, server=replace(self.server, **changes))


def check_ready(installation: Installation, *, adds_queues: bool) -> None:
    """See that what is found out can be put down, before anybody is asked for it.

    Raises:
        BadConfiguration: servers.d can not be written.
        CirrusError: CUPS can not be used.
    """
    check_writable(installation.config / "servers.d" / "*.toml")
    if adds_queues:
        installation.cups.version()


def draft(address: str, *, ca_file: str | None, proxy: str | None, plain: bool) -> ServerDraft:
    """A server by its address.

    Raises:
        WrongAnswer: the address is none, or the CA's file can not be read.
    """
    try:
        host, port = parse_server(address.strip())
    except ValueError as error:
        raise WrongAnswer(tr("{error}. Write HOST, or HOST:PORT.", error=error)) from None
    if ca_file is not None and not os.access(ca_file, os.R_OK):
        raise WrongAnswer(
            tr(
                "Cannot read --ca-file {ca_file}. Name the file of the CA that signed the "
                "server's certificate.",
                ca_file=ca_file,
            )
        )
    server = Server(
        server_name(host, port),
        NO_KEY,
        ca_file=ca_file,
        proxy=proxy,
        encryption="never" if plain else "required",
    )
    return ServerDraft(replace(server, allow_plaintext=plain and not server.may_be_plain))


def address_of(announced: LanServer) -> str:
    """HOST:PORT of a server of the network: by its name, for which its certificate is, if this
    machine can look that up; on this machine itself by its address."""
    hosts = sorted(announced.hosts, key=is_loopback, reverse=True)
    host = next((each for each in hosts if _is_known(each)), hosts[0])
    return f"[{host}]:{announced.port}" if ":" in host else f"{host}:{announced.port}"


def _is_known(host: str) -> bool:
    try:
        return bool(addresses(host, 0))
    except Unreachable:
        return False


def try_server(drafted: ServerDraft) -> str:
    """The server's version.

    Raises:
        CirrusError: it can not be reached, or is something else.
    """
    return drafted.api.version()[0]


def try_key(drafted: ServerDraft) -> None:
    """Have the key accepted, by the one request that names neither company nor location: a
    temporary file, as each upload makes one.

    Raises:
        KeyRefused: it is not.
        CirrusError: the server can not be used.
    """
    drafted.api.temp_file()


def try_location(drafted: ServerDraft, location: str) -> list[Driver]:
    """The active devices of a location.

    Raises:
        WrongAnswer: no location can have this id.
        KeyRefused: the key is not accepted.
        NotPermitted: it is not for this company.
        CirrusError: there is no such location, or the server can not be used.
    """
    try:
        check_id(location)
    except ValueError as error:
        raise WrongAnswer(tr("The id of a location {error}.", error=error)) from None
    server = drafted.server
    content = drafted.api.location(location)
    return list(devices(Place(server.name, server.company or "", location), content))


def server_file(folder: Path, server: Server) -> Path:
    """Where the server's entry belongs: the file that has it, or one of its name.

    Raises:
        BadConfiguration: the file that has it has others as well.
    """
    for path in sorted(folder.glob("servers.d/*.toml")):
        there = _entries(path)
        if not any((each.name, each.company) == (server.name, server.company) for each in there):
            continue
        if len(there) > 1:
            raise BadConfiguration(
                tr("{path} has this server's entry and others.", path=path),
                tr("Change the entry in this file."),
            )
        return path
    words = filter(None, (server.name, server.company))
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words))
    numbered = (f"{stem}-{number}.toml" for number in itertools.count(2))
    paths = (folder / "servers.d" / name for name in itertools.chain([f"{stem}.toml"], numbered))
    # another server's or company's name may look the same, and its key is not to be lost
    return next(path for path in paths if not _entries(path))


def _entries(path: Path) -> list[Server]:
    """Of a file of servers.d; none if it makes no sense, which `write_server` tells."""
    try:
        return read_server_file(path)
    except CirrusError:
        return []


def is_written(path: Path, server: Server) -> bool:
    """Whether the file has this entry already, word for word."""
    return [server_toml(each) for each in _entries(path)] == [server_toml(server)]


def write_server(folder: Path, path: Path, server: Server) -> None:
    """Write the server's entry, and see that the configuration as a whole makes sense.

    Raises:
        CirrusError: it does not, or can not be written; what was there before is there still.
    """
    before = path.read_text("utf-8") if path.exists() else None
    write_private(path, server_toml(server))
    try:
        load(folder)
    except CirrusError:
        if before is None:
            path.unlink()
        else:
            write_private(path, before)
        raise


def proposed_name(device: Driver, location: str, taken: Iterable[str]) -> str:
    """A name for a device's queue that is free."""
    names = {name.lower() for name in taken}
    for template in ("{device}", "{location}-{device}"):
        name = name_by(template, device, location)
        if name.lower() not in names:
            return name
    numbered = (f"{name}-{number}" for number in range(2, len(names) + 3))
    return next(each for each in numbered if each.lower() not in names)


def name_by(template: str, device: Driver, location: str) -> str:
    """A queue's name by a template with {location} and {device}.

    Raises:
        WrongAnswer: something else is in braces.
        BadConfiguration: it is too long.
    """
    try:
        return queue_name(template, {"location": location, "device": device.key})
    except KeyError as error:
        raise WrongAnswer(
            tr(
                "The name {template} has an unknown placeholder {{{word}}} (known: "
                "{{location}}, {{device}}).",
                template=template,
                word=error.args[0],
            )
        ) from None


def add_queue(installation: Installation, name: str, device: Driver) -> None:
    """Add a queue with the device's own driver.

    Raises:
        CupsNotPossible: there is one of this name, or no driver for the device.
        CirrusError: CUPS does not do it.
    """
    if name.lower() in queue_names(installation.cups):
        raise CupsNotPossible(
            tr("CUPS already has a queue {name}.", name=name), tr("Choose another name.")
        )
    if device.language is None:
        raise CupsNotPossible(
            tr(
                "There is no driver for {info}, because no CUPS filter produces a format that "
                "it accepts.",
                info=device.info,
            ),
            tr(
                "Add the queue with a driver of your own: lpadmin -p {name} -E -v '{uri}' -m …",
                name=name,
                uri=device.uri,
            ),
        )
    change = QueueChange(
        device_uri=device.uri,
        info=device.info,
        location=device.place,
        ppd=device.ppd(),
        defaults=COLOR_LEFT_OPEN,
    )
    installation.cups.set_queue(name, change, is_new=True)


def queue_names(cups: CupsQueues) -> Sequence[str]:
    """The names of all queues, in lower case, as CUPS takes them for the same."""
    return [queue.name.lower() for queue in cups.queues()]
