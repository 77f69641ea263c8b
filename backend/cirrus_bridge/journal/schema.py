"""The tables of the journal, as steps from each version to the next, and checks that SQLite finds
everything in them.

A damaged index hides an existing row, and the job would be printed twice. Each key is in two
places, a table and an index, so one damaged byte makes the two differ.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.errors import JournalDamaged, JournalNewer
from cirrus_bridge.base.model import UNRELEASED
from cirrus_bridge.base.translation import tr
from cirrus_bridge.version import __version__

KEY = "job_uuid, job_id, print_run, destination, number"
_KEY = """job_uuid TEXT NOT NULL, job_id INTEGER NOT NULL, print_run INTEGER NOT NULL,
    destination TEXT NOT NULL, number INTEGER NOT NULL"""
_OF_DOCUMENT = f"FOREIGN KEY ({KEY}) REFERENCES document ({KEY}) ON DELETE CASCADE"
_COUNT = "INTEGER NOT NULL DEFAULT 0"
_TEXT = "TEXT NOT NULL DEFAULT ''"
# The destination without its targets: all up to the last slash, which no id contains unescaped.
# The indexes have this expression, so queries must have the same one.
COMPANY = "rtrim(destination, replace(destination, '/', ''))"
# a delivery in state 0 that waits for its owner, not for its location (JobStatus)
UNRELEASED_SQL = f"delivery.message LIKE '{UNRELEASED}%'"
FETCHED = "(1, 2, 8, 9)"  # the states of a delivery (DeliveryState) that its location has fetched
CHANGED_AT = "coalesce(final_at, received_at)"  # of a delivery that was fetched or has ended
_OF_NEW = " AND ".join(f"{name} = new.{name}" for name in KEY.split(", "))
_OF_OLD = _OF_NEW.replace("new.", "old.")


def in_document(table: str) -> str:
    """The condition that a row of `table` belongs to the outer query's document."""
    return " AND ".join(f"{table}.{name} = document.{name}" for name in KEY.split(", "))


def _add(table: str, *columns: str) -> str:
    return "".join(f"ALTER TABLE {table} ADD COLUMN {column};\n" for column in columns)


