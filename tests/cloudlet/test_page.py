"""The page for people, without a browser: sign-in, content, actions and security.

tests/e2e/test_cloud_page.py tests how the page looks and updates itself.
"""

from __future__ import annotations

import html
import re
import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
import trustme

from cloudlet_server import CloudletServer, Tls
from curl import Answer, Curl
from paths import WELCOME
from visitor import Visitor


def _visitor(server: CloudletServer, *arguments: str, company: str = "ACME") -> Visitor:
    """Sign in with a new account."""
    name = f"person {len(server.cli('account', 'list').splitlines())}"
    password = server.cli("account", "add", name, "--company", company, *arguments)
    visitor = Visitor(server.url)
    assert visitor.sign_in(name, password).status == 303
    return visitor


@pytest.fixture(scope="module")
def visitor(shared: CloudletServer) -> Visitor:
    """A signed-in person of ACME, for tests that do not end the session."""
    return _visitor(shared)


def _is_at_the_door(answer: Answer) -> bool:
    return answer.status == 303 and answer.headers["location"].partition("?")[0] == "/sign-in"


def test_jobs_and_devices(shared: CloudletServer, curl: Curl, visitor: Visitor) -> None:
    """The page shows locations, devices and jobs, with states and properties in words."""
    done = curl.submit(title="Grüße.pdf", props="copies=2\nduplex=3\nmystery=4")
    curl.submit(title="waits", targets="Away:Folder")
    shared.wait_for_job(done, 2)
    page = visitor.get("/")
    assert page.status == 200
    for text in ("PDF only", "Away", "Offline", "Grüße.pdf", "2 copies", "two-sided, short edge",
                 "mystery=4", "Delivered", "Waiting for the location", done):  # fmt: skip
        assert text in page.text
    about = visitor.get(f"/jobs/{done}").text
    for text in (
        "<dt><bdi>duplex</bdi></dt><dd><bdi>3</bdi></dd>",
        "submitted",
        "received",
        "delivered",
        "Download",
    ):
        assert text in about


@pytest.mark.parametrize(
    ("accepted", "language", "words"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de", ("Standorte", "2 Exemplare", "Zugestellt", "Abmelden")),
        ("nl, es;q=0.5, fr;q=0.4", "es", ("Ubicaciones", "2 copias", "Cerrar sesión")),
        ("en;q=0.1, fr", "fr", ("Sites", "2 copies", "Se déconnecter")),
        ("ja", "ja", ("拠点", "2 部", "サインアウト")),
        ("nl", "en", ("Locations", "2 copies", "Sign out")),
        ("de;q=0, *", "en", ("Locations",)),
        (";;,=q;q=x", "en", ("Locations",)),
    ],
)
def test_languages(
    shared: CloudletServer,
    curl: Curl,
    visitor: Visitor,
    accepted: str,
    language: str,
    words: tuple[str, ...],
) -> None:
    """The page is in the language that the browser prefers, and so are its errors."""
    shared.wait_for_job(curl.submit(props="copies=2"), 2)
    header = ("-H", f"Accept-Language: {accepted}")
    page = visitor.get("/", *header).text
    for text in (f'<html lang="{language}" dir="ltr">', *words):
        assert text in page
    missing = {"de": "Diese Seite gibt es nicht.", "en": "There is no such page."}
    assert missing.get(language, "") in visitor.get("/none", *header).text


def test_security_headers(shared: CloudletServer, visitor: Visitor) -> None:
    """Every response forbids foreign and inline content, storage and frames."""
    for answer in (visitor.get("/"), visitor.get("/none"), visitor.get("/page.js"),
                   Visitor(shared.url).get("/"), visitor.post("/", token="wrong")):  # fmt: skip
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    page = visitor.get("/").text
    for inline in ("<style", "style=", "<script>", "onclick", "javascript:"):
        assert inline not in page


def test_hostile_texts(shared: CloudletServer, curl: Curl, visitor: Visitor) -> None:
    """HTML in a title, a property or a name is shown as text."""
    hostile = "</li><script>alert(1)</script><img src=x onerror='a'>\"&"
    shared.cli("location", "add", "ACME/Hostile", "--name", hostile)
    shared.cli("device", "add", "ACME/Hostile/D", "--name", hostile)
    job_id = curl.submit(title=hostile, props=f"note={hostile}", targets="Hostile:D")

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            assert not any(name.startswith("on") for name in given)
            assert tag != "script" or given == {"src": "/page.js", "defer": None}
            assert (given.get("src") or "/").startswith("/")

    for path in ("/", f"/jobs/{job_id}"):
        page = visitor.get(path).text
        Tags().feed(page)
        assert page.count(
            html.escape(hostile).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
        )
    refused = Visitor(shared.url).sign_in(hostile, "wrong password")
    assert "<script>alert" not in refused.text


