"""The tables of the database: a step for each version of the schema, and temporary triggers."""

from __future__ import annotations

ROLES = "ALTER TABLE api_key ADD COLUMN role TEXT NOT NULL DEFAULT 'print';"
# each item upgrades the schema by one version
SCHEMAS = (
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
    ROLES,
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
    # held_for: see Job; the jobs that wait for a release, by age, by owner and by device
    """
ALTER TABLE job ADD COLUMN held_for TEXT;
CREATE INDEX job_unreleased ON job (submitted) WHERE step = 'unreleased';
CREATE INDEX job_held_for ON job (company, held_for, sequence) WHERE step = 'unreleased';
CREATE INDEX job_held_at ON job (company, location, device, sequence) WHERE step = 'unreleased';
""",
    """
CREATE TABLE sign_in_link (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created REAL NOT NULL
) STRICT;
""",
    # account.provider, account.subject: the person at an identity provider; then there is no
    # password. account.person: the user name by which the person prints.
    """
ALTER TABLE account ADD COLUMN role TEXT NOT NULL DEFAULT 'user';
ALTER TABLE account ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN person TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX account_subject ON account (provider, subject) WHERE provider != '';
CREATE INDEX account_company ON account (company, created);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    company TEXT NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX audit_company ON audit (company, number);
CREATE INDEX audit_time ON audit (time);
""",
    # the page's lists of waiting and failed jobs, newest first, and their counts by location;
    # transition.step tells a failure from a retry
    """
CREATE INDEX job_waiting ON job (company, sequence, location, device)
    WHERE step != 'done' AND NOT (step = 'held' AND substr(message, 1, 6) = 'Error:');
CREATE INDEX job_failed ON job (company, sequence, location, device)
    WHERE step = 'held' AND substr(message, 1, 6) = 'Error:';
CREATE INDEX job_waiting_at ON job (company, location)
    WHERE step != 'done' AND NOT (step = 'held' AND substr(message, 1, 6) = 'Error:');
CREATE INDEX job_failed_at ON job (company, location)
    WHERE step = 'held' AND substr(message, 1, 6) = 'Error:';
ALTER TABLE transition ADD COLUMN step TEXT NOT NULL DEFAULT '';
""",
    # client: the programs that fetch a location's jobs; claim: a job that one of them has. A claim
    # is active until the job is given up; an inactive one remains for a late report.
    """
ALTER TABLE api_key ADD COLUMN location TEXT;
CREATE TABLE client (
    company TEXT NOT NULL,
    location TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    heard REAL NOT NULL,
    printers TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (company, location, id)
) STRICT;
CREATE TABLE claim (
    job TEXT PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    company TEXT NOT NULL,
    location TEXT NOT NULL,
    device TEXT NOT NULL,
    client TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    active INTEGER NOT NULL DEFAULT 1,
    begun REAL
) STRICT;
CREATE UNIQUE INDEX claim_device ON claim (company, location, device) WHERE active = 1;
CREATE INDEX claim_client ON claim (company, location, client);
""",
)
# a person may save and trash a job as often as wanted, so a history keeps its newest 200 steps;
# temporary: an earlier version that shares the database records the history by itself
HISTORY = """
CREATE TEMP TRIGGER job_submitted AFTER INSERT ON job BEGIN
    INSERT INTO transition (job, state, step, time, message)
    VALUES (NEW.id, NEW.state, NEW.step, NEW.updated, NEW.message);
END;
CREATE TEMP TRIGGER job_changed AFTER UPDATE OF state, message ON job
WHEN NEW.state != OLD.state OR NEW.message != OLD.message BEGIN
    INSERT INTO transition (job, state, step, time, message)
    VALUES (NEW.id, NEW.state, NEW.step, NEW.updated, NEW.message);
    DELETE FROM transition WHERE job = NEW.id AND number <= (
        SELECT number FROM transition WHERE job = NEW.id ORDER BY number DESC LIMIT 1 OFFSET 200);
END;
"""
