"""Findings as rows of a table for people: what was looked at, and below it what is so and what to
do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cirrus_bridge.admin.doctor.finding import Finding, Severity
from cirrus_bridge.admin.table import Column, Shape

_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "bold red"}
COLUMNS = (
    Column("result", "RESULT", _STYLES.__getitem__),
    Column("check", "CHECK"),
    Column("about", "WHAT"),
    Column("text", "FOUND", lambda _: "", Shape.NOTE),
    Column("do", "WHAT TO DO", lambda _: "bold", Shape.NOTE),
)


def rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """A row for each."""
    return [
        {
            "result": each.severity.name.lower(),
            "check": each.check,
            "about": each.about,
            "text": _with_code(each),
            "do": f"→ {each.fix}" if each.fix else "",
        }
        for each in findings
    ]


def summary(findings: Sequence[Finding]) -> str:
    """How many are how bad, in one sentence."""
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    said = [
        f"{counts[severity]} {word}{'' if counts[severity] == 1 else 's'}"
        for severity, word in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"))
    ]
    return f"{', '.join(said)}; {counts[Severity.OK]} of {len(findings)} are as they should be."


def _with_code(finding: Finding) -> str:
    is_said = not finding.code or f"({finding.code})" in finding.text
    return finding.text if is_said else f"{finding.text} ({finding.code})"