@pytest.mark.parametrize("name", ["{", "{1}", "{0.__class__}", "{0:>9000000}"])
def test_braces_in_names_of_props(
    shared: CloudletServer, curl: Curl, visitor: Visitor, name: str
) -> None:
    """Braces in a job's property neither break the page nor make it large."""
    curl.submit(props=f"{name}=some")
    page = visitor.get("/")
    assert page.status == 200
    assert f"<li><bdi>{html.escape(name)}=some</bdi></li>" in page.text


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        *(("PIN", False), ("Pin", False), ("JobPIN", False), ("user-pin", False), ("pin2", False)),
        *(("job-password", False), ("Passcode", False), ("UserPinCode", False)),
        *(("spinning", True), ("Pinned", True), ("Mapping", True), ("bypass", True)),
    ],
)
def test_pins(curl: Curl, visitor: Visitor, name: str, is_shown: bool) -> None:
    """The PIN of a job is on no page, because other people have accounts too."""
    value = f"4815{len(name)}{name[::-1]}"  # of no other test
    job_id = curl.submit(props=f"{name}={value}")
    for path in ("/", f"/jobs/{job_id}"):
        page = visitor.get(path).text
        assert html.escape(name) in page
        assert (value in page) is is_shown


def test_download(shared: CloudletServer, curl: Curl, visitor: Visitor) -> None:
    """A document is a download, and browsers never show it as a page of the server."""
    body = b"%PDF-1.4 <script>"
    answer = visitor.get(f"/jobs/{curl.submit(body, title='Übersicht <1>')}/document")
    assert answer.body == body
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "%C3%9Cbersicht" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("/jobs/20200101000000-1/document", "/jobs/../cloudlet.db/document",
                 "/jobs/..%2Fcloudlet.db/document", "/page.css/../../web.py"):  # fmt: skip
        assert visitor.get(path).status == 404


def test_pictures(shared: CloudletServer, curl: Curl, visitor: Visitor) -> None:
    """Pages are shown as PNG; a broken document's page shows the cause instead."""
    job_id = curl.submit(WELCOME.read_bytes(), title="good")
    shared.wait_for_job(job_id, 2)
    small = visitor.get(f"/jobs/{job_id}/thumbnail")
    assert small.headers["content-type"] == "image/png"
    assert _size(small) == (340, 480)
    assert _size(visitor.get(f"/jobs/{job_id}/pages/4")) == (1132, 1600)
    assert visitor.get(f"/jobs/{job_id}/pages/5").status == 404
    assert visitor.get(f"/jobs/{job_id}/pages/x").status == 404
    assert visitor.get(f"/jobs/{job_id}").text.count("<img src") == 5  # 4 pages and the logo
    broken = curl.submit(b"%PDF-1.4 nothing in it", title="broken")
    shared.wait_for_job(broken, 2)
    reason = visitor.get(f"/jobs/{broken}/thumbnail", "-H", "Accept-Language: de")
    assert (reason.status, reason.headers["content-type"]) == (404, "image/svg+xml")
    assert "beschädigt" in reason.text
    assert "damaged" in visitor.get(f"/jobs/{broken}").text
    waiting = curl.submit(WELCOME.read_bytes(), targets="Away:Folder")
    assert visitor.get(f"/jobs/{waiting}/thumbnail").status == 404


def _size(picture: Answer) -> tuple[int, int]:
    assert picture.body.startswith(b"\x89PNG")
    return int.from_bytes(picture.body[16:20], "big"), int.from_bytes(picture.body[20:24], "big")


def test_pictures_are_removed_at_a_restart(own: CloudletServer) -> None:
    """A restart removes all pictures, and the next view makes them again."""
    job_id = Curl(own.url, own.key).submit(WELCOME.read_bytes())
    own.wait_for_job(job_id, 2)
    visitor = _visitor(own)
    assert visitor.get(f"/jobs/{job_id}/thumbnail").status == 200
    assert len(list((own.data / "previews").glob("*/*.png"))) == 1
    own.restart()
    assert not list((own.data / "previews").iterdir())
    assert visitor.get(f"/jobs/{job_id}/thumbnail").status == 200


def test_not_sent_twice(shared: CloudletServer) -> None:
    """A browser with the current page gets status 304."""
    visitor = _visitor(shared, company="Rival")
    tag = visitor.get("/").headers["etag"]
    again = visitor.get("/", "-H", f"If-None-Match: {tag}")
    assert (again.status, again.body) == (304, b"")


