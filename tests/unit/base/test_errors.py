"""The error tree: each error has its own code, an exit code and an explanation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from cirrus_bridge.base import errors
from cirrus_bridge.base.errors import (
    ApiError,
    CirrusError,
    Disposition,
    KeyRefused,
    Kind,
    NotPermitted,
    QueueError,
    Retryable,
    ServerMisconfigured,
)
from cirrus_bridge.base.translation import translated
from cirrus_bridge.cirrusctl.output.codes import explanations
from cirrus_bridge.cups.status_lines import EXIT_CODES
from paths import REPO

ALL = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, CirrusError) and cls.__dict__.get("code")
]
# paths, commands, settings and names of services: nothing for the person who printed
JARGON = re.compile(
    r"`|/\w+|\.toml|servers\.d|cirrus-|cirrusctl|\b(lp|lpadmin|lpinfo|lpmove|cupsenable)\b"
    r"|MaxJobTime|contimeout|_bytes|exit status"
)
TELLS = {"en": "your administrator", "de": "Administrator", "es": "administrador"}
TELLS |= {"fr": "administrateur", "ja": "管理者"}
# what may become of a job by a fault of each kind
FITTING = {
    Kind.CONFIGURATION: {Disposition.STOP_QUEUE, Disposition.HOLD, Disposition.FAIL},
    Kind.JOB: {Disposition.HOLD, Disposition.CANCEL, Disposition.FAIL},
    Kind.PASSING: {
        *(Disposition.WAIT, Disposition.RETRY_LATER, Disposition.RUN_AGAIN),
        *(Disposition.HOLD, Disposition.FAIL),  # after all waits, or for another member of a class
    },
}


def test_codes_are_unique() -> None:
    """No two errors share a code."""
    codes = [cls.code for cls in ALL]
    assert len(codes) == len(set(codes)) >= 20
    assert all(re.fullmatch(r"CB-[1-9][0-9]{2}", code) for code in codes)


def test_every_disposition_has_its_own_exit_code() -> None:
    """Each disposition has an exit code of backend(7), and a job that waits is held meanwhile. Exit
    code 2 is unused, because CUPS would ask users for a password."""
    assert set(EXIT_CODES) == set(Disposition)
    assert EXIT_CODES[Disposition.WAIT] == EXIT_CODES[Disposition.HOLD] == 3
    assert sorted(EXIT_CODES.values()) == [0, 1, 3, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_errors_are_drawn_and_explained(cls: type[CirrusError]) -> None:
    """Each error is in the drawing of the tree and has an explanation."""
    assert re.search(rf"── {cls.__name__} +{cls.code}\b", errors.__doc__ or "")
    assert explanations()[cls.code].exit_code == EXIT_CODES[cls.disposition]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_error_is_of_one_kind(cls: type[CirrusError]) -> None:
    """An error's kind fits its disposition: only the configuration stops a queue, only a job's own
    fault cancels the job, and CUPS retries only faults that pass."""
    assert cls.disposition in FITTING[cls.kind]
    if issubclass(cls, QueueError):
        assert cls.kind is Kind.CONFIGURATION
    if issubclass(cls, ApiError):
        waits = issubclass(cls, Retryable)
        assert cls.disposition is (Disposition.WAIT if waits else Disposition.HOLD)
        assert waits == (cls.kind is Kind.PASSING)


def test_what_an_administrator_ends_at_a_server() -> None:
    """A key, a right and the connection each have their own code."""
    found = {cls for cls in ALL if issubclass(cls, ApiError) and cls.kind is Kind.CONFIGURATION}
    assert found == {KeyRefused, NotPermitted, ServerMisconfigured}


@pytest.mark.parametrize("language", TELLS)
@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_what_the_person_reads(cls: type[CirrusError], language: str) -> None:
    """The text for the person who printed has no jargon. If only an administrator can help, it says
    whom to tell, in each language."""
    if cls.person:
        error = cls.__new__(cls)
        CirrusError.__init__(error, "h cannot do that.", "Edit servers.d/h.toml.")
        said = translated(error.for_person, language)
        assert not JARGON.search(said), said
        assert language == "en" or " " not in cls.person or said != str(error.for_person)
        needs_help = cls.kind is Kind.CONFIGURATION
        assert not needs_help or TELLS[language] in said, said


def test_texts_for_both_readers() -> None:
    """A class without a text for the person has none with jargon."""
    both = {cls.__name__ for cls in ALL if not cls.person}
    found = [(name, text) for name, text in _texts_of_errors() if name in both]
    assert len({name for name, _ in found}) >= 5
    assert not [text for _, text in found if JARGON.search(text)]


def _texts_of_errors() -> Iterator[tuple[str, str]]:
    """The literals inside the calls of the error classes, without those for the log."""
    folder = REPO / "backend" / "cirrus_bridge"
    for path in folder.rglob("*.py"):
        if path.is_relative_to(folder / "cirrusctl"):
            continue  # an administrator's program
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for text in (inner for each in node.args for inner in ast.walk(each)):
                    if isinstance(text, ast.Constant) and isinstance(text.value, str):
                        yield node.func.id, text.value
