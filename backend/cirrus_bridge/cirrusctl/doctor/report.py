"""Findings as rows of a table for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cirrus_bridge.base.translation import joined, tr, trn
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity
from cirrus_bridge.cirrusctl.output.table import Column, Shape

_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "bold red"}
_RESULTS = {
    Severity.OK: tr("ok"),
    Severity.NOTE: tr("note"),
    Severity.WARNING: tr("warning"),
    Severity.ERROR: tr("error"),
}
COLUMNS = (
    Column("result", tr("RESULT"), _STYLES.__getitem__),
    Column("check", tr("CHECK")),
    Column("about", tr("WHAT")),
    Column("text", tr("FOUND"), lambda _: "", Shape.NOTE),
    Column("do", tr("WHAT TO DO"), lambda _: "bold", Shape.NOTE),
)


def rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """A row for each finding."""
    return [
        {
            "result": _RESULTS[each.severity],
            "check": each.check,
            "about": each.about,
            "text": _with_code(each),
            "do": joined(" ", ("→", each.fix)) if each.fix else "",
        }
        for each in findings
    ]


def summary(findings: Sequence[Finding]) -> str:
    """A sentence with the number of findings by severity."""
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    return tr(
        "{errors}, {warnings}; {good} of {count} checks passed.",
        errors=trn("{count} error", "{count} errors", counts[Severity.ERROR]),
        warnings=trn("{count} warning", "{count} warnings", counts[Severity.WARNING]),
        good=counts[Severity.OK],
        count=len(findings),
    )


def _with_code(finding: Finding) -> str:
    is_said = not finding.code or f"({finding.code})" in finding.text
    return finding.text if is_said else joined(" ", (finding.text, f"({finding.code})"))