def test_the_session(shared: CloudletServer) -> None:
    """The session's cookie is hidden from scripts and other sites; signing out ends the session."""
    password = shared.cli("account", "add", "session", "--company", "ACME")
    assert _is_at_the_door(Visitor(shared.url).get("/"))
    visitor = Visitor(shared.url)
    cookie = visitor.sign_in("session", password).headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", "path=/"):
        assert word in cookie
    assert visitor.token not in cookie
    assert visitor.get("/").status == 200
    assert _is_at_the_door(visitor.post("/sign-out"))
    assert _is_at_the_door(visitor.get("/"))
    with closing(sqlite3.connect(shared.data / "cloudlet.db")) as db:
        stored = "\n".join(db.iterdump())
    assert password not in stored
    assert visitor.cookie.partition("=")[2] not in stored
    assert "$argon2id$" in stored


@pytest.mark.parametrize("command", ["password", "remove"])
def test_an_account_that_changes_ends_its_sessions(shared: CloudletServer, command: str) -> None:
    """A new password or a removal signs the account out."""
    password = shared.cli("account", "add", command, "--company", "ACME")
    visitor = Visitor(shared.url)
    visitor.sign_in(command, password)
    changed = shared.cli("account", command, command)
    assert _is_at_the_door(visitor.get("/"))
    assert visitor.sign_in(command, password).status == 403
    if command == "password":
        assert visitor.sign_in(command, changed).status == 303


def test_over_tls_the_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    """No plain request sends the cookie, and no other host can set it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, ca = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    server = CloudletServer()
    server.start(tmp_path / "data", Tls(certificate, key))
    try:
        password = server.cli("account", "add", "anna", "--company", "ACME")
        visitor = Visitor(server.url, "--cacert", str(ca))
        cookie = visitor.sign_in("anna", password).headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert "; Secure" in cookie
        assert visitor.get("/").status == 200
    finally:
        server.close()


def test_a_key_opens_no_page(shared: CloudletServer) -> None:
    """Keys are for programs; people need an account."""
    assert _is_at_the_door(Curl(shared.url, shared.key).get("/"))
    assert _is_at_the_door(Curl(shared.url, "").run("/", "-u", f"ACME:{shared.key}"))
    assert Visitor(shared.url).sign_in("ACME", shared.key).status == 403


@pytest.mark.complete
def test_guessing_is_slow(own: CloudletServer) -> None:
    """After ten wrong passwords the right one is refused too, at any address of loopback.

    Other names are still accepted.
    """
    right = own.cli("account", "add", "anna", "--company", "ACME")
    other = own.cli("account", "add", "berta", "--company", "ACME")
    visitor = Visitor(own.url)
    for _ in range(10):
        assert visitor.sign_in("anna", "wrong password").status == 403
    refused = visitor.sign_in("anna", right)
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert visitor.cookie == ""
    assert visitor.sign_in("anna", right, "--interface", "127.0.0.2").status == 429
    assert visitor.sign_in("berta", other).status == 303
    for number in range(40):  # a client can claim another address
        header = f"X-Forwarded-For: 192.0.2.{number}"
        visitor.sign_in(f"guess {number}", "wrong password", "-H", header)
    assert visitor.sign_in("berta", other).status == 429
    assert "from 127.0.0.1 was not checked: too many wrong passwords" in own.log_text
    assert not re.search(r"wrong password\b", own.log_text)  # no name, and no password


def test_forms_of_other_sites(shared: CloudletServer, visitor: Visitor) -> None:
    """A form from another site is refused, even with the right form token."""
    password = shared.cli("account", "add", "lured", "--company", "ACME")
    for said in ("Origin: http://evil.example", "Origin: null",
                 "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"):  # fmt: skip
        assert visitor.post("/locations/Office/offline", "-H", said).status == 403
        assert Visitor(shared.url).sign_in("lured", password, "-H", said).status == 403
    assert "/locations/Office/offline" in visitor.get("/").text  # the switch of an online location


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_forms_without_the_token(shared: CloudletServer, visitor: Visitor, token: str) -> None:
    """The cookie alone is not enough, nor is another session's form token."""
    token = token if token != "wrong" else _visitor(shared).token
    assert visitor.post("/locations/Office/offline", token=token).status == 403
    assert visitor.post("/sign-out", token=token).status == 403
    assert visitor.get("/").status == 200


def test_switch_a_location(own: CloudletServer) -> None:
    """Jobs wait while a location is offline, and are delivered once it is online."""
    visitor = _visitor(own)
    assert visitor.post("/locations/Office/offline").status == 303
    job_id = Curl(own.url, own.key).submit()
    assert "offline" in own.cli("device", "list")
    assert own.jobs()[0]["state"] == 0
    assert visitor.post("/locations/Office/online").status == 303
    own.wait_for_job(job_id, 2)
    assert visitor.post("/locations/Nowhere/online").status == 404


