"""The numbers of unfinished jobs that the page shows."""

from __future__ import annotations

import contextlib
from pathlib import Path

from cirrus_cloudlet.storage.job_lists import MAX_COUNT, Counts, JobLists
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.releases import Viewer
from cirrus_cloudlet.storage.text_index import TextIndex

_MANY = MAX_COUNT + 10
# waiting and failed jobs by location
_JOBS = {"Away": (_MANY, _MANY), "Broken": (3, _MANY), "Calm": (0, 0), "Paris": (_MANY, 2)}


def test_waiting_and_failed_jobs_are_counted_by_themselves(tmp_path: Path) -> None:
    """Many failed jobs hide no waiting jobs. Above MAX_COUNT, the number is MAX_COUNT + 1."""
    with contextlib.closing(open_store(tmp_path)) as store:
        with store.transaction() as db:
            db.execute(
                "INSERT INTO document"
                " VALUES ('d', 1, '', 'pdf', '[1]', 0, 0, 'ACME', 'k', '', NULL)"
            )
            for location, (waiting, failed) in _JOBS.items():
                for kind, count, step, message in (
                    ("w", waiting, "ready", ""),
                    ("f", failed, "held", "Error: out of paper"),
                    ("d", 5, "done", ""),
                ):
                    for number in range(count):
                        db.execute(
                            "INSERT INTO job (id, company, key, location, device, title, document,"
                            " props, state, step, message, submitted, updated)"
                            " VALUES (?, 'ACME', 'k', ?, 'D', 't', 'd', '{}', 0, ?, ?, 0, 0)",
                            (f"{location}{kind}{number}", location, step, message),
                        )
        lists = JobLists(store, TextIndex(store, tmp_path))
        by_location = lists.count_by_location("ACME")
        counts = [lists.count(Viewer("ACME", each, "", False)) for each in (None, *_JOBS)]
        others = lists.count_by_location("Rival")
    most = MAX_COUNT + 1
    wanted = {"Away": (most, most), "Broken": (3, most), "Paris": (most, 2)}
    assert by_location == {name: Counts(*numbers) for name, numbers in wanted.items()}
    assert counts == [(most, most), (most, most), (3, most), (0, 0), (most, 2)]
    assert others == {}
