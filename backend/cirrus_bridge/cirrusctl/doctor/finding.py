"""Findings of checks, and their table for people. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partialmethod
from typing import Any

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import changed, joined, tr, trn
from cirrus_bridge.cirrusctl.output.codes import explained
from cirrus_bridge.cirrusctl.output.table import Column, Shape


class Severity(enum.IntEnum):
    """The severity of a finding. ERROR: broken now; WARNING: may break."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


_STYLES = {tr("ok"): "green", tr("note"): "cyan", tr("warning"): "yellow", tr("error"): "bold red"}
_RESULTS = dict(zip(Severity, _STYLES, strict=True))
COLUMNS = (
    Column("result", tr("RESULT"), _STYLES.__getitem__),
    Column("check", tr("CHECK")),
    Column("about", tr("WHAT")),
    Column("text", tr("FOUND"), lambda _: "", Shape.NOTE),
    Column("do", tr("WHAT TO DO"), lambda _: "bold", Shape.NOTE),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, about a Subject.

    Attributes:
        fix: the next step; empty only for OK.
        code: the code of the error with which jobs end; empty if there is none.
    """

    check: str
    about: str
    severity: Severity
    text: str
    fix: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of check and the checked object. The methods make findings about the object."""

    check: str
    about: str

    def found(self, severity: Severity, text: str, fix: str = "", code: str = "") -> Finding:
        """A finding about this subject."""
        return Finding(self.check, self.about, severity, text, fix, code)

    good = partialmethod(found, Severity.OK)
    note = partialmethod(found, Severity.NOTE)  # may be intended
    warning = partialmethod(found, Severity.WARNING)
    error = partialmethod(found, Severity.ERROR)

    def failed(self, trouble: CirrusError, fix: str = "") -> Finding:
        """A finding about an error; by default, with the error's hint or its class's advice."""
        see = tr("see: cirrusctl explain {code}", code=trouble.code)
        _, advice, _ = explained(type(trouble))
        do = fix or trouble.hint or advice or see
        do = changed(do, lambda text: text[:1].upper() + text[1:])
        return self.error(trouble.message, do, trouble.code)


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The findings with errors first. Of one severity, those with the same fix stand together."""
    ranks: dict[tuple[Severity, str], int] = {}
    listed = list(findings)
    for each in listed:
        ranks.setdefault((each.severity, each.fix), len(ranks))
    return sorted(listed, key=lambda each: (-each.severity, ranks[each.severity, each.fix]))


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """A row for each finding, errors first. Findings with the same fix show it once: the last of
    those of the worst severity."""
    ordered = by_severity(findings)
    worst: dict[str, Severity] = {}
    for each in ordered:
        worst.setdefault(each.fix, each.severity)
    made = []
    for index, each in enumerate(ordered):
        has_more = any(
            (other.fix, other.severity) == (each.fix, each.severity)
            for other in ordered[index + 1 : index + 2]
        )
        shows_fix = each.fix and not has_more and worst[each.fix] is each.severity
        made.append(
            {
                "result": _RESULTS[each.severity],
                "check": each.check,
                "about": each.about,
                "text": _with_code(each),
                "do": joined(" ", ("→", each.fix)) if shows_fix else "",
            }
        )
    return made


def rows_of_host(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows for the warnings and errors in another machine's JSON."""
    fields = ("check", "about", "text", "fix", "code")
    findings = [
        Finding(
            severity=Severity[each["severity"].upper()],
            **{name: str(each[name]) for name in fields},
        )
        for each in document["findings"]
    ]
    wrong = by_severity(each for each in findings if each.severity > Severity.NOTE)
    made = rows(wrong)
    return [{**row, "severity": each.severity} for row, each in zip(made, wrong, strict=True)]


def rank(row: Mapping[str, Any]) -> int:
    """The rank of a row of `rows_of_host`; errors have the lowest."""
    return -int(row["severity"])


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