# Step n changes the database from version n to version n + 1 (PRAGMA user_version).
STEPS = (
    f"""
CREATE TABLE document (
    {_KEY},
    queue TEXT NOT NULL, user TEXT NOT NULL, title TEXT NOT NULL,
    phase TEXT NOT NULL, pass_started INTEGER NOT NULL, ended {_COUNT},
    temp_file TEXT, sha256 TEXT, size_bytes INTEGER,
    created_at REAL NOT NULL, updated_at REAL NOT NULL,
    PRIMARY KEY ({KEY})
) STRICT;
CREATE TABLE segment (
    {_KEY},
    position INTEGER NOT NULL, length INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY ({KEY}, position),
    {_OF_DOCUMENT}
) STRICT;
CREATE TABLE delivery (
    {_KEY},
    target_number INTEGER NOT NULL, location TEXT NOT NULL, device TEXT NOT NULL,
    cloud_job_id TEXT, state INTEGER, message {_TEXT},
    submitted {_TEXT}, received {_TEXT}, delivered {_TEXT},
    updated_at REAL NOT NULL,
    PRIMARY KEY ({KEY}, target_number),
    {_OF_DOCUMENT}
) STRICT;
""",
    f"""
{_add("document", f"open_runs {_COUNT}", f"class_name {_TEXT}")}
CREATE TABLE server (name TEXT PRIMARY KEY, one_at_a_time_since REAL NOT NULL) STRICT;
""",
    f"""
{_add("document", f"handover {_TEXT}", f"device_uri {_TEXT}", "poller TEXT")}
{_add("document", "accepted_at REAL", "closed_at REAL", f"attempt {_COUNT}")}
{_add("delivery", "received_at REAL", "final_at REAL")}
UPDATE document SET accepted_at = updated_at WHERE phase = 'accepted';
UPDATE document SET closed_at = updated_at WHERE phase = 'accepted' AND ended = 1;
CREATE INDEX document_open ON document (handover, poller) WHERE closed_at IS NULL;
CREATE INDEX document_closed ON document (closed_at) WHERE closed_at IS NOT NULL;
CREATE TABLE poller (name TEXT PRIMARY KEY, alive_until REAL NOT NULL) STRICT;
""",
    f"""
{_add("document", f"completed_before {_COUNT}")}
UPDATE document SET completed_before = print_run;
""",
    _add("document", f"language {_TEXT}"),
    # one state replaces phase, handover, ended and pass_started (lifecycle.State)
    f"""
{_add("document", "state TEXT NOT NULL DEFAULT 'sending'")}
UPDATE document SET state = CASE
    WHEN phase = 'accepted' AND closed_at IS NOT NULL THEN 'closed'
    WHEN phase = 'accepted' AND handover = 'hold' THEN 'held'
    WHEN phase = 'accepted' AND handover = 'complete' THEN 'left'
    WHEN phase = 'accepted' THEN 'followed'
    WHEN phase != 'intent' AND ended = 1 THEN 'dropped'
    WHEN phase = 'intent' AND closed_at IS NOT NULL THEN 'abandoned'
    WHEN phase = 'intent' AND pass_started = -1 THEN 'reprint'
    WHEN phase = 'intent' THEN 'sending'
    WHEN closed_at IS NOT NULL THEN 'abandoned-in-doubt'
    ELSE phase END;
UPDATE document SET closed_at = updated_at WHERE state = 'dropped' AND closed_at IS NULL;
DROP INDEX document_open;
ALTER TABLE document DROP COLUMN phase;
ALTER TABLE document DROP COLUMN handover;
ALTER TABLE document DROP COLUMN ended;
ALTER TABLE document DROP COLUMN pass_started;
ALTER TABLE document RENAME COLUMN completed_before TO completed_at;
ALTER TABLE document RENAME COLUMN attempt TO reprints;
{_add("document", f"waits_for {_TEXT}", "trying_since REAL", "give_up_at REAL")}
{_add("document", f"submit_key {_TEXT}", f"submit_form {_TEXT}")}
{_add("document", f"was_in_doubt {_COUNT}", f"start_overs {_COUNT}")}
CREATE INDEX document_open ON document (state, poller) WHERE closed_at IS NULL;
""",
    """
CREATE TABLE meta (id TEXT NOT NULL, serial INTEGER NOT NULL, trusted_since_s REAL NOT NULL) STRICT;
INSERT INTO meta VALUES (lower(hex(randomblob(16))), 0, 0.0);
""",
    f"""
{_add("document", "sent_bytes INTEGER", "confirmed_at REAL NOT NULL DEFAULT 0")}
{_add("document", f"server_instance {_TEXT}")}
CREATE INDEX delivery_cloud_job ON delivery (cloud_job_id) WHERE cloud_job_id IS NOT NULL;
""",
    # one poller with a lock (files) replaces several pollers with leases
    f"""
DROP TABLE poller;
DROP INDEX document_open;
ALTER TABLE document DROP COLUMN poller;
{_add("document", f"hand_overs {_COUNT}")}
CREATE INDEX document_open ON document (state) WHERE closed_at IS NULL;
""",
    _add(
        *("document", "pages INTEGER", f"counted {_COUNT}"),
        *(f"account {_TEXT}", f"accounting_user {_TEXT}"),
    ),
    # Each question of a program that runs for long, or for each job, has an index. Triggers keep
    # the copies, because programs of the version before may have the database open.
    f"""
{_add("document", "poller_serial INTEGER")}
{_add("delivery", "accepted_at REAL", "undelivered_at REAL")}
UPDATE delivery SET
    accepted_at = (SELECT accepted_at FROM document WHERE {in_document("delivery")}),
    undelivered_at = (SELECT closed_at FROM document WHERE {in_document("delivery")})
    WHERE state NOT IN (2, 8);
CREATE TABLE place (company TEXT NOT NULL, location TEXT NOT NULL, fetched_at REAL NOT NULL,
    PRIMARY KEY (company, location)) STRICT, WITHOUT ROWID;
INSERT INTO place SELECT {COMPANY}, location, max({CHANGED_AT}) FROM delivery
    WHERE state IN {FETCHED} AND received_at IS NOT NULL GROUP BY 1, 2;
DROP INDEX document_open;
CREATE INDEX document_open ON document (state, {COMPANY}) WHERE closed_at IS NULL;
CREATE INDEX document_job ON document (job_id);
CREATE INDEX document_accepted ON document ({COMPANY}, accepted_at) WHERE accepted_at IS NOT NULL;
CREATE INDEX document_ended ON document (queue, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX document_changed ON document (poller_serial) WHERE poller_serial IS NOT NULL;
CREATE INDEX delivery_job ON delivery (job_id);
CREATE INDEX delivery_waiting ON delivery ({COMPANY}, location, accepted_at)
    WHERE state = 0 AND undelivered_at IS NULL;
CREATE INDEX delivery_changed ON delivery ({CHANGED_AT}) WHERE received_at IS NOT NULL;
CREATE INDEX delivery_undelivered ON delivery (undelivered_at) WHERE undelivered_at IS NOT NULL;
CREATE TRIGGER document_followed AFTER UPDATE OF state, hand_overs ON document
    WHEN old.state IN ('held', 'left') OR new.state IN ('held', 'left') BEGIN
    UPDATE document SET poller_serial = (SELECT serial FROM meta) WHERE rowid = new.rowid; END;
CREATE TRIGGER document_accepted AFTER UPDATE OF accepted_at ON document BEGIN
    UPDATE delivery SET accepted_at = new.accepted_at WHERE {_OF_NEW}; END;
CREATE TRIGGER document_closed AFTER UPDATE OF closed_at ON document
    WHEN old.closed_at IS NULL AND new.closed_at IS NOT NULL BEGIN
    UPDATE delivery SET undelivered_at = new.closed_at WHERE {_OF_NEW} AND state NOT IN (2, 8); END;
CREATE TRIGGER delivery_fetched AFTER UPDATE OF state ON delivery
    WHEN new.state IN {FETCHED} AND new.received_at IS NOT NULL BEGIN
    INSERT INTO place VALUES (
        {COMPANY.replace("destination", "new.destination")}, new.location,
        {CHANGED_AT.replace("final", "new.final").replace("received", "new.received")})
    ON CONFLICT DO UPDATE SET fetched_at = max(fetched_at, excluded.fetched_at); END;
""",
    # the deliveries of closed documents, counted for the metrics
    f"""
CREATE TABLE tally (queue TEXT NOT NULL, state INTEGER NOT NULL, deliveries INTEGER NOT NULL,
    PRIMARY KEY (queue, state)) STRICT, WITHOUT ROWID;
INSERT INTO tally SELECT queue, delivery.state, count(*)
    FROM document JOIN delivery USING ({KEY})
    WHERE document.state = 'closed' AND cloud_job_id IS NOT NULL GROUP BY 1, 2;
CREATE TRIGGER tally_closed AFTER UPDATE OF closed_at ON document
    WHEN old.closed_at IS NULL AND new.closed_at IS NOT NULL AND new.state = 'closed' BEGIN
    INSERT INTO tally SELECT new.queue, state, count(*) FROM delivery
    WHERE {_OF_NEW} AND cloud_job_id IS NOT NULL GROUP BY 2
    ON CONFLICT DO UPDATE SET deliveries = deliveries + excluded.deliveries; END;
CREATE TRIGGER tally_changed AFTER UPDATE OF state ON delivery
    WHEN old.undelivered_at IS NOT NULL AND old.state != new.state BEGIN
    UPDATE tally SET deliveries = deliveries - 1 WHERE state = old.state
    AND queue = (SELECT queue FROM document WHERE {_OF_NEW});
    INSERT INTO tally VALUES ((SELECT queue FROM document WHERE {_OF_NEW}), new.state, 1)
    ON CONFLICT DO UPDATE SET deliveries = deliveries + 1; END;
CREATE TRIGGER tally_pruned BEFORE DELETE ON document WHEN old.state = 'closed' BEGIN
    UPDATE tally SET deliveries = deliveries - (SELECT count(*) FROM delivery
    WHERE {_OF_OLD} AND cloud_job_id IS NOT NULL AND delivery.state = tally.state)
    WHERE queue = old.queue AND state IN (SELECT state FROM delivery WHERE {_OF_OLD}); END;
""",
    # a person may have enabled the queues again that the version before stopped
    f"""
{_add("delivery", f"has_stopped_queue {_COUNT}")}
UPDATE delivery SET has_stopped_queue = 1 WHERE state IN (0, 1) AND message LIKE 'error:%';
""",
)
VERSION = len(STEPS)
_TABLES = {"document": f"rowid, {KEY}", "delivery": f"rowid, {KEY}, target_number"}
# the columns by which each index finds a row
_KEYS = {
    table: {f"sqlite_autoindex_{table}_1": columns, f"{table}_job": "rowid, job_id"}
    for table, columns in _TABLES.items()
}
_ABOUT = ("page_count", "page_size", "user_version")
WHOLE_BYTES = 32 << 20  # about 30,000 documents
NEWEST, MOST_FAULTS = 10_000, 3


