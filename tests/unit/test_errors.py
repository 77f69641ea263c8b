"""The error tree: each error has its own code, an exit code and an explanation."""

from __future__ import annotations

import re

import pytest

from cirrus_bridge import errors
from cirrus_bridge.admin.codes import explanations
from cirrus_bridge.cups_report import EXIT_CODES
from cirrus_bridge.errors import CirrusError, Disposition

ALL = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, CirrusError) and cls.__dict__.get("code")
]


def test_codes_are_unique() -> None:
    """No two errors share a code."""
    codes = [cls.code for cls in ALL]
    assert len(codes) == len(set(codes)) >= 20
    assert all(re.fullmatch(r"CB-[1-9][0-9]{2}", code) for code in codes)


def test_every_disposition_has_its_own_exit_code() -> None:
    """The exit codes are those of backend(7), one a disposition."""
    assert set(EXIT_CODES) == set(Disposition)
    assert sorted(EXIT_CODES.values()) == [0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_errors_are_drawn_and_explained(cls: type[CirrusError]) -> None:
    """Each error stands in the drawing of the tree, and there are words for it."""
    assert re.search(rf"── {cls.__name__} +{cls.code}\b", errors.__doc__ or "")
    assert explanations()[cls.code].exit_code == EXIT_CODES[cls.disposition]
