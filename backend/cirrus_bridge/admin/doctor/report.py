"""Findings as text for people: a table, with the next step below what is not good. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from cirrus_bridge.admin.doctor.finding import Finding, Severity

_LEAST_WIDTH = 40
_WORDS = max(len(severity.name) for severity in Severity)


def table(findings: Sequence[Finding], width: int | None) -> Iterator[str]:
    """The findings, in lines as wide as a terminal of so many columns; without one, whole."""
    checks = max((len(each.check) for each in findings), default=0)
    indent = " " * (_WORDS + 2 + checks + 2)
    for each in findings:
        code = f" ({each.code})" if each.code and f"({each.code})" not in each.text else ""
        head = f"{each.severity.name.lower():{_WORDS}}  {each.check:{checks}}  "
        yield from _wrapped(f"{each.about}: {each.text}{code}", head, indent, width)
        if each.fix:
            yield from _wrapped(each.fix, f"{indent}→ ", f"{indent}  ", width)


def summary(findings: Sequence[Finding]) -> str:
    """How many are how bad, in one sentence."""
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    said = [
        f"{counts[severity]} {word}{'' if counts[severity] == 1 else 's'}"
        for severity, word in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"))
    ]
    return f"{', '.join(said)}; {counts[Severity.OK]} of {len(findings)} are as they should be."


def _wrapped(text: str, first: str, rest: str, width: int | None) -> list[str]:
    line = " ".join(text.split())
    if width is None:
        return [first + line]
    return textwrap.wrap(
        line,
        max(width, len(rest) + _LEAST_WIDTH),
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
