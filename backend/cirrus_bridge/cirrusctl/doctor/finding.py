"""Findings of checks. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import changed, tr, verbatim


class Severity(enum.IntEnum):
    """The severity of a finding. ERROR: broken now; WARNING: may break."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        check: the kind of check.
        about: the object that was checked.
        fix: the next step; empty only for OK.
        code: the code of the error with which jobs end; empty if there is none.
    """

    check: str
    about: str
    severity: Severity
    text: str
    fix: str = ""
    code: str = ""


def good(check: str, about: str, text: str) -> Finding:
    """A finding without a fault."""
    return Finding(check, about, Severity.OK, text)


def note(check: str, about: str, text: str, fix: str) -> Finding:
    """A finding that may be intended."""
    return Finding(check, about, Severity.NOTE, text, fix)


def warning(check: str, about: str, text: str, fix: str, code: str = "") -> Finding:
    """A finding about something that works, but not well or not for long."""
    return Finding(check, about, Severity.WARNING, text, fix, code)


def error(check: str, about: str, text: str, fix: str, code: str = "") -> Finding:
    """A finding about something that does not work."""
    return Finding(check, about, Severity.ERROR, text, fix, code)


def failed(check: str, about: str, trouble: CirrusError, fix: str = "") -> Finding:
    """A finding about an error. Without `fix`, it has the error's hint or its class's advice."""
    do = fix or trouble.hint or (verbatim(trouble.advice) if trouble.advice else "")
    do = do or tr("see: cirrusctl explain {code}", code=trouble.code)
    return error(check, about, trouble.message, changed(do, _sentence), trouble.code)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
