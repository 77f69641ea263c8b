"""The outputs of several hosts as one table, or as JSON by host, and the exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.fleet.options import Fleet
from cirrus_bridge.cirrusctl.fleet.ssh import HostOutput, ask_hosts
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import Output
from cirrus_bridge.cirrusctl.output.table import Column, Row

_HOST = Column("host", tr("HOST"))


def report(
    fleet: Fleet,
    arguments: Sequence[str],
    output: Output,
    rows_of: Callable[[Any], Iterable[Row]],
    columns: Sequence[Column],
    none: str,
    rank: Callable[[Row], int] | None = None,
) -> ExitStatus:
    """Ask the hosts, write what they say, and return the exit status.

    Args:
        rows_of: the table's rows for the document of one host; it raises ValueError and the like
            for a document of another form.
        none: the text for people if a host answers, and none has a row.
        rank: rows of a lower rank come first.
    """
    answers = [
        _checked(each, rows_of) for each in ask_hosts(fleet.hosts, arguments, fleet.settings)
    ]
    ranked = [(answer.host, row) for answer, made in answers for row in made]
    if rank is not None:
        ranked.sort(key=lambda each: rank(each[1]))
    # a host writes into the columns only, and not in the name of another host
    keys = [column.key for column in columns]
    rows = [{**{key: row.get(key) for key in keys}, _HOST.key: host} for host, row in ranked]
    document = [answer for answer, _ in answers]
    is_known = any(answer.error is None for answer in document)
    output.rows(rows, (_HOST, *columns), none=none if is_known else "", document=document)
    for answer in document:
        if answer.error is not None:
            output.remark(joined(" ", (f"! {answer.host}:", answer.error)))
    failed = sum(answer.error is not None for answer in document)
    if failed:
        output.remark(
            tr("{failed} of {count} hosts gave no answer.", failed=failed, count=len(document))
        )
        return ExitStatus.HOST
    return ExitStatus.FAILED if any(answer.exit_status for answer in document) else ExitStatus.DONE


def _checked(
    answer: HostOutput, rows_of: Callable[[Any], Iterable[Row]]
) -> tuple[HostOutput, list[Row]]:
    """An output with its rows. A document of another form, as of another version, is an error."""
    if answer.error is not None:
        return answer, []
    try:
        return answer, list(rows_of(answer.output))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        told = tr("the host has another version of cirrusctl, whose output is unknown here")
        return HostOutput(answer.host, answer.exit_status, None, told), []
