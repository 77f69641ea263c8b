"""The cloud's database on a server: what the other tests with each engine do not show."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.opening import choose_database, open_store
from cirrus_cloudlet.storage.sqlite import SqliteStore
from cloudlet_server import CloudletServer
from curl import Curl
from postgresql_server import PostgresqlServer

PDF = b"%PDF-1.4 the document\n%%EOF\n"
_KINDS = {"INTEGER": "bigint", "REAL": "double precision", "TEXT": "text", "BOOLEAN": "boolean"}
_BOOLEANS = {("account", "disabled"), ("document", "pruned"), ("upload", "submitted")}
_COLUMNS = """
SELECT table_name || '.' || column_name || ' ' || data_type
    || CASE is_nullable WHEN 'NO' THEN ' required' ELSE ' optional' END
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name NOT IN ('schema_version', 'commit_mark')
"""


@pytest.fixture(scope="module")
def faulty() -> Iterator[PostgresqlServer]:
    """A server that tests stop."""
    server = PostgresqlServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def cloud(faulty: PostgresqlServer, tmp_path: Path) -> Iterator[CloudletServer]:
    """A cloud with a database on the server that tests stop."""
    server = CloudletServer(database=faulty.url(faulty.new_database()))
    server.start(tmp_path / "data")
    yield server
    server.close()


def test_both_engines_have_the_same_tables(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    """The tables, columns and indexes are the same, so each upgrade has reached both engines."""
    SqliteStore(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "cloudlet.db")) as db:
        columns = {
            f"{table}.{name} {'boolean' if (table, name) in _BOOLEANS else _KINDS[kind]}"
            f" {'required' if required or key else 'optional'}"
            for table, name, kind, required, key in db.execute(
                'SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master AS m,'
                " pragma_table_xinfo(m.name) AS c WHERE m.type = 'table' AND m.name NOT LIKE"
                " 'sqlite_%'"
            )
        }
        indexes = {
            name
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            )
        }
    database = postgresql.new_database()
    other = tmp_path / "other"
    other.mkdir()
    choose_database(other, postgresql.url(database))
    found = postgresql.sql(database, _COLUMNS)
    assert set(found.splitlines()) == columns
    found = postgresql.sql(
        database,
        "SELECT indexname FROM pg_indexes LEFT JOIN pg_constraint ON conname = indexname"
        " WHERE schemaname = 'public' AND conname IS NULL",
    )
    assert set(found.splitlines()) == indexes


def test_a_restart_of_the_database(cloud: CloudletServer, faulty: PostgresqlServer) -> None:
    """While the database is away, clients are told to try later; afterwards, all goes on."""
    curl = Curl(cloud.url, cloud.key)
    cloud.cli("location", "offline", "Office")
    ids = [curl.submit(PDF)]
    faulty.stop("immediate")
    refused = curl.put("/api/putfile", PDF, targets="Office:Folder", title="t")
    assert (refused.status, refused.headers["retry-after"]) == (429, "10")
    assert curl.get(f"/api/get/job/ACME/Office/Folder/{ids[0]}").status == 429
    faulty.start()
    ids.append(curl.submit(PDF))
    cloud.cli("location", "online", "Office")
    for job_id in ids:
        cloud.wait_for_job(job_id, 2)
    assert [job["id"] for job in cloud.jobs()] == ids


def test_a_connection_lost_during_a_commit(cloud: CloudletServer, faulty: PostgresqlServer) -> None:
    """If the answer to a commit is lost, the cloud finds out that the job is stored, and keeps
    its document. The commit waits for a standby server, whatever the server's default says."""
    curl = Curl(cloud.url, cloud.key)
    ids = [curl.submit(PDF)]
    cloud.wait_for_job(ids[0], 2)
    faulty.configure("synchronous_standby_names = 'nobody'")
    submit = threading.Thread(target=lambda: ids.append(curl.submit(PDF)))
    submit.start()
    try:
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        until = time.monotonic() + 30
        while not (pid := faulty.sql("postgres", waiting)):
            assert time.monotonic() < until
        # the transaction is stored, and its connection ends without an answer
        faulty.sql("postgres", f"SELECT pg_terminate_backend({pid})")
        submit.join(30)
    finally:
        faulty.configure("synchronous_standby_names = ''")
        submit.join()
    assert len(ids) == 2
    cloud.wait_for_job(ids[1], 2)
    assert [job["id"] for job in cloud.jobs()] == ids


def test_a_killed_server_leaves_its_place(cloud: CloudletServer, tmp_path: Path) -> None:
    """One server at a time serves a database; the next one begins when it was killed."""
    second = CloudletServer(database=cloud._database)
    with pytest.raises(RuntimeError, match="another cirrus-cloudlet already serves this database"):
        second.start(tmp_path / "second")
    job_id = Curl(cloud.url, cloud.key).submit(PDF)
    cloud.wait_for_job(job_id, 2)
    cloud.kill()
    second.start(tmp_path / "second")
    assert [job["id"] for job in second.jobs()] == [job_id]
    second.close()


def test_the_folder_remembers_the_database(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    """All commands use the same database. Its address may have a password, so nobody else reads
    it. A folder with a database of its own keeps it."""
    server = CloudletServer()
    server.data = tmp_path / "data"
    address = postgresql.url(postgresql.new_database())
    server.cli("company", "add", "ACME", "--database", address)
    key = server.cli("key", "add", "--company", "ACME", "--name", "desk")
    assert key
    assert server.cli("key", "list").startswith("desk\t")
    assert (server.data / "database").read_text() == f"{address}\n"
    assert (server.data / "database").stat().st_mode & 0o077 == 0
    assert not (server.data / "cloudlet.db").exists()
    server.data = tmp_path / "other"
    server.cli("company", "add", "ACME")
    with pytest.raises(RuntimeError, match="has its own database"):
        server.cli("key", "list", "--database", address)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE schema_version SET version = 99", "newer version .*format 99; .*Install that"),
        ("ALTER SCHEMA public RENAME TO private", "cannot use the database .*"),
    ],
)
def test_a_database_that_cannot_be_used(
    postgresql: PostgresqlServer, tmp_path: Path, change: str, said: str
) -> None:
    """A database of a newer version, or without a place for tables, is refused."""
    database = postgresql.new_database()
    choose_database(tmp_path, postgresql.url(database))
    postgresql.sql(database, change)
    with pytest.raises(SettingsError, match=said):
        open_store(tmp_path)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://host/cloud", "not of the form postgresql://"),
        ("postgresql://user:secret@127.0.0.1:1/cloud", "cannot use the database .*--database"),
        ("postgresql://user:secret@127.0.0.1:1/cloud?nonsense=1", "cannot use the database"),
    ],
)
def test_a_wrong_address(tmp_path: Path, address: str, said: str) -> None:
    """A wrong address is refused and not remembered, and the message has no password."""
    with pytest.raises(SettingsError, match=said) as refused:
        choose_database(tmp_path, address)
    assert "secret" not in str(refused.value)
    assert not list(tmp_path.iterdir())
