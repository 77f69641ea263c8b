"""Explanations of the error codes, taken from the classes of `errors`."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cirrus_bridge.base import errors
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import verbatim
from cirrus_bridge.cups.status_lines import EXIT_CODES


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a code.

    Attributes:
        what: what happened, in a few words.
        do: the next step, in a few words.
        more: further explanation, in sentences.
        disposition: what becomes of the print job.
        exit_code: the backend's exit code, which tells CUPS the disposition.
    """

    code: str
    what: str
    do: str
    more: str
    disposition: str
    exit_code: int


@functools.cache
def explanations() -> Mapping[str, Explanation]:
    """All explanations, by code."""
    found = {}
    for cls in coded():
        what, do, more = map(_said, (cls.title, cls.advice, cls.meaning))
        exit_code = EXIT_CODES[cls.disposition]
        found[cls.code] = Explanation(cls.code, what, do, more, cls.disposition.value, exit_code)
    return dict(sorted(found.items()))


def coded() -> Iterator[type[CirrusError]]:
    """The error classes that have a code."""
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, CirrusError) and vars(cls).get("code"):
            yield cls


def _said(text: str) -> str:
    return verbatim(text) if text else ""  # gettext has its header for an empty message
