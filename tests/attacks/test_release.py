"""Attacks on jobs that wait for their owners, by other accounts and by API keys."""

from __future__ import annotations

import pytest

from cloudlet_server import CloudletServer
from curl import Curl
from visitor import Visitor

SECRET = "salaries 2027"
PATHS = ("", "/document", "/thumbnail", "/pages/1")
LISTS = (
    *("/", "/?q=salaries", "/jobs", "/jobs?q=salaries", "/jobs?q={job}", "/jobs?person=anna"),
    *("/jobs?place=Office:Folder", "/jobs?status=waiting", "/jobs.csv", "/jobs.csv?q=salaries"),
    *("/overview", "/release", "/release/Office/Folder"),
)


def _visitor(server: CloudletServer, name: str, *arguments: str, company: str = "ACME") -> Visitor:
    visitor = Visitor(server.url)
    password = server.cli("account", "add", name, "--company", company, *arguments)
    assert visitor.sign_in(name, password).status == 303
    return visitor


@pytest.mark.attacker("page account")
def test_another_account_finds_no_held_job(own: CloudletServer) -> None:
    """Read, release or delete a job that waits for another person, as an account of the company,
    of the location or of another company: no page shows the job, before and after its release."""
    own.cli("company", "add", "Rival")
    own.cli("location", "add", "Rival/Office")
    own.cli("device", "add", "Rival/Office/Folder")
    own.cli("location", "hold", "ACME/Office")
    owner = _visitor(own, "anna")
    others = [
        _visitor(own, "Anna"),
        _visitor(own, "mailbox", "--location", "Office"),
        _visitor(own, "rival", company="Rival"),
    ]
    curl = Curl(own.url, own.key)
    job = curl.submit(title=SECRET, props="job-originating-user-name=anna")

    def look() -> None:
        for other in others:
            for path in LISTS:
                text = other.get(path.format(job=job)).text
                assert SECRET not in text
                assert f"/jobs/{job}" not in text and f"\n{job}" not in text
            for verb in ("delete", "retry"):
                fields = ("--data-urlencode", f"job={job}", "--data-urlencode", f"verb={verb}")
                assert other.post("/jobs/selected", *fields).status == 404
            for path in PATHS:
                assert other.get(f"/jobs/{job}{path}").status == 404
            for verb in ("release", "delete", "retry", "save"):
                assert other.post(f"/jobs/{job}/{verb}").status == 404
            other.post("/release/Office/Folder")

    look()
    assert own.jobs()[0]["state"] == 0
    assert SECRET in owner.get("/").text
    assert SECRET in owner.get("/jobs?q=salaries").text
    assert owner.post(f"/jobs/{job}/release").status == 303
    own.wait_for_job(job, 2)
    look()
    assert owner.get(f"/jobs/{job}/document").status == 200


@pytest.mark.attacker("print key")
def test_a_key_releases_nothing(own: CloudletServer) -> None:
    """Release or read a held job with an API key: no request releases, and other keys get no
    title."""
    own.cli("location", "hold", "ACME/Office")
    job = Curl(own.url, own.key).submit(title=SECRET, props="job-originating-user-name=anna")
    for role in ("print", "admin"):
        curl = Curl(own.url, own.new_key("ACME", role))
        for path in (f"/api/put/job/ACME/Office/Folder/{job}", f"/api/release/{job}"):
            assert curl.post(path).status == 404
        for path in (f"/jobs/{job}/release", "/release/Office/Folder"):
            answer = curl.post(path)
            assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
        assert curl.get(f"/jobs/{job}/document").status == 303
        for path in ("/api/put/device/ACME/Office/Folder", "/api/put/location/ACME/Office"):
            assert curl.post(path, hold="0").status in (400, 403)
    other = Curl(own.url, own.new_key("ACME"))
    assert SECRET not in other.get(f"/api/get/job/ACME/Office/Folder/{job}").text
    assert own.jobs()[0]["state"] == 0
