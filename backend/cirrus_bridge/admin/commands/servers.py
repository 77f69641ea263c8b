"""`cirrusctl servers`: whether each configured server can be used."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import typer

from cirrus_bridge.admin.exit_status import ExitStatus
from cirrus_bridge.admin.installation import Installation
from cirrus_bridge.admin.inventory import AT_ONCE
from cirrus_bridge.admin.output import AsJson, Output, problem
from cirrus_bridge.admin.table import Column, Shape
from cirrus_bridge.config_servers import Server
from cirrus_bridge.errors import CirrusError, KeyRefused

_COLUMNS = (
    Column("server", "SERVER"),
    Column("company", "COMPANY"),
    Column("state", "STATE", lambda state: "green" if state == "ok" else "red"),
    Column("key", "KEY"),
    Column("version", "VERSION", shape=Shape.SHORTENED),
    Column("answer_ms", "ANSWERS IN MS", shape=Shape.LEFT_OUT),
    Column("locations", "LOCATIONS", shape=Shape.LEFT_OUT),
)


def command(as_json: AsJson = False) -> None:
    """Ask each server of servers.d.

    Asks for its version, and, with the key, for its first location.
    """
    output = Output(as_json)
    installation = Installation.of(os.environ)
    servers = installation.configuration.servers
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda server: _ask(installation, server), servers))
    output.rows(rows, _COLUMNS, none=f"There is no server in {installation.config}/servers.d.")
    failed = [row for row in rows if row["problem"]]
    for row in failed:
        output.remark("! {server}: {problem[message]} ({problem[code]})".format(**row))
    if failed:
        raise typer.Exit(ExitStatus.SERVER)


def _ask(installation: Installation, server: Server) -> dict[str, Any]:
    row: dict[str, Any] = {
        "server": server.name,
        "company": server.company,
        "locations": list(server.locations),
        "state": "ok",
        "key": "not tried",
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
            row["key"] = "accepted"
    except CirrusError as error:
        row["state"] = "not usable"
        if isinstance(error, KeyRefused):
            row["key"] = "refused"
        row["problem"] = problem(error)
    return row
