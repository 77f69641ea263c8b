"""What requests, deliveries and cleaning cost does not grow with the jobs of a cloud."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.types import Message

from cirrus_cloudlet.app import make_application
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.keys import Role
from cirrus_cloudlet.storage.opening import choose_database, open_store
from cirrus_cloudlet.storage.quotas import Amount, Owner, stored_amounts
from cirrus_cloudlet.storage.schema import SCHEMAS
from many_jobs import INVENTORY, OPERATIONS, CountedStore, make_folder, submit_one
from postgresql_server import PostgresqlServer

TESTER = Actor("anna", Origin.PAGE, "ACME")
PDF = b"%PDF-1.4 the document\n%%EOF\n"
GROWING = "job|document|transition|upload|segment|idempotency|copy|session"
SMALL_INDEXES = "job_running|job_aimed"  # only the jobs that a crash has interrupted


def _folder(path: Path, jobs: int) -> Path:
    make_folder(path, jobs, time.time())
    return path


@pytest.mark.attacker("print key")
def test_many_jobs_cost_nothing(tmp_path: Path) -> None:
    """Submit thousands of jobs: each operation of the database takes as long as before."""
    found: dict[str, list[int]] = {name: [] for name in OPERATIONS}
    for jobs in (500, 10_000):
        stores: list[CountedStore] = []

        def opened(folder: Path, stores: list[CountedStore] = stores) -> CountedStore:
            stores.append(CountedStore(folder))
            return stores[-1]

        cloud = Cloud(_folder(tmp_path / f"{jobs}", jobs), opened)
        (store,) = stores
        for name, operation in OPERATIONS.items():
            before = store.steps
            operation(cloud)
            found[name].append(store.steps - before)
        cloud.store.close()
    grown = {name: steps for name, steps in found.items() if steps[1] > 1.5 * steps[0]}
    assert not grown


async def _ask(app: Callable[..., object], *requests: tuple[str, str, bytes]) -> list[bytes]:
    """Send requests to the application, without a server; return the bodies of its answers."""
    answers = []
    for method, target, body in requests:
        path, _, query = target.partition("?")
        answer = bytearray()

        async def receive(body: bytes = body) -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message, answer: bytearray = answer) -> None:
            assert message.get("status", 200) == 200, message
            answer.extend(message.get("body", b""))

        scope: dict[str, object] = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "server": ("h", 80),
        }
        scope |= {"raw_path": path.encode(), "path": path, "query_string": query.encode()}
        scope |= {"headers": HEADERS, "client": ("127.0.0.1", 1), "http_version": "1.1"}
        scope["asgi"] = {"spec_version": "2.4"}
        awaited = app(scope, receive, send)
        assert asyncio.iscoroutine(awaited)
        await awaited
        assert not answer.startswith(b"Error: "), answer
        answers.append(bytes(answer))
    return answers


HEADERS: list[tuple[bytes, bytes]] = [(b"host", b"h"), (b"idempotency-key", b"a")]


def _session(cloud: Cloud) -> None:
    """Use all requests and pages, deliver a job, and clean up."""
    key = cloud.keys.add("ACME", "key-1", Role.ADMIN, TESTER)
    cloud.accounts.add("anna", "ACME", None, "a long password", TESTER)
    cloud.accounts.add("otto", "ACME", "Office", "a long password", TESTER)
    app = make_application(cloud)
    HEADERS[2:] = [(b"authorization", f"Bearer {key}".encode())]
    place = "targets=Office:Folder&title=a.pdf"
    put, name, job_id = asyncio.run(
        _ask(
            app,
            ("PUT", "/api/putfile", PDF),
            ("GET", "/api/tempfile", b""),
            ("PUT", f"/api/putfile?{place}", PDF),
        )
    )
    job, file = job_id.decode(), name.decode()
    for account in ("anna", "otto"):
        verified = cloud.accounts.verify(account, "a long password") or ""
        token = cloud.accounts.begin_session(account, verified) or ""
        HEADERS[3:] = [(b"cookie", f"cirrus-80={token}".encode())]
        lists = ("q=a.pdf", "status=waiting", "status=failed&q=a", "person=a", "day=2026-01-02")
        pages = (
            "/",
            f"/jobs/{job}",
            f"/jobs/{job}/document",
            "/jobs?place=Office:Folder",
            "/jobs.csv",
        )
        paths = (*pages, *(f"/jobs?{query}" for query in lists))
        if account == "anna":
            paths = (*paths, "/overview")
        requests = [("GET", path, b"") for path in paths]
        asyncio.run(_ask(app, *requests))
        cloud.accounts.end_session(token)
    asyncio.run(
        _ask(
            app,
            ("PUT", f"/api/putsegment?file={file}&index=0", PDF),
            ("PUT", f"/api/putsegment?file={file}&index=0", PDF),
            ("GET", f"/api/submitfile?file={put.decode()}&{place}", b""),
            ("GET", f"/api/get/job/ACME/Office/Folder/{job}", b""),
            ("GET", "/api/get/location/ACME/Office", b""),
            ("GET", "/api/get/device/ACME/Office/Folder", b""),
        )
    )
    cloud.start()
    until = time.monotonic() + 60
    while (found := cloud.jobs.find(job)) is None or found.state != 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    cloud.stop()
    cloud.jobs.end(submit_one(cloud), "delete", TESTER)
    for company, of_key in (("ACME", "key-1"), ("ACME", None)):
        cloud.uploads.make_room(company, of_key)
        cloud.documents.make_room(company, of_key)
        cloud.jobs.make_room(company, of_key)
        cloud.copies.make_room(company, of_key)
    cloud.uploads.expire(0)
    cloud.documents.prune(0)
    cloud.jobs.prune(0)
    cloud.accounts.set_password("anna", "another password", TESTER)
    cloud.accounts.remove("anna", TESTER)
    cloud.audit.newest("ACME", count=10)
    cloud.audit.prune(0, ["ACME"])


def test_no_statement_scans_a_table(tmp_path: Path) -> None:
    """Each statement that the server executes finds its rows by an index."""
    statements: set[str] = set()
    folder = _folder(tmp_path / "data", 2_000)
    cloud = Cloud(folder, lambda path: CountedStore(path, statements.add))
    statements.clear()  # those of the schema
    _session(cloud)
    cloud.store.close()
    plans = dict(_plans(folder, statements))
    assert len(plans) > 60
    scan = re.compile(rf"SCAN ({GROWING})\b(?! USING (COVERING )?INDEX ({SMALL_INDEXES}))")
    assert not {text: plan for text, plan in plans.items() if scan.search(plan)}


# without triggers: a row that one transaction updates many times takes longer with each update
_MANY = """
SET session_replication_role = replica;
INSERT INTO document (id, company, key, size, sha256, format, segments, created)
    SELECT 'd' || i, 'ACME', 'key-1', 9, '', 'pdf', '[9]', i FROM generate_series(1, 20000) AS i;
