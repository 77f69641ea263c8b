"""`cirrusctl devices`: lists devices and the queues that lead to them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import typer

from cirrus_bridge.base.errors import BadQueueUri, CirrusError
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.inventory import LocationAnswer, ask
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output, with_code
from cirrus_bridge.cirrusctl.output.table import Column, Shape, some
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.cirrusctl.queues.wanted import matches
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.drivers.capabilities import formats
from cirrus_bridge.drivers.names import make_and_model

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
    installation = Installation.of(os.environ)
    places = {
        Place(server.name, server.company, location): server
        for server in installation.configuration.servers
        if server.company is not None
        for location in server.locations
    }
    answers = ask(
        places.items(),
        lambda server, location: installation.api(server).location(location),
        installation.devices_seen,
    )
    queues = _queues_by_device(installation)
    known = [row for answer in answers.values() for row in _rows(answer, queues)]
    rows = [row for row in known if matches(row["target"], pattern) and (show_all or row["active"])]
    output.rows(rows, _COLUMNS, none=_none(pattern, answers.values(), known))
    errors = {place: answer.error for place, answer in answers.items() if answer.error}
    for place, error in errors.items():
        output.remark(
            tr(
                "! {location} of {server}: {error}",
                location=place.location,
                server=place.server,
                error=with_code(error),
            )
        )
    if errors:
        raise typer.Exit(ExitStatus.SERVER)


def _none(
    pattern: str, answers: Iterable[LocationAnswer], known: Sequence[Mapping[str, Any]]
) -> str:
    """The reason for an empty list."""
    asked = list(answers)
    locations = some(answer.place.location for answer in asked)
    if not asked:
        return tr('No devices are known. Add locations = ["…"] to an entry in servers.d.')
    if not known and any(answer.error is not None for answer in asked):
        return tr("No devices are known.")
    if not known:
        return tr("There are no devices at {locations}.", locations=locations)
    active = some(row["target"] for row in known if row["active"])
    if not any(matches(row["target"], pattern) for row in known):
        there = tr("No device is active; see --all.")
        if active:
            there = tr("Active devices: {devices}.", devices=active)
        return joined(" ", (tr("No device matches {pattern}.", pattern=pattern), there))
    return tr("These devices are inactive; --all lists them.")


def _rows(
    answer: LocationAnswer, queues: dict[tuple[str, str, str], list[str]]
) -> Iterator[dict[str, Any]]:
    listed = answer.content.get("Devices")
    drivers = answer.drivers
    for key, device in sorted(listed.items() if isinstance(listed, dict) else ()):
        if not isinstance(device, dict):
            continue
        driver = drivers.get(key)
        target = f"{answer.place.location}:{key}"
        yield {
            "server": answer.place.server,
            "company": answer.place.company,
            "target": target,
            "name": device.get("Name") or key,
            "place": answer.content.get("Name") or answer.place.location,
            "formats": sorted(formats(device)),
            "active": driver is not None,
            "uri": driver.uri if driver else None,
            "driver": make_and_model(driver.model) if driver and driver.language else None,
            "as_last_seen": answer.error is not None,
            "queues": queues.get((answer.place.server, answer.place.company, target), []),
        }


def _queues_by_device(installation: Installation) -> _QueuesByDevice:
    """The queues by server, company and target; none if CUPS does not answer."""
    found: _QueuesByDevice = defaultdict(list)
    try:
        queues = cloud_queues(installation)
    except CirrusError:
        return found
    for queue in queues:
        try:
            uri = parse_queue_uri(queue.device_uri)
        except BadQueueUri:
            continue
        for target in uri.targets:
            found[uri.server, uri.company, str(target)].append(queue.name)
    return found
