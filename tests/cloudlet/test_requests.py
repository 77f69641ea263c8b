"""Paths, parameters and keys: the faults of requests and their status codes."""

from __future__ import annotations

import socket
import sqlite3
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

ENDPOINTS = [
    ("PUT", "/api/putfile?targets=Office:Folder&title=a"),
    ("PUT", "/api/putfile"),
    ("PUT", "/api/putsegment?file=x&index=0"),
    ("GET", "/api/tempfile"),
    ("POST", "/api/submitfile"),
    ("GET", "/api/get/job/ACME/Office/Folder/1-1"),
    ("GET", "/api/get/location/ACME/Office"),
    ("GET", "/api/put/location/ACME/Office"),
    ("GET", "/api/get/device/ACME/Office/Folder"),
    ("GET", "/api/put/device/ACME/Office/Folder"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer", "Basic QUNNRTp4"])
def test_every_request_needs_a_key(curl: Curl, method: str, path: str, header: str) -> None:
    """Without a valid key every request gets status 401 and a message about the key."""
    answer = Curl(curl.url, "").run(path, "-X", method, "-H", f"Authorization: {header}")
    assert answer.status == 401
    assert "key" in answer.text
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_version_needs_none(curl: Curl, method: str) -> None:
    """/api/version returns four lines to anyone."""
    assert len(Curl(curl.url, "").run("/api/version", "-X", method).lines) == 4


def test_keys_come_and_go_at_once(curl: Curl, shared: CloudletServer) -> None:
    """A key works from the moment it is printed to the moment it is revoked."""
    key = shared.cli("key", "add", "--name", "temporary", "--company", "ACME")
    assert Curl(curl.url, key).get("/api/tempfile").status == 200
    assert "temporary\tACME" in shared.cli("key", "list")
    assert shared.cli_result("key", "add", "--name", "temporary").returncode == 1
    shared.cli("key", "revoke", "temporary")
    assert Curl(curl.url, key).get("/api/tempfile").status == 401
    assert shared.cli_result("key", "revoke", "temporary").returncode == 1


def test_keys_are_kept_hashed(shared: CloudletServer, curl: Curl) -> None:
    """Neither the data folder nor the log has a key."""
    curl.get("/api/tempfile")
    Curl(curl.url, shared.key + "x").get("/api/tempfile")
    with sqlite3.connect(shared.data / "cloudlet.db") as db:
        dump = "\n".join(db.iterdump())
    db.close()
    assert shared.key not in dump + shared.log_text + shared.cli("key", "list")
    files = [path for path in shared.data.iterdir() if path.is_file()]
    assert all(shared.key.encode() not in path.read_bytes() for path in files)
    assert shared.data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "path",
    [
        "/api/get/job/Rival/Office/Folder/1-1",
        "/api/get/location/Rival/Office",
        "/api/put/location/Rival/Office",
        "/api/get/device/Rival/Office/Folder",
        "/api/put/device/Rival/Office/Folder",
    ],
)
def test_company_of_another_key(curl: Curl, path: str) -> None:
    """A company that the key is not bound to gets status 403."""
    answer = curl.get(path)
    assert answer.status == 403
    assert "Rival" in answer.text


def test_compid_of_another_key(curl: Curl) -> None:
    """A compid that the key is not bound to gets status 403."""
    fields = {"targets": "Office:Folder", "title": "a", "compid": "Rival"}
    assert curl.put("/api/putfile", b"x", **fields).status == 403
    assert curl.post("/api/submitfile", file="x", **fields).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/api", "/api/", "/api/nothing", "/api/version/", "/api/version/x", "/API/version",
        "/api/get", "/api/get/job", "/api/get/job/ACME/Office/Folder", "/api/putfile/x",
        "//api/version", "/nothing", "/api/get/device/ACME/Office/Folder/1/2",
    ],
)  # fmt: skip
def test_unknown_path(curl: Curl, path: str) -> None:
    """An unknown path gets status 404."""
    answer = curl.get(path)
    assert answer.status == 404
    assert answer.text


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_wrong_method(curl: Curl, method: str, path: str) -> None:
    """A wrong method gets status 405; uploads allow PUT, all others GET and POST."""
    wrong = ("GET", "POST") if method == "PUT" else ("PUT",)
    for each in (*wrong, "DELETE", "PATCH"):
        assert curl.run(path, "-X", each).status == 405


@pytest.mark.parametrize("path", ["/api/version", "/api/get/device/ACME/Office/Folder", "/sign-in"])
def test_head(curl: Curl, path: str) -> None:
    """HEAD is answered as GET is, without the body (RFC 9110, section 9.3.2)."""
    read, asked = curl.get(path), curl.run(path, "--head")
    _, _, body = asked.body.partition(b"\r\n\r\n")  # curl shows both
    assert (asked.status, body) == (200, b"")
    assert {**asked.headers, "date": ""} == {**read.headers, "date": ""}
    assert int(asked.headers["content-length"]) == len(read.body) > 0


