"""Use case: set up a server and queues, in steps.

The steps ask no questions. After an error, the caller may repeat a step with other values.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration, CirrusError, CupsNotPossible, UsageError
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.queues.names import queue_name
from cirrus_bridge.config.load import load
from cirrus_bridge.config.servers import Server, read_server_file
from cirrus_bridge.config.write import server_toml, write_private
from cirrus_bridge.cups.queues import CupsQueues, QueueChange
from cirrus_bridge.drivers.devices import Driver


class WrongAnswer(UsageError):
    """An unusable answer to a question, or value of its option."""

    code = ""  # shown at once to the user who gave the answer


def server_file(folder: Path, server: Server) -> Path:
    """The file for the server's entry: the file that has the entry, or a new one.

    Raises:
        BadConfiguration: the file with this entry also has other entries.
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
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", f"{server.name}-{server.company}")
    paths = (folder / "servers.d" / f"{name}.toml" for name in _numbered(stem))
    # names of several servers and companies may give the same stem; never overwrite another key
    return next(path for path in paths if not _entries(path))


def _numbered(name: str) -> Iterator[str]:
    """The name, then the name with -2, -3 and so on."""
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def _entries(path: Path) -> list[Server]:
    """The entries of a file of servers.d; none if it is invalid, as `write_server` will report."""
    try:
        return read_server_file(path)
    except CirrusError:
        return []


def is_written(path: Path, server: Server) -> bool:
    """Whether the file already has exactly this entry."""
    return [server_toml(each) for each in _entries(path)] == [server_toml(server)]


def write_server(folder: Path, path: Path, server: Server) -> None:
    """Write the server's entry, and check the whole configuration.

    Raises:
        CirrusError: the file cannot be written, or the configuration is invalid. The file is then
            unchanged.
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


def proposed_name(device: Driver, location: str, taken: Collection[str]) -> str:
    """A free name for a device's queue; `taken` has names in lower case."""
    short = name_by("{device}", device, location)
    if short.lower() not in taken:
        return short
    names = _numbered(name_by("{location}-{device}", device, location))
    return next(name for name in names if name.lower() not in taken)


def name_by(template: str, device: Driver, location: str) -> str:
    """Make a queue's name from a template with {location} and {device}.

    Raises:
        WrongAnswer: the template has another placeholder.
        BadConfiguration: the name is too long.
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


def add_queue(cups: CupsQueues, name: str, device: Driver) -> None:
    """Add a queue with the device's own driver.

    Raises:
        CupsNotPossible: the name is taken, or there is no driver for the device.
        CirrusError: CUPS does not answer, or refuses.
    """
    if name.lower() in queue_names(cups):
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
        defaults={"print-color-mode": "auto"},  # each job may choose
    )
    cups.set_queue(name, change, is_new=True)


def queue_names(cups: CupsQueues) -> list[str]:
    """The names of all queues in lower case, because CUPS ignores case."""
    return [queue.name.lower() for queue in cups.queues()]
