"""The search index of jobs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.job_lists import Filter, JobLists
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.releases import Viewer
from cirrus_cloudlet.storage.text_index import TextIndex, scope

_PAIRS = " ".join(f"{first}{second}" for first in "abcdefgh" for second in "abcdefgh")


def _insert(store: Store, titles: Sequence[str], company: str = "ACME") -> None:
    with store.transaction() as db:
        db.execute(
            "INSERT INTO document"
            " VALUES ('d', 1, '', 'pdf', '[1]', 0, 0, 'ACME', 'k', '', NULL)"
            " ON CONFLICT DO NOTHING"
        )
        for number, title in enumerate(titles):
            db.execute(
                "INSERT INTO job (id, company, key, location, device, title, document, props,"
                " state, step, submitted, updated)"
                " VALUES (?, ?, 'k', 'L', 'D', ?, 'd', '{}', 2, 'done', 0, 0)",
                (f"{company}-{number}", company, title),
            )


@pytest.mark.attacker("page account")
@pytest.mark.parametrize(
    "words", [_PAIRS, "\u0435 \u043e \u0430 " * 60 + "\u0431", "\ufdfa" * 300 + "\u0431"]
)
def test_searches_for_very_many_words(tmp_path: Path, words: str) -> None:
    """Search for hundreds of words or letters at once: the index is asked for the longest few, so
    other people's searches do not wait. The jobs that are found have all words."""
    matched: list[str] = []

    def note(statement: str) -> None:
        matched.extend(part for part in statement.split("'") if part.startswith('"'))

    with contextlib.closing(open_store(tmp_path)) as store:
        _insert(store, (words, words.strip()[:-1], "an invoice"))
        texts = TextIndex(store, tmp_path)
        texts.catch_up()
        texts._derived.use(lambda db: db.set_trace_callback(note))
        wanted = Filter(Viewer("ACME", None, "anna", True), text=words)
        page = JobLists(store, texts).page(wanted, 50)
        texts.stop(5)
    assert [job.id for job in page.jobs] == ["ACME-0"]
    assert matched
    for terms in matched:
        assert len(terms.split(" AND ")) < 40 and terms.count("*") <= 3


def test_a_search_stays_within_a_company(tmp_path: Path) -> None:
    """A word is sought among the pieces of its company alone. A term for the whole company would
    read all its jobs, so only a search without words has one."""
    matched: list[str] = []
    with contextlib.closing(open_store(tmp_path)) as store:
        _insert(store, ("Invoice 1", "a letter"))
        _insert(store, ("Invoice 1",), "Rival")
        texts = TextIndex(store, tmp_path)
        texts.catch_up()
        texts._derived.use(lambda db: db.set_trace_callback(matched.append))
        found = [
            texts.find(company, [], words, 10, 0, 10)
            for company, words in (("ACME", ["invoice"]), ("Rival", ["invoice"]), ("ACME", []))
        ]
        texts.stop(5)
    assert found == [[1], [3], [2, 1]]
    (*with_words, without_words) = [each for each in matched if "MATCH" in each]
    assert scope("ACME") in without_words
    assert not any(scope(company) in each for each in with_words for company in ("ACME", "Rival"))
