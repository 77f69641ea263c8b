"""Answers that contradict the document that was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.model import DeliveryState, JobStatus
from cirrus_bridge.delivery.tracking import SentDocument, difference

SENT = SentDocument("Rechnung März 2026.pdf", 1_700_000, 900_000)


def _status(name: str = "", size_bytes: int = 0) -> JobStatus:
    return JobStatus(DeliveryState.DELIVERED, name=name, size_bytes=size_bytes)


@pytest.mark.parametrize(
    "status",
    [
        _status(),
        _status(size_bytes=1_700_000),
        _status(size_bytes=900_000),  # of what was uploaded
        _status(size_bytes=-1),
        _status("Rechnung März 2026.pdf", 1_700_000),
        _status("RECHNUNG  MÄRZ 2026"),
        _status("Rechnung_M?rz_2026.pdf"),
        _status("Rechnung MÃ¤rz 2026.pdf"),
        _status("Rechnung Maerz 2026.pdf"),
        _status("Rechn"),
        _status("Rechnung März 2026.pdf.zip"),
        _status("C:\\spool\\Rechnung März 2026.pdf"),
        _status("????"),
    ],
    ids=repr,
)
def test_answers_about_the_document(status: JobStatus) -> None:
    """Fields may be missing, sizes may be those of the upload, and names may be changed."""
    assert not difference(SENT, status)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (_status(size_bytes=1_548_576), "its size is 1548576 bytes instead of 1700000"),
        (_status("Salaries", 1_700_000), "its name is “Salaries” instead of “Rechnung März"),
        (_status("Rechnung April 2025.pdf"), "its name is “Rechnung April"),
    ],
)
def test_answers_about_something_else(status: JobStatus, said: str) -> None:
    """Another size, or an unrelated name, contradicts the document."""
    assert difference(SENT, status).startswith(said)


def test_what_was_sent_may_be_unknown() -> None:
    """An unknown size, as in old entries of the journal, contradicts nothing."""
    assert not difference(SentDocument(), _status("x", 7))
    assert not difference(SentDocument(size_bytes=5), _status(size_bytes=7))


@given(title=st.text(max_size=40), length=st.integers(0, 40), end=st.text(max_size=10))
def test_a_name_that_was_cut_or_got_an_end(title: str, length: int, end: str) -> None:
    """A shortened name, or a name with an extension, is the same name in any script."""
    sent = SentDocument(title)
    assert not difference(sent, _status(title[:length]))
    assert not difference(sent, _status(title + end))
