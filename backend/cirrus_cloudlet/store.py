"""Everything that must survive a restart and is no definition: keys, uploads, documents, jobs.

One SQLite file in WAL mode; a call that has returned is on the disk. API keys are 256 random bits
each, so a plain SHA-256 of them tells nothing (a slow hash protects guessable passwords only).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

STATE_NAMES = {
    0: "submitted", 1: "received", 2: "delivered", 3: "deleted", 8: "saved", 9: "trashed",
}  # fmt: skip
_SCHEMA = """
CREATE TABLE IF NOT EXISTS api_key (
    name TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, company TEXT, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS upload (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, ranges TEXT NOT NULL, created_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS document (
    id TEXT PRIMARY KEY, size INTEGER NOT NULL, sha256 TEXT NOT NULL, format TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company TEXT NOT NULL,
    location TEXT NOT NULL, device TEXT NOT NULL, title TEXT NOT NULL, ext TEXT NOT NULL,
    props TEXT NOT NULL, document TEXT NOT NULL REFERENCES document (id),
    segments TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '',
    raw_print INTEGER NOT NULL DEFAULT 0, target TEXT NOT NULL, delivered_path TEXT,
    submitted TEXT NOT NULL, received TEXT, delivered TEXT, updated_s INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, next_try_s REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS history (
    job TEXT NOT NULL REFERENCES job (id), state INTEGER NOT NULL, time TEXT NOT NULL,
    message TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS job_state ON job (state);
CREATE INDEX IF NOT EXISTS history_job ON history (job);
"""


@dataclass(frozen=True)
class NewJob:
    """One target of a submit."""

    location: str
    device: str
    target: str


class Store:
    """The database in `folder`; safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        path = folder / "cloudlet.db"
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    # --- keys

    def add_key(self, name: str, company: str | None) -> str:
        """Make a key; returned this once, kept as a hash.

        Raises:
            ValueError: the name is taken.
        """
        key = secrets.token_urlsafe(32)
        with self._transaction():
            if self._one("SELECT 1 FROM api_key WHERE name = ?", name):
                raise ValueError(f"there is a key named '{name}' already")
            self._db.execute(
                "INSERT INTO api_key VALUES (?, ?, ?, ?)", (name, _hash(key), company, now())
            )
        return key

    def list_keys(self) -> list[dict[str, Any]]:
        """Names, companies and dates of the keys."""
        return self._all("SELECT name, company, created FROM api_key ORDER BY name")

    def revoke_key(self, name: str) -> bool:
        """Forget a key; False if there is none of this name."""
        with self._lock:
            return self._db.execute("DELETE FROM api_key WHERE name = ?", (name,)).rowcount > 0

    def find_key(self, key: str) -> dict[str, Any] | None:
        """The entry of a key that a request shows (looked up by hash: no timing to learn from)."""
        return self._one("SELECT name, company FROM api_key WHERE sha256 = ?", _hash(key))

    # --- uploads: temporary files

    def add_upload(self, name: str, owner: str) -> None:
        """A new temporary file of a key."""
        with self._lock:
            self._db.execute(
                "INSERT INTO upload VALUES (?, ?, '[]', ?)", (name, owner, time.time())
            )

    def add_range(self, name: str, start: int, end: int) -> None:
        """The bytes from `start` up to `end` are written."""
        with self._transaction():
            row = self._one("SELECT ranges FROM upload WHERE name = ?", name)
            ranges = merged([*(json.loads(row["ranges"]) if row else []), [start, end]])
            self._db.execute(
                "UPDATE upload SET ranges = ? WHERE name = ?", (json.dumps(ranges), name)
            )

    def upload(self, name: str) -> dict[str, Any] | None:
        """A temporary file's owner and ranges."""
        found = self._one("SELECT owner, ranges FROM upload WHERE name = ?", name)
        return found and {**found, "ranges": json.loads(found["ranges"])}

    def expire_uploads(self, older_than_s: float) -> list[str]:
        """Forget temporary files made before that time; their names."""
        with self._lock:
            return [
                row["name"]
                for row in self._db.execute(
                    "DELETE FROM upload WHERE created_s < ? RETURNING name", (older_than_s,)
                ).fetchall()
            ]

    # --- jobs

    def add_jobs(
        self,
        *,
        company: str,
        document: Mapping[str, Any],
        title: str,
        ext: str,
        props: Mapping[str, str],
        segments: Sequence[int],
        targets: Iterable[NewJob],
    ) -> list[str]:
        """A document and its jobs, all or none; the ids in the order of the targets."""
        stamp, since = time.strftime("%Y%m%d%H%M%S"), now()
        ids = []
        with self._transaction():
            self._db.execute("INSERT INTO document VALUES (:id, :size, :sha256, :format)", document)
            taken = self._one("SELECT count(*) AS n FROM job WHERE id LIKE ?", stamp + "-%")
            for number, target in enumerate(targets, (taken or {"n": 0})["n"] + 1):
                ids.append(f"{stamp}-{number}")
                self._db.execute(
                    "INSERT INTO job (id, company, location, device, title, ext, props,"
                    " document, segments, target, submitted, updated_s)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (ids[-1], company, target.location, target.device, title, ext,
                     json.dumps(dict(props)), document["id"], json.dumps(list(segments)),
                     target.target, since, int(time.time())),
                )  # fmt: skip
                self._note(ids[-1], 0, "")
        return ids

    def job(self, job_id: str) -> dict[str, Any] | None:
        """A job with its document's size and digest, and its history."""
        found = self._one(f"{_JOB} WHERE job.id = ?", job_id)
        return found and self._whole(found)

    def jobs(
        self, *, company: str | None = None, limit: int = -1, states: Sequence[int] = ()
    ) -> list[dict[str, Any]]:
        """Jobs, newest first."""
        where: list[str] = []
        values: list[Any] = []
        if company is not None:
            where.append("company = ?")
            values.append(company)
        if states:
            where.append(f"state IN ({', '.join(map(str, states))})")
        clause = f" WHERE {' AND '.join(where)}" if where else ""
        rows = self._all(f"{_JOB}{clause} ORDER BY number DESC LIMIT ?", *values, limit)
        return [self._whole(row) for row in rows]

    def change(self, job_id: str, *, unless_final: bool = False, **values: Any) -> bool:
        """Change columns of a job; a new state or message goes into its history.

        Args:
            unless_final: leave a job alone whose state a person has changed meanwhile.
        """
        with self._transaction():
            job = self._one("SELECT state, message FROM job WHERE id = ?", job_id)
            if job is None or (unless_final and job["state"] > 1):
                return False
            columns = ", ".join(f"{name} = ?" for name in values)
            self._db.execute(
                f"UPDATE job SET {columns}, updated_s = ? WHERE id = ?",
                (*values.values(), int(time.time()), job_id),
            )
            after = {**job, **values}
            if (after["state"], after["message"]) != (job["state"], job["message"]):
                self._note(job_id, after["state"], after["message"])
        return True

    def _note(self, job_id: str, state: int, message: str) -> None:
        self._db.execute("INSERT INTO history VALUES (?, ?, ?, ?)", (job_id, state, now(), message))

    def _whole(self, row: dict[str, Any]) -> dict[str, Any]:
        history = self._all(
            "SELECT state, time, message FROM history WHERE job = ? ORDER BY rowid", row["id"]
        )
        return {
            **row,
            "props": json.loads(row["props"]),
            "segments": json.loads(row["segments"]),
            "state_name": STATE_NAMES[row["state"]],
            "history": [{**step, "state_name": STATE_NAMES[step["state"]]} for step in history],
        }

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _one(self, query: str, *values: Any) -> dict[str, Any] | None:
        return next(iter(self._all(query, *values)), None)

    def _all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._db.execute(query, values).fetchall()]


_JOB = (
    "SELECT job.*, document.size, document.sha256, document.format"
    " FROM job JOIN document ON document.id = job.document"
)


def merged(ranges: Iterable[Sequence[int]]) -> list[list[int]]:
    """Ranges [start, end) in order, those that touch or overlap made one."""
    out: list[list[int]] = []
    for start, end in sorted(map(list, ranges)):
        if out and start <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([start, end])
    return out


def now() -> str:
    """The time as ISO 8601 with zone, as the API's answers give it."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