def test_deliver_again_and_delete(own: CloudletServer, tmp_path: Path) -> None:
    """A failed job can be retried or deleted; a delivered job cannot."""
    ready = tmp_path / "ready"
    own.cli("device", "add", "ACME/Office/C", "--type", "command", "--target", f"test -e {ready}")
    visitor, curl = _visitor(own), Curl(own.url, own.key)
    first, second = (curl.submit(targets="Office:C") for _ in range(2))
    for each in (first, second):
        own.wait_for_job(each, 1, message="somebody delivers it again")
    assert "Not delivered" in visitor.get("/").text
    ready.touch()
    assert visitor.post(f"/jobs/{first}/retry").status == 303
    own.wait_for_job(first, 2)
    assert visitor.post(f"/jobs/{second}/delete").status == 303
    own.wait_for_job(second, 3)
    for job_id in (first, second):
        for verb in ("retry", "delete", "save", "trash"):
            refused = visitor.post(f"/jobs/{job_id}/{verb}")
            assert refused.status == 409
            assert "no longer possible" in refused.text
    assert visitor.get(f"/jobs/{second}/document").status == 404


@pytest.mark.attacker("page account")
def test_a_browser_user(own: CloudletServer) -> None:
    """Look for jobs of other locations, as a browser user: only jobs of the own location can be
    seen or changed."""
    own.cli("location", "add", "ACME/Anna", "--browser")
    curl = Curl(own.url, own.key)
    anna = _visitor(own, "--location", "Anna")
    others = curl.submit(title="for others")
    job_id = curl.submit(b"%PDF for Anna", title="for Anna", targets="Anna:browser")
    own.wait_for_job(job_id, 1)
    page = anna.get("/").text
    assert "for Anna" in page
    assert "for others" not in page
    assert "Office" not in page
    for path in (f"/jobs/{others}", f"/jobs/{others}/document", f"/jobs/{others}/thumbnail"):
        assert anna.get(path).status == 404
    assert anna.post(f"/jobs/{others}/delete").status == 404
    assert anna.post("/locations/Office/offline").status == 404
    assert anna.post("/locations/Anna/offline").status == 404
    assert anna.post(f"/jobs/{job_id}/retry").status == 409
    for verb, state in (("save", 8), ("trash", 9), ("save", 8), ("delete", 3)):
        answer = anna.post(f"/jobs/{job_id}/{verb}")
        assert curl.get(f"/api/get/job/ACME/Anna/browser/{job_id}").json["State"] == state
        assert (answer.body == b"%PDF for Anna") is (verb == "save")
    assert "for Anna" not in anna.get("/").text
    assert curl.get("/api/get/location/ACME/Anna").json["Type"] == 1
    assert curl.get("/api/get/device/ACME/Anna/browser").json["Target"] == "Anna:browser"


@pytest.mark.attacker("page account")
def test_another_company(shared: CloudletServer, curl: Curl) -> None:
    """Open or change jobs and locations of another company: status 404."""
    job_id = curl.submit(title="secret of ACME", targets="Away:Folder")
    rival = _visitor(shared, company="Rival")
    assert "secret of ACME" not in rival.get("/").text
    for path in ("", "/document", "/thumbnail", "/pages/1"):
        assert rival.get(f"/jobs/{job_id}{path}").status == 404
    assert rival.post(f"/jobs/{job_id}/delete").status == 404
    assert rival.post("/locations/Away/online").status == 404
    assert shared.wait_for_job(job_id, 0)


def test_unknown_pages(shared: CloudletServer, visitor: Visitor) -> None:
    """Strangers cannot tell which jobs exist; methods other than GET and POST do nothing."""
    for path in ("/", "/jobs/1-1", "/jobs/1-1/document"):
        assert _is_at_the_door(Visitor(shared.url).get(path))
    assert Visitor(shared.url).get("/favicon.ico").status == 404
    assert _is_at_the_door(Visitor(shared.url).post("/locations/Office/offline"))
    assert visitor.get("/none").status == 404
    assert visitor.get("/jobs/1-1").status == 404
    assert visitor.post("/none").status == 404
    assert visitor.get("/locations/Office/offline").status == 405
    assert visitor.get("//api/version").status == Visitor(shared.url).get("//jobs").status == 404
    assert visitor.get("/", "-X", "DELETE").status == 405
    assert visitor.post("/sign-out", "-d", "more=1").status == 400
