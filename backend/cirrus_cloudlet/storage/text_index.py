"""The search index: finds jobs by their texts, and by device or person.

The index is in `search.db`. It has no texts, only tokens: the three-character pieces of a text, and
a digest for each company, location, device and person. A piece begins with its company's digest,
because a search for a company and a piece would read all jobs of the company. The index may name
jobs that were removed, or that only contain all pieces of a text. So a reader checks each job.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.derived import DerivedDatabase
from cirrus_cloudlet.storage.engine import Row

PERSON = "job-originating-user-name"  # the prop that names the person who prints (PWG 5100.7)
_BATCH = 100
_BATCHES_NOW = 20  # that a search adds itself
_LAST = 2**62
_PIECE = 3
_COMPANY_DIGITS = 8  # of a piece; two companies may share them
# of a search; each term costs time while no other search runs, and a reader checks each job anyway
_TERMS, _BEGINNINGS = 32, 3
_END = "\ue080"  # behind a text, so that its last two characters begin a piece, too
_SCHEMA = f"""
-- rowid: {_LAST} minus the job's sequence, because FTS5 reads a frequent token's newest jobs faster
-- when they come first in ascending order
CREATE VIRTUAL TABLE job_text USING fts5 (
    tokens, content = '', detail = none, columnsize = 0, tokenize = 'ascii');
CREATE TABLE progress (low INTEGER NOT NULL, high INTEGER NOT NULL, newest TEXT NOT NULL) STRICT;
INSERT INTO progress VALUES ({_LAST}, 0, '');
"""  # noqa: S608 - a number
_ROWS = "SELECT sequence, id, company, location, device, title, props FROM job WHERE sequence"


def fold(text: str) -> str:
    """A text without the differences that a search ignores, such as upper and lower case."""
    return unicodedata.normalize("NFKC", text).casefold()


def scope(*names: str) -> str:
    """The token of a company, of its location, or of a device there."""
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:20]


def scope_of_person(company: str, person: str) -> str:
    """The token of a company's person."""
    return scope(company, "", "", fold(person))


class TextIndex:
    """The search index of one data folder. Its methods may be called by any thread."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._derived = DerivedDatabase(folder / "search.db", _SCHEMA, self._advance)

    def find(
        self,
        company: str,
        scopes: Iterable[str],
        words: Iterable[str],
        before: int,
        after: int,
        count: int,
    ) -> list[int]:
        """List at most `count` jobs of a company between two sequences, newest first.

        Args:
            scopes: tokens that a job must have, such as that of a location.
            words: folded words, of which a job contains each. One character finds any job, and so
                do the shortest words of very many.
        """
        terms = [*(f'"{token}"' for token in scopes), *_terms(company, words)]
        terms = terms or [f'"{scope(company)}"']
        values = (" AND ".join(terms), _LAST - before, _LAST - after, count)
        return self._derived.use(
            lambda db: [
                _LAST - rowid
                for (rowid,) in db.execute(
                    "SELECT rowid FROM job_text WHERE job_text MATCH ? AND rowid > ? AND rowid < ?"
                    " ORDER BY rowid LIMIT ?",
                    values,
                )
            ]
        )

    def catch_up(self) -> bool:
        """Add the newest jobs that are missing, and begin to add others in the background.

        Tell whether the index has all jobs.
        """
        for _ in range(_BATCHES_NOW):
            if not self._derived.use(self._advance):
                break
        self._derived.start()
        return self._derived.use(lambda db: _progress(db)[0] == 0)

    def stop(self, wait_s: float) -> None:
        self._derived.stop(wait_s)

    def _advance(self, db: sqlite3.Connection) -> bool:
        return self._add_newer(db) or self._add_older(db)

    def _add_newer(self, db: sqlite3.Connection) -> bool:
        """Add the next jobs behind the newest one; tell whether there may be more."""
        low, high, newest = _progress(db)
        if low == _LAST:
            rows = self._store.execute(f"{_ROWS} < ? ORDER BY sequence DESC LIMIT 1", _LAST)
            high, newest = tuple(rows[0])[:2] if rows else (0, "")
            progress = (high + 1, high, newest)
            db.execute("UPDATE progress SET low = ?, high = ?, newest = ?", progress)
            return False
        known = self._store.execute("SELECT id FROM job WHERE sequence = ?", high)
        if newest and known and known[0][0] != newest:
            raise sqlite3.DatabaseError("cloudlet.db is another one")  # restored from a copy
        rows = self._store.execute(f"{_ROWS} > ? ORDER BY sequence LIMIT ?", high, _BATCH)
        if rows:
            _add(db, rows[::-1])
            db.execute("UPDATE progress SET high = ?, newest = ?", tuple(rows[-1])[:2])
        return len(rows) == _BATCH

    def _add_older(self, db: sqlite3.Connection) -> bool:
        """Add the next jobs before the oldest one; tell whether there may be more."""
        low, _, _ = _progress(db)
        if low == 0:
            return False
        rows = self._store.execute(f"{_ROWS} < ? ORDER BY sequence DESC LIMIT ?", low, _BATCH)
        _add(db, rows)
        is_last = len(rows) < _BATCH
        db.execute("UPDATE progress SET low = ?", (0 if is_last else rows[-1]["sequence"],))
        return not is_last


def _progress(db: sqlite3.Connection) -> tuple[int, int, str]:
    low, high, newest = db.execute("SELECT low, high, newest FROM progress").fetchone()
    return low, high, newest


def _add(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Add jobs, newest first, because FTS5 writes a segment for each step back of the rowid."""
    db.executemany(
        "INSERT INTO job_text (rowid, tokens) VALUES (?, ?)",
        ((_LAST - row["sequence"], " ".join(_tokens(row))) for row in rows),
    )


def _tokens(row: Row) -> set[str]:
    company, location, device = row["company"], row["location"], row["device"]
    found = {scope(company), scope(company, location), scope(company, location, device)}
    person = json.loads(row["props"]).get(PERSON, "")
    if person:
        found.add(scope_of_person(company, person))
    own = scope(company)[:_COMPANY_DIGITS]
    for text in (row["title"], person):
        written = _written(fold(text)) + _END * (_PIECE - 1)
        found.update(own + written[at : at + _PIECE] for at in range(len(written) - _PIECE + 1))
    return found


def _terms(company: str, words: Iterable[str]) -> list[str]:
    """The terms of words in FTS5's language: all pieces of a word, or the pieces that it begins.
    Long words, which few jobs contain, come first."""
    own = scope(company)[:_COMPANY_DIGITS]
    pieces, beginnings = dict[str, None](), list[str]()
    for written in sorted({_written(word) for word in words}, key=lambda word: (-len(word), word)):
        if len(written) >= _PIECE:
            found = (written[at : at + _PIECE] for at in range(len(written) - _PIECE + 1))
            pieces |= dict.fromkeys(f'"{own}{piece}"' for piece in found)
        # one letter of ASCII begins so many pieces that a search for it takes long
        elif len(written) > 1 or not written.isascii():
            beginnings.append(f'"{own}{written}" *')
    return [*pieces][:_TERMS] + beginnings[:_BEGINNINGS]


def _written(folded: str) -> str:
    """A text in characters that FTS5's tokenizer `ascii` takes for a part of a word."""
    return "".join(
        each if each.isalnum() or ord(each) >= 0x80 else chr(0xE000 + ord(each)) for each in folded
    )
