"""The poller's journal is deleted, replaced or damaged while the poller runs.

The poller releases no job on the word of a lost file, and continues with the present file.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable

import pytest

from print_site import PrintSite, eventually

HOLD = "?waittimeout=1"
HELD, COMPLETED = 4, 9


def put_backup_in_place(site: PrintSite) -> None:
    """Restore the database alone; people forget the files beside it."""
    new = site.state / "new"
    shutil.copy(site.root / "backup.db", new)
    shutil.chown(new, site.state.stat().st_uid)
    new.replace(site.state / "journal.db")


def delete_database(site: PrintSite) -> None:
    """Delete all of SQLite's files."""
    for path in site.state.glob("journal.db-*"):
        path.unlink()
    (site.state / "journal.db").unlink()


def delete_one_file(site: PrintSite) -> None:
    """Delete the database alone."""
    (site.state / "journal.db").unlink()


def delete_folder(site: PrintSite) -> None:
    """Delete the whole folder."""
    shutil.rmtree(site.state)


def held_job(site: PrintSite, queue: str) -> int:
    """A held job whose location fetches nothing."""
    job_id = site.cups.lp(queue, data=b"x")
    site.cups.wait_job(job_id, "held")
    return job_id


@pytest.mark.sampled(change=[put_backup_in_place, delete_folder])
@pytest.mark.parametrize(
    "change",
    [put_backup_in_place, delete_database, delete_one_file, delete_folder],
)
def test_poller_goes_on_with_the_journal_that_is_there(
    own_site: PrintSite, change: Callable[[PrintSite], None]
) -> None:
    """The poller reports the change once, follows new jobs, and leaves unknown jobs alone."""
    site = own_site
    queue = site.queue(driver=False, options=HOLD)
    site.cups.wait_job(site.cups.lp(queue, data=b"x"))
    with (
        contextlib.closing(sqlite3.connect(site.state / "journal.db")) as db,
        contextlib.closing(sqlite3.connect(site.root / "backup.db")) as backup,
    ):
        db.backup(backup)
    site.cloud.cli("location", "offline", "Paris")
    with site.statusd() as poller:
        unknown = held_job(site, queue)
        change(site)
        eventually(lambda: "event=journal-replaced" in site.statusd_log())
        eventually(lambda: site.statusd_log().count("event=started") == 2)
        time.sleep(1)  # CUPS counts whole seconds: a job of this second may be an older one
        follower = held_job(site, queue)
        site.cloud.cli("location", "online", "Paris")
        assert site.cups.wait_job(follower)["job-state"] == COMPLETED
        assert site.cups.job(unknown)["job-state"] == HELD
        assert poller.poll() is None
        assert "(CB-503)" in site.statusd_log()
        assert site.statusd_log().count("event=journal-replaced") == 1
        ((since_s,),) = site.journal("SELECT trusted_since_s FROM meta")
        assert since_s > float(str(site.cups.job(unknown)["time-at-creation"]))
        assert len(site.cloud.jobs()) == 3
        # a release counts as a person's decision only after the person was told
        site.cups.run("lp", "-i", str(unknown), "-H", "resume")
        eventually(lambda: "(CB-505)" in site.cups.job(unknown)["job-printer-state-message"])
        site.cups.wait_job(unknown, "held")
        assert len(site.cloud.jobs()) == 3
        site.cups.run("lp", "-i", str(unknown), "-H", "resume")
        assert site.cups.wait_job(unknown)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 4


def damage_index(site: PrintSite, job_id: int) -> bytes:
    """Damage one byte of the job's uuid in an index."""
    path = site.state / "journal.db"
    content = bytearray(path.read_bytes())
    uuid = str(site.cups.job(job_id)["job-uuid"]).encode()
    place = content.find(uuid)
    while content[place - place % 4096] not in (2, 10):  # a page of an index
        place = content.index(uuid, place + 1)
    content[place + 20] ^= 1
    path.write_bytes(content)
    return bytes(content)


def test_poller_does_not_start_with_a_damaged_journal(own_site: PrintSite) -> None:
    """The poller explains the damage and ends without a change."""
    site = own_site
    job_id = site.cups.lp(site.queue(driver=False), data=b"x")
    site.cups.wait_job(job_id)
    damaged = damage_index(site, job_id)
    poller = site.start_statusd()
    assert poller.wait(60) == 1
    assert "is damaged" in site.statusd_log() and "(CB-504)" in site.statusd_log()
    assert (site.state / "journal.db").read_bytes() == damaged


def test_a_damaged_journal_prints_nothing_twice(own_site: PrintSite) -> None:
    """The document of a released job is not sent again, although the index lacks its row."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    with site.statusd():
        job_id = held_job(site, site.queue(driver=False, options=HOLD))
    damage_index(site, job_id)
    site.cups.run("lp", "-i", str(job_id), "-H", "resume")

    def is_told() -> bool:
        return "(CB-504)" in str(site.cups.job(job_id).get("job-printer-state-message"))

    eventually(is_told)
    assert site.cups.wait_job(job_id, "held")["job-state"] == HELD
    assert len(site.cloud.jobs()) == 1


def test_a_journal_that_knows_a_job_as_waiting_only(own_site: PrintSite) -> None:
    """A job sent after the backup is not sent again without a person's decision."""
    site = own_site
    queue = site.queue(driver=False, options=HOLD)
    site.cups.wait_job(site.cups.lp(queue, data=b"first"))
    site.configure(key="wr0ng-k3y-0123456789")
    with site.statusd():
        job_id = held_job(site, queue)
        assert site.journal("SELECT count(*) FROM document WHERE state = 'waiting'") == [(1,)]
    with (
        contextlib.closing(sqlite3.connect(site.state / "journal.db")) as db,
        contextlib.closing(sqlite3.connect(site.root / "backup.db")) as backup,
    ):
        db.backup(backup)
    site.configure()
    site.cloud.cli("location", "offline", "Paris")
    site.cups.run("lp", "-i", str(job_id), "-H", "resume")
    eventually(lambda: len(site.cloud.jobs()) == 2)
    site.cups.wait_job(job_id, "held")
    put_backup_in_place(site)
    with site.statusd():
        eventually(lambda: "(CB-505)" in site.cups.job(job_id)["job-printer-state-message"])
        site.cups.wait_job(job_id, "held")
        time.sleep(5)
        assert site.cups.job(job_id)["job-state"] == HELD
    assert len(site.cloud.jobs()) == 2