def test_head_changes_nothing(curl: Curl, shared: CloudletServer) -> None:
    """HEAD is refused where a GET has an effect; a status 405 names the methods that work."""
    before = (shared.data / "cloudlet.toml").read_text()
    for path in ("/api/put/device/ACME/Office/Folder?Name=x", "/api/tempfile", "/api/submitfile"):
        answer = curl.run(path, "--head")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert (shared.data / "cloudlet.toml").read_text() == before
    assert curl.run("/api/putfile").headers["allow"] == "PUT"
    assert curl.run("/", "-X", "PUT").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("bad", ["%", "%2", "%zz", "%FF", "%C3", "%ED%A0%80"])
def test_bad_encoding(curl: Curl, bad: str) -> None:
    """Paths, queries and forms that are not percent-encoded UTF-8 get status 400."""
    assert curl.get(f"/api/get/location/ACME/{bad}").status == 400
    assert curl.run(f"/api/submitfile?file={bad}").status == 400
    assert curl.run("/api/submitfile", "-d", f"file={bad}").status == 400


def test_raw_bytes_in_the_path(curl: Curl, shared: CloudletServer) -> None:
    """A request line that is not ASCII gets status 400, and the server keeps running."""
    with socket.create_connection(("127.0.0.1", shared.port)) as connection:
        connection.sendall(b"GET /api/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert curl.get("/api/version").status == 200


def test_repeated_and_unknown_parameters(curl: Curl) -> None:
    """A repeated or unknown parameter gets status 400."""
    for query, word in (("file=a&file=b", "twice"), ("file=a&prop=b", "'prop'"), ("=a", "''")):
        answer = curl.run(f"/api/submitfile?{query}")
        assert answer.status == 400
        assert word in answer.text
    assert "twice" in curl.run("/api/submitfile?file=a", "-d", "file=a").text
    assert curl.run("/api/tempfile?compid=ACME").status == 400
    assert curl.run("/api/putfile?compid=ACME", "-X", "PUT", "-d", "x").status == 400


def test_a_body_that_is_not_a_form(curl: Curl) -> None:
    """A POST body of another type gets status 415; a body that is too large gets 413."""
    json = ("-H", "Content-Type: application/json", "-d", "{}")
    assert curl.run("/api/submitfile", *json).status == 415
    large = b"file=" + b"x" * 2_000_000
    assert curl.run("/api/submitfile", "--data-binary", "@-", body=large).status == 413


@pytest.mark.parametrize(
    "odd",
    ["a/b", "100%", "what?", "two words", "日本語 – ✓", "#1", "a+b&c=d", "a\\b", "%2F", '"<b>'],
)
def test_ids(curl: Curl, shared: CloudletServer, odd: str) -> None:
    """An id is any text without `:`, `;` and control characters, percent-encoded in paths."""
    encoded = quote(odd, safe="")
    curl = Curl(curl.url, shared.new_key("ACME", "admin"))
    base = f"/api/put/location/ACME/{encoded}"
    assert curl.post(base, Name="odd").text == "OK"
    assert curl.post(f"/api/put/device/ACME/{encoded}/{encoded}", Type="1").text == "OK"
    job_id = curl.submit(targets=f"{odd}:{odd}")
    job = shared.wait_for_job(job_id, 2)
    assert (job["location"], job["device"]) == (odd, odd)
    assert curl.get(f"/api/get/job/ACME/{encoded}/{encoded}/{job_id}").json["State"] == 2
    folder = (shared.data / "delivered").resolve()
    assert len(Path(job["delivered_path"]).relative_to(folder).parts) == 3


@pytest.mark.parametrize("bad", [".", "..", "a:b", "a;b", "a\nb", "\x7f"])
def test_bad_ids(shared: CloudletServer, bad: str) -> None:
    """An id that does not fit into a target list is refused."""
    curl = Curl(shared.url, shared.new_key("ACME", "admin"))
    curl.get(f"/api/put/location/ACME/{quote(bad, safe='').replace('.', '%2E')}").refused("id")


def test_too_large(own: CloudletServer) -> None:
    """A body above the limit gets status 413; a document above the limit gets an Error."""
    with (own.data / "cloudlet.toml").open("a") as toml:
        toml.write("\n[limits]\ndocument_bytes = 100000\n")
    curl = Curl(own.url, own.key)
    fields = {"targets": "Office:Folder", "title": "a"}
    assert curl.put("/api/putfile", bytes(100_001), **fields).status == 413
    chunked = curl.run("/api/putfile", "-T", "-", body=bytes(300_000))
    assert chunked.status == 413
    name = curl.upload({0: b"x"})
    for index in ("99999", "100001", "9" * 18):
        answer = curl.put("/api/putsegment", b"xx", file=name, index=index)
        assert answer.status == 413
    bomb = zlib.compress(bytes(100_001))
    curl.put("/api/putfile", bomb, cmp="1", **fields).refused("larger")
    assert curl.submit(b"%PDF" + bytes(99_996))
    assert len(list((own.data / "documents").iterdir())) == 1


def test_early_answer_to_a_large_body(curl: Curl) -> None:
    """A client that is still sending gets the refusal."""
    answer = Curl(curl.url, "wrong").put("/api/putfile", bytes(20_000_000))
    assert answer.status == 401


def _exchange(server: CloudletServer, request: bytes) -> bytes:
    """Send the bytes of a request; return the response and whatever follows."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def _head(line: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join((line, *fields, b"Connection: close", b"", b""))


@pytest.mark.parametrize("target", [b"http://h/api/version", b"HTTPS://h:1/api/version"])
def test_absolute_targets(shared: CloudletServer, target: bytes) -> None:
    """A target with scheme and host is its path (RFC 9112, section 3.2.2)."""
    response = _exchange(shared, _head(b"GET %s HTTP/1.1" % target, b"Host: h"))
    assert response.startswith(b"HTTP/1.1 200 ")
    response = _exchange(shared, _head(b"GET http://h?a=b HTTP/1.1", b"Host: h"))
    assert response.startswith(b"HTTP/1.1 303 ")


@pytest.mark.parametrize(
    "line",
    [
        b"GET foo",
        b"GET *",
        b"OPTIONS *",
        b"CONNECT h:80",
        b"GET ?a=b",
        b"GET ftp://h/",
        b"GET h:80",
    ],
)
@pytest.mark.attacker("network")
def test_targets_that_are_no_paths(shared: CloudletServer, line: bytes) -> None:
    """Request a target that is not a path: status 400, and no traceback in the log."""
    response = _exchange(shared, _head(line + b" HTTP/1.1", b"Host: h"))
    assert response.startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in shared.log_text


@pytest.mark.parametrize("host", [b"[", b"a b", b"a/b", b"a@b", b"[::1", b"\xff", b"a:b"])
@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"GET /api/version HTTP/1.1"])
@pytest.mark.attacker("network")
def test_malformed_hosts(shared: CloudletServer, line: bytes, host: bytes) -> None:
    """Send a malformed host: status 400 (RFC 9112, section 3.2), and no traceback in the log."""
    response = _exchange(shared, _head(line, b"Host: " + host))
    assert response.startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in shared.log_text


@pytest.mark.parametrize(
    "host", [b"h", b"h:1", b"[::1]:1", b"[fe80::1%25eth0]", b"h_1.example", b""]
)
def test_hosts(shared: CloudletServer, host: bytes) -> None:
    """All correct hosts are accepted; HTTP/1.0 needs no host."""
    response = _exchange(shared, _head(b"GET /api/version HTTP/1.1", b"Host: " + host))
    assert response.startswith(b"HTTP/1.1 200 ")
    assert _exchange(shared, _head(b"GET /api/version HTTP/1.0")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("origin", [b"http://[", b"http://", b"//", b"[", b"\xff", b"http://h/"])
@pytest.mark.attacker("network")
def test_malformed_origins(shared: CloudletServer, origin: bytes) -> None:
    """Send a form with a malformed origin: status 403, and no traceback in the log."""
    fields = (b"Host: h", b"Content-Length: 0", b"Origin: " + origin)
    response = _exchange(shared, _head(b"POST /sign-in HTTP/1.1", *fields))
    assert response.startswith(b"HTTP/1.1 403 ")
    assert "Traceback" not in shared.log_text


@pytest.mark.attacker("network")
def test_long_cookies(shared: CloudletServer) -> None:
    """Send a cookie of 200,000 backslashes: the response comes at once, and the server stays free
    for others."""
    cookie = b'Cookie: a="%s"' % (b"\\" * 200_000)
    response = _exchange(shared, _head(b"GET / HTTP/1.1", b"Host: h", cookie))
    assert response.startswith(b"HTTP/1.1 303 ")


@pytest.mark.parametrize("line", [b"PUT /api/putfile", b"HEAD /sign-in", b"GET /"])
@pytest.mark.attacker("network")
def test_bodies_that_are_not_http(shared: CloudletServer, line: bytes) -> None:
    """Send a chunk that is not HTTP, before or after the response begins: no traceback in the
    log."""
    head = line + b" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    _exchange(shared, head + b"no chunk\r\n")
    with socket.create_connection(("127.0.0.1", shared.port), timeout=60) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")
        connection.sendall(b"no chunk\r\n")
        while connection.recv(65536):
            pass
    assert "Traceback" not in shared.log_text
