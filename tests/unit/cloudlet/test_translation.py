"""Texts of the page in the language of a request."""

from __future__ import annotations

import asyncio

import pytest

from cirrus_cloudlet.shares import Shares
from cirrus_cloudlet.translation import answering, language, preferred, tr, trn, verbatim


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        *(("", "en"), ("de", "de"), ("fr-CH, en;q=0.9", "fr"), ("ja;q=0.8, es;q=0.9", "es")),
        *(("JA-JP", "ja"), ("nl, de;q=0.1", "de"), ("*", "en"), ("de;q=0", "en")),
        *(("de;q=", "en"), ("de;v=1", "de"), ("../../etc", "en"), (",;q=1,", "en")),
    ],
)
def test_the_preferred_language(accepted: str, expected: str) -> None:
    """The language with the highest weight and a catalog; English without any."""
    assert preferred(accepted) == expected


def test_texts() -> None:
    """A block has its language, and the language ends with the block."""
    with answering("de"):
        assert tr("There is no such job.") == "Diesen Auftrag gibt es nicht."
        assert tr("No page image: {cause}.", cause="{x}") == "Kein Seitenbild: {x}."
        assert trn("{count} copy", "{count} copies", 1) == "1 Exemplar"
        assert verbatim("the page image is too large") == "das Seitenbild ist zu groß"
        assert verbatim("no constant of ours") == "no constant of ours"
        assert verbatim("") == ""  # gettext gives the catalog's header for an empty text
    assert (language(), tr("There is no such job.")) == ("en", "There is no such job.")


def test_threads_have_the_language() -> None:
    """Work of a request in a thread has the request's language."""

    async def ask(accepted: str) -> str:
        with answering(accepted):
            return await shares.of("ACME").run(language)

    async def ask_all() -> list[str]:
        return await asyncio.gather(*map(ask, ("de", "fr", "", "ja")))

    shares = Shares(lambda _: None)
    assert asyncio.run(ask_all()) == ["de", "fr", "en", "ja"]
