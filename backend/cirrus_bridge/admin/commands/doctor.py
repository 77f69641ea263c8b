"""`cirrusctl doctor`: what is wrong with printing, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

import typer

from cirrus_bridge.admin.doctor.examination import examine
from cirrus_bridge.admin.doctor.finding import Finding, Severity
from cirrus_bridge.admin.exit_status import ExitStatus
from cirrus_bridge.admin.installation import Installation
from cirrus_bridge.admin.output import AsJson, Output

_LEAST_WIDTH = 40


def command(as_json: AsJson = False) -> None:
    """Look for what is wrong with printing, and say what to do.

    Looks at CUPS, the backend, the configuration and its keys, the way to each server, what the
    servers say of locations and devices, the poller, the journal and the disks. Ends with status 1
    if something does not work, and with 0 if there are no worse than warnings. Run it as root.
    """
    output = Output(as_json)
    findings = examine(Installation.of(os.environ))
    worst = max((each.severity for each in findings), default=Severity.OK)
    document = {"worst": worst, "findings": findings}
    output.document(document, "\n".join(_lines(findings)))
    if worst is Severity.ERROR:
        raise typer.Exit(ExitStatus.FAILED)


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A table, with the next step below what is not good, and a summary."""
    checks = max(len(each.check) for each in findings)
    words = max(len(severity.name) for severity in Severity)
    indent = " " * (words + 2 + checks + 2)
    for each in findings:
        code = f" ({each.code})" if each.code and f"({each.code})" not in each.text else ""
        head = f"{each.severity.name.lower():{words}}  {each.check:{checks}}  "
        yield from _wrapped(f"{each.about}: {each.text}{code}", head, indent)
        if each.fix:
            yield from _wrapped(each.fix, f"{indent}→ ", f"{indent}  ")
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    said = [
        f"{counts[severity]} {word}{'' if counts[severity] == 1 else 's'}"
        for severity, word in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"))
    ]
    yield f"{', '.join(said)}; {counts[Severity.OK]} of {len(findings)} are as they should be."


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    """Lines as wide as the terminal; one line, for programs, where there is none."""
    line = " ".join(text.split())
    if not sys.stdout.isatty():
        return [first + line]
    width = max(shutil.get_terminal_size().columns, len(rest) + _LEAST_WIDTH)
    return textwrap.wrap(
        line, width, initial_indent=first, subsequent_indent=rest,
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
