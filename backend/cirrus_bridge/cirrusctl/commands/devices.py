"""`cirrusctl devices`: lists devices and the queues that lead to them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import typer

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.globs import is_glob, matches
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.inventory import LocationAnswer, ask
from cirrus_bridge.cirrusctl.mistakes import UnknownName
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output, with_code
from cirrus_bridge.cirrusctl.output.table import Column, Shape, some
from cirrus_bridge.cirrusctl.queues.find import cloud_queues, uri_of
from cirrus_bridge.drivers.capabilities import formats

_COLUMNS = (
    Column("target", tr("DEVICE")),
    Column("name", tr("NAME"), shape=Shape.SHORTENED),
    Column("place", tr("PLACE"), shape=Shape.LEFT_OUT),
    Column("formats", tr("FORMATS")),
    Column("active", tr("ACTIVE"), lambda active: "" if active else "yellow"),
    Column("queues", tr("QUEUES")),
    Column("server", tr("SERVER"), shape=Shape.LEFT_OUT),
)
_QueuesByDevice: TypeAlias = dict[tuple[str, str, str], list[str]]


def command(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="LOCATION:DEVICE",
            help="The devices to list; * and ? are wildcards, such as 'Paris:*'.",
        ),
    ] = "*:*",
    show_all: Annotated[bool, typer.Option("--all", help="List inactive devices, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List devices and their queues.

    Lists the devices of the locations in servers.d. Devices of a server that is away are listed as
    they were last seen.
    """
    output = Output(as_json)
    installation = Installation.here()
    places = {
        Place(server.name, server.company, location): server
        for server in installation.configuration.servers
        if server.company is not None
        for location in server.locations
    }
    answers = ask(installation, places)
    queues = _queues_by_device(installation)
    known = [row for answer in answers.values() for row in _rows(answer, queues)]
    rows = [row for row in known if matches(row["target"], pattern) and (show_all or row["active"])]
    errors = {place: answer.error for place, answer in answers.items() if answer.error}
    if not is_glob(pattern) and answers and not errors:
        _check_device(pattern, known)
    output.rows(rows, _COLUMNS, none=_none(pattern, answers.values(), known))
    for place, error in errors.items():
        told = tr(
            "! {location} of {server}: {error}",
            location=place.location,
            server=place.server,
            error=with_code(error),
        )
        output.remark(told)
    if errors:
        raise typer.Exit(ExitStatus.SERVER)


def _check_device(name: str, known: Sequence[Mapping[str, Any]]) -> None:
    """Refuse the name of a device that no location has."""
    targets = [row["target"] for row in known]
    if name not in targets:
        text, hint = _no_match(name, known)
        locations = {target.partition(":")[0] for target in targets}
        patterns = (f"{location}:*" for location in sorted(locations))
        raise UnknownName.guessing(text, name, (*targets, *patterns), hint)


def _no_match(pattern: str, known: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """That no device matches, and the devices that exist."""
    there = tr("No device is active; see --all.")
    if active := some(row["target"] for row in known if row["active"]):
        there = tr("Active devices: {devices}.", devices=active)
    return tr("No device matches {pattern}.", pattern=pattern), there


def _none(
    pattern: str, answers: Iterable[LocationAnswer], known: Sequence[Mapping[str, Any]]
) -> str:
    asked = list(answers)
    if not asked:
        return tr('No devices are known. Add locations = ["…"] to an entry in servers.d.')
    if not known and any(answer.error is not None for answer in asked):
        return tr("No devices are known.")
    if not known:
        locations = some(answer.place.location for answer in asked)
        return tr("There are no devices at {locations}.", locations=locations)
    if not any(matches(row["target"], pattern) for row in known):
        return joined(" ", _no_match(pattern, known))
    return tr("These devices are inactive; --all lists them.")


def _rows(answer: LocationAnswer, queues: _QueuesByDevice) -> Iterator[dict[str, Any]]:
    place = answer.place
    listed = answer.content.get("Devices")
    for key, device in sorted(listed.items() if isinstance(listed, dict) else ()):
        if not isinstance(device, dict):
            continue
        driver = answer.drivers.get(key)
        target = f"{place.location}:{key}"
        yield {
            "server": place.server,
            "company": place.company,
            "target": target,
            "name": device.get("Name") or key,
            "place": answer.content.get("Name") or place.location,
            "formats": sorted(formats(device)),
            "active": driver is not None,
            "uri": driver.uri if driver else None,
            "driver": driver.make_and_model if driver and driver.language else None,
            "as_last_seen": answer.error is not None,
            "queues": queues.get((place.server, place.company, target), []),
        }


def _queues_by_device(installation: Installation) -> _QueuesByDevice:
    """The queues by server, company and target; none if CUPS does not answer."""
    found: _QueuesByDevice = defaultdict(list)
    with contextlib.suppress(CirrusError):
        for queue in cloud_queues(installation):
            if uri := uri_of(queue):
                for target in uri.targets:
                    found[uri.server, uri.company, str(target)].append(queue.name)
    return found
