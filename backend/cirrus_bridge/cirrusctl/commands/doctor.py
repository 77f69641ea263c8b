"""`cirrusctl doctor`: what is wrong with printing, and what to do about it."""

from __future__ import annotations

import os

import typer

from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor.examination import examine
from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.report import COLUMNS, rows, summary
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output


def command(as_json: AsJson = False) -> None:
    """Look for what is wrong with printing, and say what to do.

    Looks at CUPS, the backend, the configuration and its keys, the way to each server, what the
    servers say of locations and devices, the poller, the journal and the disks. Ends with status 1
    if something does not work, and with 0 if there is nothing worse than a warning. Run it as root.
    """
    output = Output(as_json)
    findings = examine(Installation.of(os.environ))
    worst = max(each.severity for each in findings)
    document = {"worst": worst, "findings": findings}
    output.rows(rows(findings), COLUMNS, none="", document=document)
    output.remark(summary(findings))
    if worst is Severity.ERROR:
        raise typer.Exit(ExitStatus.FAILED)
