"""What a check has found: how bad it is, what is so, and what to do. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import changed, tr, verbatim


class Severity(enum.IntEnum):
    """How bad it is. ERROR: something does not work; WARNING: it will not, or not always."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is the kind of check, `about` what was looked at; `fix` is the next step, which all
    but good news have; `code` is one of `errors`, if jobs end with it."""

    check: str
    about: str
    severity: Severity
    text: str
    fix: str = ""
    code: str = ""


def good(check: str, about: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(check, about, Severity.OK, text)


def note(check: str, about: str, text: str, fix: str) -> Finding:
    """It may be as it should be; who wonders is told."""
    return Finding(check, about, Severity.NOTE, text, fix)


def warning(check: str, about: str, text: str, fix: str, code: str = "") -> Finding:
    """It works, and not well, or not for long."""
    return Finding(check, about, Severity.WARNING, text, fix, code)


def error(check: str, about: str, text: str, fix: str, code: str = "") -> Finding:
    """It does not work."""
    return Finding(check, about, Severity.ERROR, text, fix, code)


def failed(check: str, about: str, trouble: CirrusError, fix: str = "") -> Finding:
    """It does not work, as the program itself says; without a `fix` of its own, with the hint of
    the error or the advice of its class."""
    do = fix or trouble.hint or (verbatim(trouble.advice) if trouble.advice else "")
    do = do or tr("see: cirrusctl explain {code}", code=trouble.code)
    return error(check, about, trouble.message, changed(do, _sentence), trouble.code)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
