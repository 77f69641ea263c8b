"""The database of one data folder: connections, transactions and the schema.

A transaction is on disk when its block ends; a block that raises writes nothing. Several threads
and processes may use the database at once. The SQL of each subject is in its own module.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.files import lock
from cirrus_cloudlet.storage.commits import GroupCommit

log = logging.getLogger(__name__)
_BUSY_TIMEOUT_S = 15.0
_ROLES = "ALTER TABLE api_key ADD COLUMN role TEXT NOT NULL DEFAULT 'print';"
# each item upgrades the schema by one version
_SCHEMAS = (
    """
CREATE TABLE api_key (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    company TEXT,
    created REAL NOT NULL
) STRICT;
CREATE TABLE upload (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    origin TEXT NOT NULL,
    created REAL NOT NULL
) STRICT;
CREATE TABLE segment (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    upload TEXT NOT NULL REFERENCES upload (name) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    length INTEGER NOT NULL,
    file TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX segment_upload ON segment (upload);
CREATE TABLE document (
    id TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    segments TEXT NOT NULL,
    created REAL NOT NULL,
    pruned INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE job (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    company TEXT NOT NULL,
    location TEXT NOT NULL,
    device TEXT NOT NULL,
    title TEXT NOT NULL,
    document TEXT NOT NULL REFERENCES document (id),
    props TEXT NOT NULL,
    state INTEGER NOT NULL,
    step TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    target TEXT NOT NULL DEFAULT '',
    delivered_path TEXT,
    submitted REAL NOT NULL,
    received REAL,
    delivered REAL,
    updated REAL NOT NULL
) STRICT;
CREATE INDEX job_step ON job (step, company, location, device, sequence);
CREATE INDEX job_document ON job (document);
CREATE TABLE transition (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL REFERENCES job (id),
    state INTEGER NOT NULL,
    time REAL NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX transition_job ON transition (job);
CREATE TABLE idempotency (
    company TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    jobs TEXT NOT NULL,
    PRIMARY KEY (company, key)
) STRICT;
""",
    """
CREATE TABLE account (
    name TEXT PRIMARY KEY,
    company TEXT NOT NULL,
    location TEXT,
    password TEXT NOT NULL,
    created REAL NOT NULL
) STRICT;
CREATE TABLE session (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created REAL NOT NULL
) STRICT;
""",
    _ROLES,
    """
ALTER TABLE upload ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE upload ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE upload ADD COLUMN segments INTEGER NOT NULL DEFAULT 0;
ALTER TABLE upload ADD COLUMN submitted INTEGER NOT NULL DEFAULT 0;
UPDATE upload SET (bytes, segments) =
    (SELECT coalesce(sum(length), 0), count(*) FROM segment WHERE upload = name);
CREATE INDEX upload_submitted ON upload (owner, created) WHERE submitted;
DROP INDEX segment_upload;
CREATE INDEX segment_upload ON segment (upload, position);
ALTER TABLE document ADD COLUMN company TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN key TEXT NOT NULL DEFAULT '';
UPDATE document SET company =
    coalesce((SELECT company FROM job WHERE job.document = document.id), '');
CREATE INDEX document_kept ON document (company, created) WHERE NOT pruned;
CREATE INDEX job_company ON job (company, sequence);
ALTER TABLE idempotency ADD COLUMN document TEXT REFERENCES document (id) ON DELETE CASCADE;
CREATE INDEX idempotency_document ON idempotency (document);
""",
    "ALTER TABLE document ADD COLUMN charset TEXT NOT NULL DEFAULT '';",
    # queue: the jobs of one key for one device; copy.job: a job's sequence, even if it is removed
    """
ALTER TABLE job ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE job SET key = (SELECT key FROM document WHERE document.id = job.document),
    bytes = 2048 + length(CAST(title AS BLOB)) + length(CAST(props AS BLOB));
ALTER TABLE job ADD COLUMN queue TEXT AS (json_array(company, location, device, key));
DROP INDEX job_step;
CREATE INDEX job_ready ON job (queue, sequence) WHERE step = 'ready';
CREATE TABLE copy (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL UNIQUE,
    company TEXT NOT NULL,
    key TEXT NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX copy_company ON copy (company, number);
""",
    # document.ended: when the last of its jobs has ended; NULL while one has not, or is saved.
    # stored: what counts for the quotas, so that a start does not add up all rows.
    """
DROP INDEX job_document;
CREATE INDEX job_document ON job (document, state);
CREATE INDEX job_location ON job (company, location, sequence);
CREATE INDEX job_running ON job (sequence) WHERE step = 'running';
CREATE INDEX job_aimed ON job (sequence) WHERE delivered_path IS NOT NULL AND delivered IS NULL;
ALTER TABLE document ADD COLUMN ended REAL;
UPDATE document SET ended =
    coalesce((SELECT max(updated) FROM job WHERE job.document = document.id), created)
WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.document = document.id AND state IN (0, 1, 8));
DROP INDEX document_kept;
CREATE INDEX document_ended ON document (pruned, ended) WHERE ended IS NOT NULL;
CREATE INDEX document_company ON document (pruned, company, ended) WHERE ended IS NOT NULL;
CREATE INDEX document_key ON document (pruned, company, key, ended) WHERE ended IS NOT NULL;
CREATE TRIGGER job_ended AFTER UPDATE OF state ON job
WHEN NEW.state != OLD.state AND (NEW.state IN (2, 3, 9) OR OLD.state IN (2, 3, 9)) BEGIN
    UPDATE document SET ended = CASE WHEN EXISTS
        (SELECT 1 FROM job WHERE document = NEW.document AND state IN (0, 1, 8))
        THEN NULL ELSE NEW.updated END
    WHERE id = NEW.document;
END;
UPDATE idempotency SET document =
    (SELECT document FROM job WHERE id = json_extract(idempotency.jobs, '$[0]'))
WHERE document IS NULL;
DELETE FROM idempotency WHERE document IS NULL;
CREATE INDEX upload_created ON upload (created);
CREATE INDEX upload_key ON upload (owner, key, created) WHERE submitted;
CREATE INDEX copy_key ON copy (company, key, number);
CREATE INDEX session_created ON session (created);
CREATE INDEX session_account ON session (account);
CREATE TABLE stored (
    company TEXT NOT NULL,
    key TEXT NOT NULL,
    bytes INTEGER NOT NULL DEFAULT 0,
    uploads INTEGER NOT NULL DEFAULT 0,
    jobs INTEGER NOT NULL DEFAULT 0,
    delivered_bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (company, key)
) STRICT, WITHOUT ROWID;
INSERT INTO stored
SELECT company, key, sum(bytes), sum(uploads), sum(jobs), sum(delivered_bytes) FROM (
    SELECT company, key, size + 4096 AS bytes, 0 AS uploads, 0 AS jobs, 0 AS delivered_bytes
    FROM document WHERE pruned = 0
    UNION ALL SELECT company, key, bytes, 0, 1, 0 FROM job
    UNION ALL SELECT owner, key, bytes + 4096 * segments, 1, 0, 0 FROM upload
    UNION ALL SELECT company, key, 0, 0, 0, bytes FROM copy)
GROUP BY company, key;
CREATE TRIGGER document_stored AFTER INSERT ON document WHEN NOT NEW.pruned BEGIN
    INSERT INTO stored (company, key, bytes) VALUES (NEW.company, NEW.key, NEW.size + 4096)
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER document_pruned AFTER UPDATE OF pruned ON document
WHEN NEW.pruned AND NOT OLD.pruned BEGIN
    UPDATE stored SET bytes = bytes - OLD.size - 4096
    WHERE company = OLD.company AND key = OLD.key;
END;
CREATE TRIGGER document_deleted AFTER DELETE ON document WHEN NOT OLD.pruned BEGIN
    UPDATE stored SET bytes = bytes - OLD.size - 4096
    WHERE company = OLD.company AND key = OLD.key;
END;
CREATE TRIGGER job_stored AFTER INSERT ON job BEGIN
    INSERT INTO stored (company, key, bytes, jobs) VALUES (NEW.company, NEW.key, NEW.bytes, 1)
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, jobs = jobs + 1;
END;
CREATE TRIGGER job_deleted AFTER DELETE ON job BEGIN
    UPDATE stored SET bytes = bytes - OLD.bytes, jobs = jobs - 1
    WHERE company = OLD.company AND key = OLD.key;
END;
CREATE TRIGGER upload_stored AFTER INSERT ON upload BEGIN
    INSERT INTO stored (company, key, uploads) VALUES (NEW.owner, NEW.key, 1)
    ON CONFLICT DO UPDATE SET uploads = uploads + 1;
END;
CREATE TRIGGER upload_changed AFTER UPDATE OF bytes, segments ON upload BEGIN
    UPDATE stored SET
        bytes = bytes + NEW.bytes - OLD.bytes + 4096 * (NEW.segments - OLD.segments)
    WHERE company = OLD.owner AND key = OLD.key;
END;
CREATE TRIGGER upload_deleted AFTER DELETE ON upload BEGIN
    UPDATE stored SET bytes = bytes - OLD.bytes - 4096 * OLD.segments, uploads = uploads - 1
    WHERE company = OLD.owner AND key = OLD.key;
END;
CREATE TRIGGER copy_stored AFTER INSERT ON copy BEGIN
    INSERT INTO stored (company, key, delivered_bytes) VALUES (NEW.company, NEW.key, NEW.bytes)
    ON CONFLICT DO UPDATE SET delivered_bytes = delivered_bytes + excluded.delivered_bytes;
END;
CREATE TRIGGER copy_deleted AFTER DELETE ON copy BEGIN
    UPDATE stored SET delivered_bytes = delivered_bytes - OLD.bytes
    WHERE company = OLD.company AND key = OLD.key;
END;
""",
)
# a person may save and trash a job as often as wanted, so a history keeps its newest 200 steps;
# temporary: an earlier version that shares the database records the history by itself
_HISTORY = """
CREATE TEMP TRIGGER job_submitted AFTER INSERT ON job BEGIN
    INSERT INTO transition (job, state, time, message)
    VALUES (NEW.id, NEW.state, NEW.updated, NEW.message);
END;
CREATE TEMP TRIGGER job_changed AFTER UPDATE OF state, message ON job
WHEN NEW.state != OLD.state OR NEW.message != OLD.message BEGIN
    INSERT INTO transition (job, state, time, message)
    VALUES (NEW.id, NEW.state, NEW.updated, NEW.message);
    DELETE FROM transition WHERE job = NEW.id AND number <= (
        SELECT number FROM transition WHERE job = NEW.id ORDER BY number DESC LIMIT 1 OFFSET 200);
END;
"""


@contextlib.contextmanager
def _closed_by_an_error(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


class Store:
    """The database `cloudlet.db` of a data folder, made if it is missing."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "cloudlet.db"
        self._idle: list[sqlite3.Connection] = []  # threads share it: append and pop are atomic
        self._commits = GroupCommit(self._connect_to_write)
        with lock(folder / "cloudlet.lock"):
            # titles are private; SQLite gives the WAL files the mode of the database
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with contextlib.closing(self._connect()) as db:
                self._upgrade(db)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def transaction(
        self, company: str = "", folder: Path | None = None
    ) -> AbstractContextManager[sqlite3.Connection]:
        """Write all changes of the block or none; they are durable when the block ends.

        Companies take turns, and the server's own work takes a turn as if it were a company. New
        names in a `folder` are durable, too. See `GroupCommit.transaction` for the errors.
        """
        return self._commits.transaction(company, folder)

    def execute(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Execute a statement in a transaction of its own, and return its rows."""
        if not statement.startswith("SELECT"):
            with self.transaction() as db:
                return db.execute(statement, values).fetchall()
        # a connection moves between threads, but only one thread uses it at a time
        try:
            db = self._idle.pop()
        except IndexError:
            db = self._connect()
        try:
            return db.execute(statement, values).fetchall()
        finally:
            self._idle.append(db)

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], int]]:
        """Give a function that returns another number after each commit, of any process."""
        with contextlib.closing(self._connect()) as db:
            yield lambda: int(db.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connections that are not in use; call this when no transaction is open."""
        self._commits.close()
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _connect_to_write(self) -> sqlite3.Connection:
        db = self._connect()
        with _closed_by_an_error(db):
            db.executescript(_HISTORY)
        return db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        with _closed_by_an_error(db):
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
        return db

    def _upgrade(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_SCHEMAS):
            raise SettingsError(
                f"{self._path} was written by a newer version of cirrus-cloudlet (format {version};"
                f" this version knows up to {len(_SCHEMAS)}). Install that version again, or a"
                " newer one, or restore a copy of the folder from before the upgrade: UPGRADE AND"
                " DOWNGRADE in cirrus-cloudlet(8) has the steps"
            )
        if version < len(_SCHEMAS):
            missing = _SCHEMAS[version:]
            script = "".join(missing) + f"PRAGMA user_version = {len(_SCHEMAS)};"
            with db:  # rolls back after an error
                db.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")
            if _ROLES in missing:
                self._tell_of_roles(db)

    def _tell_of_roles(self, db: sqlite3.Connection) -> None:
        (count,) = db.execute("SELECT count(*) FROM api_key").fetchone()
        if count:
            log.warning(
                "existing API keys (%d) may now only print; to let one change devices and"
                " locations, run: cirrus-cloudlet key role NAME admin --data %s",
                count,
                shlex.quote(str(self._path.parent)),
            )
