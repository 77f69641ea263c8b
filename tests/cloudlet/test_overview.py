"""The overview of deliveries, and the list of jobs as a file for spreadsheets."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.storage.figures import DAYS, Figures
from cloudlet_server import CloudletServer
from curl import Curl
from many_jobs import make_folder
from visitor import Visitor

PERSON = "job-originating-user-name"


def _visitor(server: CloudletServer, *arguments: str, company: str = "ACME") -> Visitor:
    name = f"person {len(server.cli('account', 'list').splitlines())}"
    visitor = Visitor(server.url)
    visitor.sign_in(name, server.cli("account", "add", name, "--company", company, *arguments))
    return visitor


def _sums(figures: list[Figures]) -> tuple[int, int, int]:
    return (
        sum(each.submitted for each in figures),
        sum(each.delivered for each in figures),
        sum(each.failed for each in figures),
    )


def _count_all(cloud: Cloud) -> None:
    while not cloud.figures.catch_up():
        pass


def test_each_step_counts_once(tmp_path: Path) -> None:
    """Figures are those of the history: by half hours, for the company and for a location."""
    now = time.time()
    make_folder(tmp_path / "data", 7_000, now)
    cloud = Cloud(tmp_path / "data")
    try:
        _count_all(cloud)
        _count_all(cloud)
        figures = cloud.figures.since("ACME", 0)
        assert _sums(figures) == (7_000, 6_300, 0)
        # a job each second, and 1800 seconds in a full half hour
        assert {each.submitted for each in figures[1:-1]} == {1800}
        assert cloud.figures.of_location("ACME", "Quiet", 0)[1:] == (5, 5, 0)
        assert cloud.figures.of_location("ACME", "Away", 0)[1:] == (700, 0, 0)
        assert cloud.figures.since("Rival", 0) == []
        recent = _sums(cloud.figures.since("ACME", now - 1800))[0]
        assert 1800 <= recent < 3600
        median = cloud.figures.median_s("ACME", 0)
        assert median is not None
        assert median < 0.02
    finally:
        cloud.figures.stop(10)
        cloud.store.close()


@pytest.mark.parametrize("durations", [(1, 10, 100), (5, 5, 600, 700), (0.5,)])
def test_median(tmp_path: Path, durations: tuple[float, ...]) -> None:
    """The median of the times to delivery is exact to 8 %."""
    make_folder(tmp_path / "data", len(durations), time.time())
    cloud = Cloud(tmp_path / "data")
    try:
        with cloud.store.transaction() as db:
            db.execute("DELETE FROM transition")
            for number, duration_s in enumerate(durations, 1):
                db.execute(
                    "UPDATE job SET state = 1, submitted = submitted - 1000 WHERE sequence = ?",
                    (number,),
                )
                db.execute(
                    "UPDATE job SET state = 2, delivered = submitted + ?1,"
                    " updated = submitted + ?1 WHERE sequence = ?2",
                    (duration_s, number),
                )
        _count_all(cloud)
        found = cloud.figures.median_s("ACME", 0)
        assert found == pytest.approx(sorted(durations)[(len(durations) - 1) // 2], rel=0.08)
    finally:
        cloud.figures.stop(10)
        cloud.store.close()


def test_only_the_last_month_is_counted(tmp_path: Path) -> None:
    """Counting begins a month ago; another cloudlet.db and a damaged file begin again."""
    begin = time.time() - DAYS * 24 * 3600
    make_folder(tmp_path / "data", 100, begin + 40)  # 60 of them are older
    for _ in range(2):
        cloud = Cloud(tmp_path / "data")
        try:
            _count_all(cloud)
            assert 35 <= _sums(cloud.figures.since("ACME", 0))[0] <= 40
        finally:
            cloud.figures.stop(10)
            cloud.store.close()
        (tmp_path / "data" / "figures.db").write_bytes(b"damaged" * 1000)


def test_overview(own: CloudletServer) -> None:
    """The overview has what waits and failed by location, and the deliveries of the day."""
    own.cli("device", "add", "ACME/Office/C", "--type", "command", "--target", "false")
    own.cli("location", "add", "ACME/Away", "--name", "Far <away>")
    own.cli("device", "add", "ACME/Away/F")
    own.cli("location", "offline", "ACME/Away")
    curl = Curl(own.url, own.key)
    own.wait_for_job(curl.submit(targets="Office:C"), 1, message="somebody delivers it again")
    for _ in range(2):
        own.wait_for_job(curl.submit(), 2)
        curl.submit(targets="Away:F")
    page = _visitor(own).get("/overview").text
    for text in (
        "1 not delivered at \u2068Office\u2069",
        "2 waiting at \u2068Far &lt;away&gt;\u2069",
        ": 2 delivered, 1 failed",
        '<dt>Submitted today</dt><dd class="">5</dd>',
        "&lt; 0.1 s",
    ):
        assert text in page
    own.cli("company", "add", "Rival")
    rival = _visitor(own, company="Rival").get("/overview").text
    assert '<dt>Submitted today</dt><dd class="">0</dd>' in rival
    assert _visitor(own, "--location", "Away").get("/overview").status == 404


def _rows(visitor: Visitor, query: str = "", *options: str) -> list[list[str]]:
    answer = visitor.get(f"/jobs.csv?{query}", *options)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs.csv"'
    assert answer.text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(answer.text[1:], newline="")))


@pytest.mark.attacker("print key")
def test_formulas_in_the_list_of_jobs(own: CloudletServer) -> None:
    """Submit titles and names that are formulas of a spreadsheet: the saved list has texts."""
    titles = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", '=cmd|"/c calc"!A1', "＝1")
    curl = Curl(own.url, own.key)
    for title in titles:
        curl.submit(title=title, props=f"{PERSON}=@{title.strip()}")
    visitor = _visitor(own)
    rows = _rows(visitor)[1:]
    for title, row in zip(reversed(titles), rows, strict=True):
        assert row[2].startswith("'"), title
        assert row[3].startswith("'")
    for title in ("Plan;=1+1;", "Plan; =1+1;", 'Plan;"=1+1"', "Plan;\t=1", "a;-b"):
        curl.submit(title=title, props=f"{PERSON}=Anna;=1+1")
    for separator in ";", "\t":
        written = visitor.get("/jobs.csv").text[1:]
        for row in csv.reader(io.StringIO(written, newline=""), delimiter=separator):
            for cell in row:
                assert not cell.lstrip(' "').startswith(("=", "+", "-", "@")), row


def test_save_a_list(own: CloudletServer) -> None:
    """The file has the jobs of the list with its filters, in the language of the page."""
    own.cli("location", "add", "ACME/Anna", "--browser")
    curl = Curl(own.url, own.key)
    own.wait_for_job(curl.submit(title='Say "hi", twice', props=f"{PERSON}=דנה"), 2)
    own.wait_for_job(curl.submit(title="for Anna", targets="Anna:browser"), 1)
    visitor = _visitor(own)
    head, anna, office = _rows(visitor, "", "-H", "Accept-Language: de")
    assert head[:2] == ["Auftrag", "Eingereicht"]
    assert (anna[2], anna[6], anna[7]) == ("for Anna", "Neu", "")
    assert office[2:7] == ['Say "hi", twice', "דנה", "Office", "Folder", "Zugestellt"]
    assert datetime.fromisoformat(office[7]).tzinfo == UTC
    assert [row[2] for row in _rows(visitor, "q=twice")[1:]] == ['Say "hi", twice']
    assert [row[2] for row in _rows(_visitor(own, "--location", "Anna"))[1:]] == ["for Anna"]
    own.cli("company", "add", "Rival")
    assert _rows(_visitor(own, company="Rival"))[1:] == []
    assert visitor.get("/jobs.csv?before=1").status == 400
