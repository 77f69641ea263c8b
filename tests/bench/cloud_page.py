"""How long the embedded cloud's web page takes with very many jobs.

Each page is requested from the application in this process, without a network, as a signed-in
person. Titles, persons, devices and states vary. Time is processor time, with all threads.
"""

from __future__ import annotations

import asyncio
import time
from datetime import date
from pathlib import Path
from typing import Any

from starlette.routing import Router

from cirrus_cloudlet.app import make_application
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.storage.audit import Actor, Origin
from frame import Setting, Table
from many_jobs import make_folder

COLUMNS = ("page", "ms, few jobs", "ms, many jobs", "ratio")
PAGES = {
    "newest jobs": "/",
    "a text in each title": "/jobs?q=invoice",
    "a number in one title": "/jobs?q=0007919",
    "a text in no title": "/jobs?q=voiceless",
    "a person": "/jobs?person=person%207",
    "waiting": "/jobs?status=waiting",
    "failed": "/jobs?status=failed",
    "a location": "/jobs?place=Office",
    "a device": "/jobs?place=Away:Folder",
    "a day": f"/jobs?day={date.today()}",
    "overview": "/overview",
}
_REPEATED = 10
_PASSWORD = "a long password"
_VARY = (
    "UPDATE job SET title = printf('Invoice %07d for customer %d', sequence * 7919 % 1000003,"
    " sequence % 977),"
    " props = json_object('job-originating-user-name', 'person ' || (sequence % 13))",
    # in a small cloud, too, a list of failed jobs is full
    "UPDATE job SET state = 1, step = 'held', message = 'Error: out of paper'"
    " WHERE location = 'Away' AND sequence % 20 = 0",
)


def table(setting: Setting) -> Table:
    """Measure each page with two numbers of jobs."""
    counts = (setting.size(1_000, 500), setting.size(1_000_000, 10_000))
    made = Table("The embedded cloud's page with {:,} and {:,} jobs".format(*counts), COLUMNS)
    spent_s = [_spent_s(setting.folder / f"page-{count}", count) for count in counts]
    for name in PAGES:
        few, many = (found[name] * 1000 for found in spent_s)
        made.row(name, f"{few:.1f}", f"{many:.1f}", f"{many / few:.1f}")
    return made


def _spent_s(folder: Path, count: int) -> dict[str, float]:
    """The processor time of each page, in seconds, when all jobs are in the search index."""
    make_folder(folder, count, time.time())
    cloud = Cloud(folder)
    with cloud.store.transaction() as db:
        for statement in _VARY:
            db.execute(statement)
    cloud.accounts.add("anna", "ACME", None, _PASSWORD, Actor("root", Origin.CLI))
    token = cloud.accounts.begin_session("anna", cloud.accounts.verify("anna", _PASSWORD) or "")
    app = make_application(cloud)
    while not (cloud.texts.catch_up() and cloud.figures.catch_up()):
        pass
    found = {}
    for name, path in PAGES.items():
        asyncio.run(_get(app, path, token or ""))  # the first one reads the pages of the database
        before_s = time.process_time()
        for _ in range(_REPEATED):
            asyncio.run(_get(app, path, token or ""))
        found[name] = (time.process_time() - before_s) / _REPEATED
    cloud.texts.stop(1)
    cloud.figures.stop(1)
    cloud.store.close()
    return found


async def _get(app: Router, target: str, token: str) -> None:
    path, _, query = target.partition("?")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200, (target, message)

    headers = [(b"host", b"h"), (b"cookie", f"cirrus-80={token}".encode())]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "scheme": "http", "server": ("h", 80)}
    scope |= {"raw_path": path.encode(), "path": path, "query_string": query.encode()}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "http_version": "1.1"}
    await app({**scope, "asgi": {"spec_version": "2.4"}}, receive, send)
