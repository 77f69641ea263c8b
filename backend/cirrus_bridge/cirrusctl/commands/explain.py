"""`cirrusctl explain`: explains error codes."""

from __future__ import annotations

import re
import shutil
import sys
from typing import Annotated

import typer

from cirrus_bridge.base.translation import changed, joined, tr
from cirrus_bridge.cirrusctl.mistakes import UnknownName
from cirrus_bridge.cirrusctl.output.codes import Explanation, explanations
from cirrus_bridge.cirrusctl.output.output import AsJson, Output
from cirrus_bridge.cirrusctl.output.table import Column, Shape, wrapped

_COLUMNS = (
    Column("code", tr("CODE")),
    Column("what", tr("WHAT")),
    Column("do", tr("WHAT TO DO"), shape=Shape.NOTE),
)
THE_JOB = {
    "fail": tr(
        "The queue's error policy applies to the print job; in a class, CUPS tries the next member"
    ),
    "wait": tr("The print job waits, and continues by itself"),
    "hold": tr("The print job is held until cirrus-statusd or a person releases it"),
    "stop-queue": tr("The print job stays in its queue, which stops until `cupsenable`"),
    "cancel": tr("The print job is canceled"),
    "retry-later": tr("CUPS retries the print job after JobRetryInterval"),
    "run-again": tr("CUPS runs the print job again at once"),
}
WIDTH = 88


def _codes(incomplete: str) -> list[str]:
    return [code for code in explanations() if code.startswith(incomplete.upper())]


def command(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="Such as CB-402, or 402.", autocompletion=_codes),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain an error code.

    Shows what happened, what to do, and what becomes of the job. Without CODE, lists all codes.
    """
    output = Output(as_json)
    known = explanations()
    if code is None:
        output.rows([each._asdict() for each in known.values()], _COLUMNS, none="")
        return
    digits = re.fullmatch(r"(?:CB-?)?(\d{3})", code.strip(" ()"), re.IGNORECASE)
    found = known.get(f"CB-{digits[1]}") if digits else None
    if found is None:
        wrong = tr("There is no code {code}.", code=code)
        raise UnknownName.guessing(wrong, code, known, tr("cirrusctl explain lists all codes."))
    output.document(found._asdict(), explained(found))


def explained(each: Explanation) -> str:
    """The explanation as lines."""
    parts = [
        tr("{code}: {what}.", code=each.code, what=each.what),
        each.more,
        tr("What to do: {do}.", do=each.do) if each.do else "",
        tr(
            "{job} (the backend's exit code is {exit_code}).",
            job=THE_JOB[each.job],
            exit_code=each.exit_code,
        ),
    ]
    return joined("\n", (changed(part, _filled) for part in parts if part))


def _filled(text: str) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    return "\n".join(wrapped(text, min(width, WIDTH)))