INSERT INTO job (id, company, key, location, device, title, document, props, state, step,
        submitted, updated)
    SELECT '2026-' || i, 'ACME', 'key-1', 'Away', 'Folder', '', 'd' || i, '{}', 1,
        CASE WHEN i % 10 = 0 THEN 'ready' WHEN i % 10 = 1 THEN 'unreleased' ELSE 'held' END,
        extract(epoch FROM now()) + i, i FROM generate_series(1, 20000) AS i;
VACUUM ANALYZE;
"""


def test_no_statement_of_postgresql_scans_a_table(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """PostgreSQL finds the rows of each statement by an index, too, and those of its triggers."""
    (tmp_path / "cloudlet.toml").write_text(INVENTORY)
    database = postgresql.new_database()
    choose_database(tmp_path, postgresql.url(database))
    postgresql.sql(database, _MANY)
    with postgresql.plans(database) as plans:
        cloud = Cloud(tmp_path)
        _session(cloud)
        cloud.store.close()
    scan = re.compile(
        rf"Seq Scan on ({GROWING})\b|Index Scan using (?!{SMALL_INDEXES})\S+ on ({GROWING})\b"
    )
    scans = [
        "\n".join(plan)
        for plan in plans
        for line, behind in itertools.pairwise(plan)
        if scan.search(line) and "Index Cond" not in behind
    ]
    assert len(plans) > 200
    assert not scans


def _plans(folder: Path, statements: set[str]) -> Iterator[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(folder / "cloudlet.db")) as db:
        for traced in statements:
            # statements of triggers are comments, with the names of a row's columns
            text = re.sub(r"\b(NEW|OLD)\.\w+", "1", traced.removeprefix("-- "))
            if text.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
                rows = db.execute(f"EXPLAIN QUERY PLAN {text}")
                yield text, "\n".join(row[-1] for row in rows)


def _sums(store: Store) -> dict[Owner, Amount]:
    """Add up what each owner stores."""
    found: dict[Owner, Amount] = {}
    for select in (
        "company, key, size + 4096, 0, 0, 0 FROM document WHERE NOT pruned",
        "company, key, bytes, 0, 1, 0 FROM job",
        "owner, key, bytes + 4096 * segments, 1, 0, 0 FROM upload",
        "company, key, 0, 0, 0, bytes FROM copy",
    ):
        for company, key, *amount in store.execute(f"SELECT {select}"):
            owner = Owner(company, key)
            before = found.get(owner, Amount())
            found[owner] = Amount(*map(sum, zip(before, amount, strict=True)))
    return found


def test_what_is_stored_is_counted(folder: Path) -> None:
    """The table of stored amounts is right after all kinds of requests and cleaning."""
    (folder / "cloudlet.toml").write_text(INVENTORY)
    cloud = Cloud(folder)
    for number in range(30):
        cloud.jobs.end(submit_one(cloud, f"{number}"), "delete", TESTER)
    _session(cloud)
    cloud.store.close()
    with open_store(folder) as store:
        counted = {owner: found for owner, found in stored_amounts(store) if any(found)}
        assert counted == _sums(store)
    assert counted


_OLD = """
INSERT INTO document (id, company, key, size, sha256, format, segments, created, pruned) VALUES
    ('done', 'ACME', 'k', 10, '', 'pdf', '[]', 1, 0),
    ('waits', 'ACME', 'k', 20, '', 'pdf', '[]', 2, 0),
    ('gone', 'ACME', 'k', 30, '', 'pdf', '[]', 3, 1);