def take_steps(db: sqlite3.Connection) -> None:
    """Upgrade a database, which may be empty, to VERSION. The caller has begun a transaction."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for step in STEPS[version:]:
        for statement in _statements(step):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _statements(step: str) -> Iterator[str]:
    """The statements of a step; a trigger contains semicolons."""
    statement = ""
    for part in step.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class Check(NamedTuple):
    """A check of the database: SQLite's first faults, if any, and the number of the newest
    documents, and of the open ones, that were checked; None if the whole database was checked."""

    damage: tuple[str, ...]
    newest: int | None = None


def check(db: sqlite3.Connection, *, whole_bytes: int = WHOLE_BYTES) -> Check:
    """Check the whole database, or, if it is larger than `whole_bytes`, the newest and the open
    documents.

    A whole check takes about 0.3 s for WHOLE_BYTES. `PRAGMA quick_check` does not compare indexes
    with their tables (https://sqlite.org/pragma.html#pragma_quick_check).
    """
    pages, page_bytes, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in _ABOUT)
    if pages * page_bytes > whole_bytes and version == VERSION:
        hidden = [f"row {row} of {table} is missing from an index" for table, row in _hidden(db)]
        return Check(tuple(hidden[:MOST_FAULTS]), NEWEST)
    said = tuple(str(row[0]) for row in db.execute(f"PRAGMA integrity_check({MOST_FAULTS})"))
    return Check(() if said == ("ok",) else said)


def _hidden(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Rows that an index has not, or not in their place: table and rowid. SQLite itself reports an
    index's row that is missing from the table."""
    newest = f"> (SELECT max(rowid) - {NEWEST} FROM {{0}})"
    open_ones = f"IN (SELECT rowid FROM document WHERE closed_at IS NULL LIMIT {NEWEST})"
    for table, condition in (("document", newest), ("document", open_ones), ("delivery", newest)):
        for index, columns in _KEYS[table].items():
            same = " AND ".join(f"i.{name} = {table}.{name}" for name in columns.split(", "))
            rows = db.execute(
                f"SELECT rowid FROM {table} NOT INDEXED WHERE rowid {condition.format(table)}"
                f" AND NOT EXISTS (SELECT 1 FROM {table} AS i INDEXED BY {index} WHERE {same})"
            )
            yield from ((table, row) for (row,) in rows)


def agrees(db: sqlite3.Connection, job_uuid: str, job_id: int) -> bool:
    """Whether a job's rows are the same by both of the indexes that have them."""
    for table, columns in _TABLES.items():
        # one statement, because other processes write meanwhile; the second half reads the table
        rows = db.execute(
            f"SELECT 0, {columns} FROM {table} INDEXED BY sqlite_autoindex_{table}_1"
            " WHERE job_uuid = ?1 AND job_id = ?2"
            f" UNION ALL SELECT 1, {columns} FROM {table} INDEXED BY {table}_job"
            " WHERE job_id = ?2 AND job_uuid = ?1",
            (job_uuid, job_id),
        ).fetchall()
        by_key, by_number = ({row[1:] for row in rows if row[0] == way} for way in (0, 1))
        if by_key != by_number:
            return False
    return True


def check_version(db: sqlite3.Connection, path: Path) -> int:
    """The version of the database at `path`, from 0 (empty) to VERSION.

    Raises:
        JournalNewer: a later version of this program has written the database.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise JournalNewer(
            tr(
                "The journal {path} was written by a newer version of Cirrus Bridge (format "
                "{found}; cirrus-bridge {version} knows up to {known}).",
                path=path,
                found=version,
                version=__version__,
                known=VERSION,
            ),
            tr(
                "Install that version again, or a newer one, then release the job. To keep this "
                "version, see: cirrusctl explain {code}",
                code=JournalNewer.code,
            ),
        )
    return int(version)


def damaged(path: Path, error: object) -> JournalDamaged:
    """The error for a damaged journal, with the next step."""
    return JournalDamaged(
        tr(
            "The journal {path} is damaged ({error}), so a job could be printed twice.",
            path=path,
            error=error,
        ),
        tr(
            "Check the disk. Then stop cirrus-statusd, move journal.db, journal.db-wal and "
            "journal.db-shm aside, and start cirrus-statusd again."
        ),
    )
