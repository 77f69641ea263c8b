"""`cirrusctl servers`: checks the configured servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import typer

from cirrus_bridge.base.errors import CirrusError, KeyRefused, NotPermitted
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.inventory import AT_ONCE
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output, problem, with_code
from cirrus_bridge.cirrusctl.output.table import Column, Shape
from cirrus_bridge.config.servers import Server

_COLUMNS = (
    Column("server", tr("SERVER")),
    Column("company", tr("COMPANY")),
    Column("state", tr("STATE"), lambda state: "green" if state == "ok" else "red"),
    Column("key", tr("KEY")),
    Column("version", tr("VERSION"), shape=Shape.SHORTENED),
    Column("answer_ms", tr("RESPONSE (MS)"), shape=Shape.LEFT_OUT),
    Column("locations", tr("LOCATIONS"), shape=Shape.LEFT_OUT),
)


def command(as_json: AsJson = False) -> None:
    """Check each server of servers.d.

    Asks each server for its version and, with the key, for its first location.
    """
    output = Output(as_json)
    installation = Installation.here()
    servers = installation.configuration.servers
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = list(pool.map(lambda server: _ask(installation, server), servers))
    none = tr(
        "There is no server in {config}/servers.d. Add one: cirrusctl setup",
        config=installation.config,
    )
    output.rows([row for row, _ in asked], _COLUMNS, none=none)
    failed = {row["server"]: trouble for row, trouble in asked if trouble is not None}
    for name, trouble in failed.items():
        output.remark(joined(" ", (f"! {name}:", with_code(trouble))))
    if failed:
        raise typer.Exit(ExitStatus.SERVER)


def _ask(installation: Installation, server: Server) -> tuple[dict[str, Any], CirrusError | None]:
    row: dict[str, Any] = {
        "server": server.name,
        "company": server.company,
        "locations": list(server.locations),
        "state": tr("ok"),
        "key": tr("not tried"),
        "version": None,
        "licensee": None,
        "answer_ms": None,
        "problem": None,
    }
    try:
        api = installation.api(server)
        before_s = installation.clock.monotonic_s()
        row["version"], _, _, row["licensee"] = api.version()
        row["answer_ms"] = round((installation.clock.monotonic_s() - before_s) * 1000)
        if server.company is not None and server.locations:
            api.location(server.locations[0])
            row["key"] = tr("accepted")
    except CirrusError as error:
        row["state"] = tr("not usable")
        if isinstance(error, KeyRefused):
            row["key"] = tr("refused")
        elif isinstance(error, NotPermitted):
            row["key"] = tr("accepted")
        row["problem"] = problem(error)
        return row, error
    return row, None
