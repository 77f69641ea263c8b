"""What each code of `errors` means and what to do about it: codes.toml, read and joined with it."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from cirrus_bridge.base import errors
from cirrus_bridge.base.errors import CirrusError, Disposition
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cups.status_lines import EXIT_CODES

TEXTS = tomllib.loads((files(__package__) / "codes.toml").read_text("utf-8"))
FAULT = "CB-900"  # of the programs themselves: no class of errors has it


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
    for code, disposition in _dispositions():
        found[code] = Explanation(
            code,
            tr(TEXTS[code]["what"]),
            tr(TEXTS[code]["do"]) if TEXTS[code]["do"] else "",
            tr(TEXTS[code]["more"]),
            disposition.value,
            EXIT_CODES[disposition],
        )
    return dict(sorted(found.items()))


def _dispositions() -> Iterator[tuple[str, Disposition]]:
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, CirrusError) and cls.__dict__.get("code"):
            yield cls.code, cls.disposition
    yield FAULT, Disposition.HOLD
