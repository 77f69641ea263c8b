"""The page for people."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from cloudlet_server import CloudletServer
from contract.curl import Answer, Curl


def browse(server: CloudletServer, path: str, user: str = "ACME", key: str = "") -> Answer:
    """Ask as a browser does after its sign-in dialog."""
    return Curl(server.url, "").run(path, "-u", f"{user}:{key or server.key}")


def test_jobs_and_devices(shared: CloudletServer, curl: Curl) -> None:
    """Locations, devices and the newest jobs, with their states in words."""
    done = curl.submit(title="Grüße.pdf", props="copies=2\nduplex=3")
    curl.submit(title="waits", targets="Away:Folder")
    shared.wait_for_job(done, 2)
    page = browse(shared, "/")
    assert page.status == 200
    for text in ("Office:Folder", "Away", "offline", "Grüße.pdf", "copies=2, duplex=3",
                 "delivered", "submitted, waiting for the location", done):  # fmt: skip
        assert text in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_hostile_texts(shared: CloudletServer, curl: Curl) -> None:
    """A title or a property is a text, whatever it looks like."""
    hostile = "</dd><script>alert(1)</script><img src=x onerror='a'>\"&"
    curl.submit(title=hostile, props=f"note={hostile}")
    page = browse(shared, "/").text

    class Tags(HTMLParser):
        seen: set[str] = set()  # noqa: RUF012 - of this one parser

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.add(tag)
            assert not any(name.startswith("on") for name, _ in attrs)

    Tags().feed(page)
    assert not Tags.seen & {"script", "img", "iframe", "form"}
    assert "&lt;script&gt;" in page


def test_download(shared: CloudletServer, curl: Curl) -> None:
    """A document can be downloaded, and is never shown in the page's name."""
    body = b"%PDF-1.4 <script>"
    answer = browse(shared, f"/documents/{curl.submit(body, title='Übersicht <1>')}")
    assert answer.body == body
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "%C3%9Cbersicht" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert browse(shared, "/documents/20200101000000-1").status == 404
    assert browse(shared, "/documents/../cloudlet.db").status == 404
    assert browse(shared, "/documents/..%2Fcloudlet.db").status == 404


@pytest.mark.parametrize("user", ["ACME", "Rival", "Nobody", ""])
def test_sign_in(shared: CloudletServer, curl: Curl, user: str) -> None:
    """The user is the company, the password one of its keys."""
    job_id = curl.submit(title="secret")
    wrong = browse(shared, "/", user, "wrong")
    assert wrong.status == 401
    assert wrong.headers["www-authenticate"].startswith("Basic ")
    if user != "ACME":
        assert browse(shared, "/", user).status == 401
        assert browse(shared, f"/documents/{job_id}", user).status == 401
    free = shared.cli("key", "add")
    page = browse(shared, "/", user, free)
    assert page.status == (200 if user in ("ACME", "Rival") else 401)
    assert ("secret" in page.text) is (user == "ACME")
    assert browse(shared, f"/documents/{job_id}", "Rival", free).status == 404


def test_only_get(shared: CloudletServer) -> None:
    """The page changes nothing."""
    assert Curl(shared.url, "").run("/", "-X", "POST").status == 405
    assert Curl(shared.url, "").get("/").status == 401
    assert Curl(shared.url, "").get("/favicon.ico").status == 404
