"""What each code means and what to do about it, as the classes of `errors` say."""

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
    """A code: `what` has happened and what to `do`, in a few words, and `more` in sentences.
    `disposition` is what becomes of a print job; `exit_code` the backend's, which says so to
    CUPS."""

    code: str
    what: str
    do: str
    more: str
    disposition: str
    exit_code: int


@functools.cache
def explanations() -> Mapping[str, Explanation]:
    """All of them, by code."""
    found = {}
    for cls in coded():
        what, do, more = map(_said, (cls.title, cls.advice, cls.meaning))
        exit_code = EXIT_CODES[cls.disposition]
        found[cls.code] = Explanation(cls.code, what, do, more, cls.disposition.value, exit_code)
    return dict(sorted(found.items()))


def coded() -> Iterator[type[CirrusError]]:
    """The errors that have a code."""
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, CirrusError) and vars(cls).get("code"):
            yield cls


def _said(text: str) -> str:
    return verbatim(text) if text else ""  # gettext has its header for an empty message
