"""`cirrusctl doctor`: finds out why nothing prints, and what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from cirrus_bridge.base.model import Target
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor.examination import examine
from cirrus_bridge.cirrusctl.doctor.finding import (
    COLUMNS,
    Severity,
    by_severity,
    rank,
    rows,
    rows_of_host,
    summary,
)
from cirrus_bridge.cirrusctl.doctor.wire.examination import examine_server
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
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output
from cirrus_bridge.cirrusctl.setup.test_page import test_page
from cirrus_bridge.config.queue_uri import check_id


def command(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[/COMPANY]",
            help="Instead, try everything that Cirrus Bridge assumes about this server's API.",
        ),
    ] = None,
    submit: Annotated[
        str | None,
        typer.Option(
            metavar="LOCATION:DEVICE",
            help="With --server: try submits as well, and print two test pages there.",
        ),
    ] = None,
    host: Hosts = None,
    inventory: Inventory = None,
    ssh_config: SshConfig = None,
    sudo: Sudo = False,
    parallel: Parallel = None,
    host_timeout: HostTimeout = None,
    as_json: AsJson = False,
) -> None:
    """Find out why nothing prints, and what to do.

    Checks CUPS, the backend, the configuration and its keys, the connection to each server,
    locations and devices, the poller, the journal and the disks. Exits with status 1 if something
    does not work; warnings alone give status 0. Run it as root.

    With --server, tests one server of servers.d: the connection, the key, a wrong key, and each
    request and response. Without --submit, nothing is printed or changed. The server keeps a few
    temporary files that are never submitted, and deletes them after a while.
    """
    output = Output(as_json)
    fleet = fleet_of(
        host, inventory, ssh_config, sudo=sudo, parallel=parallel, host_timeout=host_timeout
    )
    if fleet is not None:
        if server is not None or submit is not None:
            raise WrongAnswer(tr("--server cannot be combined with --host or --inventory."))
        none = tr("The doctor finds nothing wrong.")
        raise typer.Exit(report(fleet, ["doctor"], output, rows_of_host, COLUMNS, none, rank))
    installation = Installation.here()
    if server is not None:
        findings = examine_server(installation, server, _target(submit), test_page)
    elif submit is not None:
        raise WrongAnswer(tr("--submit needs --server HOST."))
    else:
        findings = examine(installation)
    findings = by_severity(findings)
    worst = findings[0].severity
    document = {"worst": worst, "findings": findings}
    output.rows(rows(findings), COLUMNS, none="", document=document)
    output.remark(summary(findings))
    if worst is Severity.ERROR:
        raise typer.Exit(ExitStatus.FAILED)


def _target(text: str | None) -> Target | None:
    if text is None:
        return None
    location, _, device = text.partition(":")
    try:
        check_id(location)
        check_id(device)
    except ValueError as error:
        raise WrongAnswer(
            tr("--submit {target} is not LOCATION:DEVICE. An id {error}.", target=text, error=error)
        ) from None
    return Target(location, device)
