"""Mistakes in a command line or an answer. They have no code: who made one sees it at once."""

from __future__ import annotations

from collections.abc import Iterable

from cirrus_bridge.base.errors import UsageError
from cirrus_bridge.base.spelling import did_you_mean
from cirrus_bridge.base.translation import joined


class WrongAnswer(UsageError):
    """An unusable answer to a question, or an unusable command line."""

    code = ""


class UnknownName(UsageError):
    """A valid name of something that does not exist."""

    code = ""

    @classmethod
    def guessing(cls, message: str, name: str, known: Iterable[str], hint: str = "") -> UnknownName:
        """The error with a guess, taken from the known names, before the hint."""
        return cls(message, with_guess(name, known, hint))


def with_guess(name: str, known: Iterable[str], hint: str = "") -> str:
    """A hint, with "Did you mean …?" before it if a known name is like `name`."""
    return joined(" ", filter(None, (did_you_mean(name, known), hint)))
