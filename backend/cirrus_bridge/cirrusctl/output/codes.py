"""Explanations of the error codes, taken from the classes of `errors`."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cirrus_bridge.base import errors
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import verbatim
from cirrus_bridge.cups.status_lines import EXIT_CODES


class Explanation(NamedTuple):
    """The explanation of a code, with the names of the JSON output.

    `what` (what happened) and `do` (the next step) are a few words, and `more` is in sentences.
    `job` says what becomes of the print job, and the backend's `exit_code` tells CUPS the same.
    """

    code: str
    what: str
    do: str
    more: str
    job: str
    exit_code: int


@functools.cache
def explanations() -> Mapping[str, Explanation]:
    found = {}
    for cls in sorted(coded(), key=lambda cls: cls.code):
        what, do, more = explained(cls)
        ends = cls.disposition
        found[cls.code] = Explanation(cls.code, what, do, more, ends.value, EXIT_CODES[ends])
    return found


def coded() -> Iterator[type[CirrusError]]:
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, CirrusError) and vars(cls).get("code"):
            yield cls


def explained(cls: type[CirrusError]) -> list[str]:
    """Title, advice and meaning for people; a class without a code has none."""
    # gettext has its header for an empty message
    return [verbatim(text) if text else "" for text in texts_of(cls)]


def texts_of(cls: type[CirrusError]) -> list[str]:
    """Title, advice and meaning, each as one line."""
    return [" ".join(text.split()) for text in (cls.title, cls.advice, cls.meaning)]