INSERT INTO job (id, company, key, bytes, location, device, title, document, props, state, step,
    submitted, updated) VALUES
    ('1', 'ACME', 'k', 5, 'L', 'D', '', 'done', '{}', 2, 'done', 1, 7),
    ('2', 'ACME', 'k', 5, 'L', 'E', '', 'done', '{}', 3, 'done', 1, 8),
    ('3', 'ACME', 'k', 5, 'L', 'D', '', 'waits', '{}', 2, 'done', 2, 9),
    ('4', 'ACME', 'k', 5, 'L', 'E', '', 'waits', '{}', 1, 'held', 2, 9),
    ('5', 'ACME', 'k', 5, 'L', 'D', '', 'gone', '{}', 9, 'done', 3, 3);
INSERT INTO idempotency (company, key, request, jobs) VALUES
    ('ACME', 'a', '', '["1", "2"]'), ('ACME', 'b', '', '["9"]');
INSERT INTO upload (name, owner, key, origin, created, bytes, segments)
    VALUES ('u', 'ACME', 'k', 'tempfile', 1, 100, 2);
INSERT INTO copy (job, company, key, path, bytes) VALUES (1, 'ACME', 'k', 'p', 4106);
"""


def test_an_earlier_version_is_upgraded(tmp_path: Path) -> None:
    """The upgrade of a data folder counts what is stored, and finds the documents that ended."""
    with contextlib.closing(sqlite3.connect(tmp_path / "cloudlet.db")) as db:
        db.executescript("".join(SCHEMAS[:6]) + _OLD + "PRAGMA user_version = 6;")
    with open_store(tmp_path) as store:
        ended = store.execute("SELECT id, ended FROM document ORDER BY id")
        assert [tuple(row) for row in ended] == [("done", 8), ("gone", 3), ("waits", None)]
        assert dict(stored_amounts(store)) == _sums(store)
        known = store.execute("SELECT key, document FROM idempotency")
        assert [tuple(row) for row in known] == [("a", "done")]
        with store.transaction() as db:
            db.execute("UPDATE job SET state = 3, updated = 10 WHERE id = '4'")
            db.execute("UPDATE job SET state = 8, updated = 11 WHERE id = '5'")
        ended = store.execute("SELECT id, ended FROM document ORDER BY id")
        assert [tuple(row) for row in ended] == [("done", 8), ("gone", None), ("waits", 10)]
