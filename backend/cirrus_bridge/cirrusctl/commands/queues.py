"""`cirrusctl queues`: lists the queues that lead to the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from cirrus_bridge.base.errors import BadQueueUri
from cirrus_bridge.base.translation import tr, verbatim
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.fleet.options import (
    Hosts,
    HostTimeout,
    Inventory,
    Parallel,
    SshConfig,
    Sudo,
    fleet_of,
)
from cirrus_bridge.cirrusctl.fleet.report import report
from cirrus_bridge.cirrusctl.output.output import AsJson, Output, with_code
from cirrus_bridge.cirrusctl.output.table import Column, Shape
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.cups.queues import Queue

_STATES = {3: tr("idle"), 4: tr("processing"), 5: tr("stopped")}  # RFC 8011, 5.4.11
_COLUMNS = (
    Column("name", tr("QUEUE")),
    Column("state", tr("STATE"), lambda state: "red" if state == "stopped" else ""),
    Column("accepting", tr("ACCEPTS")),
    Column("jobs", tr("JOBS")),
    Column("targets", tr("DEVICES")),
    Column("server", tr("SERVER"), shape=Shape.LEFT_OUT),
    Column("entry", tr("DECLARED AS")),
    Column("says", tr("MESSAGE"), shape=Shape.NOTE),
)


def command(
    host: Hosts = None,
    inventory: Inventory = None,
    ssh_config: SshConfig = None,
    sudo: Sudo = False,
    parallel: Parallel = None,
    host_timeout: HostTimeout = None,
    as_json: AsJson = False,
) -> None:
    """List the queues that lead to the cloud.

    Shows each queue's message, and the entry of queues.toml that declares the queue.
    """
    output = Output(as_json)
    fleet = fleet_of(
        host, inventory, ssh_config, sudo=sudo, parallel=parallel, host_timeout=host_timeout
    )
    if fleet is not None:
        none = tr("No host has a queue that leads to the cloud.")
        raise typer.Exit(report(fleet, ["queues"], output, _of_host, _COLUMNS, none))
    rows = list(map(_row, cloud_queues(Installation.here())))
    output.rows(rows, _COLUMNS, none=tr("CUPS has no queue that leads to the cloud."))


def _of_host(document: Any) -> Iterator[dict[str, Any]]:
    """The rows of another host; its states are words of ours."""
    for row in document:
        yield {**row, "name": str(row["name"]), "state": verbatim(str(row["state"]))}


def _row(queue: Queue) -> dict[str, Any]:
    row = {
        "name": queue.name,
        "state": _STATES.get(queue.state, str(queue.state)),
        "accepting": queue.accepting,
        "jobs": queue.jobs,
        "uri": queue.device_uri,
        "server": None,
        "company": None,
        "targets": [],
        "info": queue.info,
        "location": queue.location,
        "driver": queue.model,
        "shared": queue.shared,
        "entry": queue.mark.entry if queue.mark else None,
        "message": queue.message,
        "reasons": queue.reasons,
        "says": queue.message or ", ".join(queue.reasons),
    }
    try:
        uri = parse_queue_uri(queue.device_uri)
    except BadQueueUri as error:
        return row | {"says": with_code(error)}
    targets = [str(target) for target in uri.targets]
    return row | {"server": uri.server, "company": uri.company, "targets": targets}
