"""The tables of the journal, as steps from each version to the next."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

View: TypeAlias = sqlite3.Connection
# Step n changes the database from version n to version n + 1 (PRAGMA user_version).
STEPS = (
    """
CREATE TABLE document (
    job_uuid TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    print_run INTEGER NOT NULL,
    destination TEXT NOT NULL,
    number INTEGER NOT NULL,
    queue TEXT NOT NULL,
    user TEXT NOT NULL,
    title TEXT NOT NULL,
    phase TEXT NOT NULL,
    pass_started INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0,
    temp_file TEXT,
    sha256 TEXT,
    size_bytes INTEGER,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    PRIMARY KEY (job_uuid, job_id, print_run, destination, number)
) STRICT;
CREATE TABLE segment (
    job_uuid TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    print_run INTEGER NOT NULL,
    destination TEXT NOT NULL,
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    length INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (job_uuid, job_id, print_run, destination, number, position),
    FOREIGN KEY (job_uuid, job_id, print_run, destination, number)
        REFERENCES document (job_uuid, job_id, print_run, destination, number) ON DELETE CASCADE
) STRICT;
CREATE TABLE delivery (
    job_uuid TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    print_run INTEGER NOT NULL,
    destination TEXT NOT NULL,
    number INTEGER NOT NULL,
    target_number INTEGER NOT NULL,
    location TEXT NOT NULL,
    device TEXT NOT NULL,
    cloud_job_id TEXT,
    state INTEGER,
    message TEXT NOT NULL DEFAULT '',
    submitted TEXT NOT NULL DEFAULT '',
    received TEXT NOT NULL DEFAULT '',
    delivered TEXT NOT NULL DEFAULT '',
    updated_at REAL NOT NULL,
    PRIMARY KEY (job_uuid, job_id, print_run, destination, number, target_number),
    FOREIGN KEY (job_uuid, job_id, print_run, destination, number)
        REFERENCES document (job_uuid, job_id, print_run, destination, number) ON DELETE CASCADE
) STRICT;
""",
    """
ALTER TABLE document ADD COLUMN open_runs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE document ADD COLUMN class_name TEXT NOT NULL DEFAULT '';
CREATE TABLE server (
    name TEXT PRIMARY KEY,
    one_at_a_time_since REAL NOT NULL
) STRICT;
""",
    """
ALTER TABLE document ADD COLUMN handover TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN device_uri TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN poller TEXT;
ALTER TABLE document ADD COLUMN accepted_at REAL;
ALTER TABLE document ADD COLUMN closed_at REAL;
ALTER TABLE document ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN received_at REAL;
ALTER TABLE delivery ADD COLUMN final_at REAL;
UPDATE document SET accepted_at = updated_at WHERE phase = 'accepted';
UPDATE document SET closed_at = updated_at WHERE phase = 'accepted' AND ended = 1;
CREATE INDEX document_open ON document (handover, poller) WHERE closed_at IS NULL;
CREATE INDEX document_closed ON document (closed_at) WHERE closed_at IS NOT NULL;
CREATE TABLE poller (
    name TEXT PRIMARY KEY,
    alive_until REAL NOT NULL
) STRICT;
""",
    """
ALTER TABLE document ADD COLUMN completed_before INTEGER NOT NULL DEFAULT 0;
UPDATE document SET completed_before = print_run;
""",
    """
ALTER TABLE document ADD COLUMN language TEXT NOT NULL DEFAULT '';
""",
    # one state replaces phase, handover, ended and pass_started (lifecycle.State)
    """
ALTER TABLE document ADD COLUMN state TEXT NOT NULL DEFAULT 'sending';
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
ALTER TABLE document ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN trying_since REAL;
ALTER TABLE document ADD COLUMN give_up_at REAL;
ALTER TABLE document ADD COLUMN submit_key TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN submit_form TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN was_in_doubt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE document ADD COLUMN start_overs INTEGER NOT NULL DEFAULT 0;
CREATE INDEX document_open ON document (state, poller) WHERE closed_at IS NULL;
""",
    """
CREATE TABLE meta (
    id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    trusted_since_s REAL NOT NULL
) STRICT;
INSERT INTO meta VALUES (lower(hex(randomblob(16))), 0, 0.0);
""",
    """
ALTER TABLE document ADD COLUMN sent_bytes INTEGER;
ALTER TABLE document ADD COLUMN confirmed_at REAL NOT NULL DEFAULT 0;
ALTER TABLE document ADD COLUMN server_instance TEXT NOT NULL DEFAULT '';
CREATE INDEX delivery_cloud_job ON delivery (cloud_job_id) WHERE cloud_job_id IS NOT NULL;
""",
    # one poller with a lock (poller_lock) replaces several pollers with leases
    """
DROP TABLE poller;
DROP INDEX document_open;
ALTER TABLE document DROP COLUMN poller;
ALTER TABLE document ADD COLUMN hand_overs INTEGER NOT NULL DEFAULT 0;
CREATE INDEX document_open ON document (state) WHERE closed_at IS NULL;
""",
)
VERSION = len(STEPS)


def take_steps(db: View, version: int) -> None:
    """Upgrade a database to VERSION. The caller has begun a transaction.

    Args:
        version: the database's present version; 0 is an empty database.
    """
    for step in STEPS[version:]:
        for statement in filter(str.strip, step.split(";")):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
