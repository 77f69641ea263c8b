"""typer's complaints about a command line, as errors in the reader's language.

typer's own texts are English. They are told apart by the names of typer's classes, which it does
not export; an unknown complaint keeps its English text.
"""

from __future__ import annotations

import re
from typing import Any

from typer import TyperException

from cirrus_bridge.base.spelling import did_you_mean
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer

_LIMIT = re.compile(r"Input should be (greater|less) than or equal to (\S+)")


def mistake(error: TyperException) -> WrongAnswer:
    """The error for typer's complaint, with its next step."""
    context = getattr(error, "ctx", None)
    message, guess = _told(error)
    steps = [guess]
    if context is not None:
        steps.append(tr("Try: {command} --help", command=context.command_path))
    return WrongAnswer(message, joined(" ", filter(None, steps)))


def _told(error: Any) -> tuple[str, str]:
    """What is wrong, and a guess at what was meant, or empty."""
    said = str(error.format_message())
    match type(error).__name__:
        case "NoSuchOption":
            known = [opt for each in error.ctx.command.get_params(error.ctx) for opt in each.opts]
            guess = did_you_mean(error.option_name, known)
            return tr("There is no option {option}.", option=error.option_name), guess
        case "BadOptionUsage" if "does not take" in said:
            return tr("{option} takes no value.", option=error.option_name), ""
        case "BadOptionUsage":
            return tr("{option} needs a value.", option=error.option_name), ""
        case "MissingParameter":
            return tr("{name} is missing.", name=_name(error)), ""
        case "BadParameter":
            return tr("{name}: {reason}.", name=_name(error), reason=_reason(error.message)), ""
        case "UsageError" if said.startswith("Missing command"):
            return tr("A command is missing."), ""
        case "UsageError" if words := re.search(r"unexpected extra argument\(s\) \((.*)\)", said):
            return tr("Too many arguments: {words}.", words=words[1]), ""
    return said, ""


def _name(error: Any) -> str:
    """The option or argument that a complaint is about, as the help names it."""
    hint = error.param_hint or (error.param.get_error_hint() if error.param else "")
    return str(hint).strip("'").replace("' / '", " / ")


def _reason(said: str) -> str:
    """Why a value does not fit."""
    if "valid integer" in said:
        return tr("this must be a whole number")
    if "valid number" in said:
        return tr("this must be a number")
    if limit := _LIMIT.match(said):
        most, number = limit.groups()
        if most == "less":
            return tr("this must be {number} or less", number=number)
        return tr("this must be {number} or more", number=number)
    return said.rstrip(".")
