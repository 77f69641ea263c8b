"""`cirrusctl doctor --server`: every assumption holds against the embedded cloud.

If a front breaks one assumption, exactly that assumption is reported.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme

from cirrus_bridge.base.errors import UnknownServer
from cirrus_bridge.base.model import Target
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity
from cirrus_bridge.cirrusctl.doctor.wire.examination import ASSUMPTIONS, examine_server
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer
from cirrus_bridge.cirrusctl.setup.test_page import test_page as page
from cloudlet_server import CloudletServer, Tls
from scripted_server import Answer, RawBytes, Request, ScriptedServer

HOST = "127.0.0.1"
PASSED_ON = ("Authorization", "Content-Type", "Idempotency-Key")
PASSED_BACK = ("Server-Instance", "Idempotency-Supported", "WWW-Authenticate")
TARGET = Target("Office", "Folder")
ALL = {str(each.name) for each in ASSUMPTIONS}
Respond = Callable[[Request], Answer]
Break = Callable[[Request, Respond], Answer | RawBytes]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudletServer]:
    """An embedded cloud that only test pages change."""
    server = CloudletServer()
    server.start(tmp_path_factory.mktemp("cloud") / "data")
    yield server
    server.close()


def installation(folder: Path, server: str, key: str, **entry: str) -> Installation:
    """A machine with one server in servers.d."""
    path = folder / "config" / "servers.d" / "cloud.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    fields = {"host": server, "company": "ACME", "api_key": key, **entry}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    path.write_text("\n".join(["[[server]]", *lines, 'locations = ["Office"]', ""]))
    return Installation(folder / "config", folder / "state", folder / "cache", "nowhere")


def examine(where: Installation, name: str, submit_to: Target | None = TARGET) -> list[Finding]:
    """The doctor's findings; all but good ones have a next step."""
    findings = examine_server(where, name, submit_to, page)
    assert all(each.fix for each in findings if each.severity is not Severity.OK)
    assert not any(".." in text for each in findings for text in (each.text, each.fix))
    return findings


def broken(findings: list[Finding]) -> set[str]:
    """The assumptions that do not hold."""
    bad = (each for each in findings if each.severity is not Severity.OK)
    return {str(each.check) for each in bad if each.check != "untried"}


def untried(findings: list[Finding]) -> str:
    """The findings about assumptions that the doctor did not try."""
    return " ".join(each.text for each in findings if each.check == "untried")


@dataclass
class Front:
    """A server in front of the embedded cloud."""

    cloud: CloudletServer

    def respond(self, request: Request) -> Answer:
        """The embedded cloud's own response."""
        line = http.client.HTTPConnection(HOST, self.cloud.port, timeout=30)
        is_form = "urlencoded" in request.headers.get("Content-Type", "")
        query = "" if is_form or not request.fields else f"?{urlencode(request.fields)}"
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        line.request(request.method, request.path + query, request.body, headers)
        response = line.getresponse()
        text = response.read().decode()
        line.close()
        back = {name: response.headers[name] for name in PASSED_BACK if name in response.headers}
        return Answer(text, response.status, back)


# --- each breaks one assumption


def passes(request: Request, respond: Respond) -> Answer:
    """Break nothing."""
    return respond(request)


def redirects(request: Request, respond: Respond) -> Answer:
    """Send everyone to another host."""
    return Answer("", 301, {"Location": f"https://print.example.com{request.path}"})


def version(request: Request, respond: Respond) -> Answer:
    """Leave out the licensee."""
    answer = respond(request)
    is_it = request.path == "/api/version"
    return replace(answer, text=answer.text.rpartition("\n")[0]) if is_it else answer


def api_key(request: Request, respond: Respond) -> Answer:
    """Require the key in a header of its own."""
    if "Authorization" in request.headers:
        return Answer("no X-Api-Key", 401)
    return respond(request)


def field(path: str, name: str, value: object) -> Break:
    """Change one field of a JSON response; None removes it."""

    def broken_by(request: Request, respond: Respond) -> Answer:
        answer = respond(request)
        if not request.path.startswith(f"/api/get/{path}/") or not answer.text.startswith("{"):
            return answer
        content = json.loads(answer.text)
        content[name] = value
        if value is None:
            del content[name]
        return replace(answer, text=json.dumps(content))

    return broken_by


def unknown_job(request: Request, respond: Respond) -> Answer:
    """Describe jobs that do not exist."""
    answer = respond(request)
    is_it = request.path.startswith("/api/get/job/") and answer.text.startswith("Error")
    return replace(answer, text='{"State": 0}') if is_it else answer


def header(name: str, values: Iterator[str] | None = None) -> Break:
    """Leave out a header, or give it other values."""

    def broken_by(request: Request, respond: Respond) -> Answer:
        answer = respond(request)
        headers = {key: value for key, value in answer.headers.items() if key != name}
        return replace(answer, headers=headers | ({name: next(values)} if values else {}))

    return broken_by


def method(endpoint: str, wanted: str) -> Break:
    """Accept only one method."""

    def broken_by(request: Request, respond: Respond) -> Answer:
        if request.path == f"/api/{endpoint}" and request.method != wanted:
            return Answer("not this method", 405)
        return respond(request)

    return broken_by


def text(endpoint: str, change: Callable[[str], str]) -> Break:
    """Change a response of plain text."""

    def broken_by(request: Request, respond: Respond) -> Answer:
        answer = respond(request)
        is_it = request.path == f"/api/{endpoint}" and not answer.text.startswith("Error")
        return (
            replace(answer, text=change(answer.text)) if is_it and answer.status == 200 else answer
        )

    return broken_by


def repeated_segment() -> Break:
    """Refuse a segment at a position that has one."""
    seen: set[tuple[str, str]] = set()

    def broken_by(request: Request, respond: Respond) -> Answer:
        if request.path == "/api/putsegment":
            place = request.fields["file"], request.fields["index"]
            if place in seen:
                return Answer("Error: there is a segment already")
            seen.add(place)
        return respond(request)

    return broken_by


def order_of_segments() -> Break:
    """Refuse a segment that does not continue the file."""
    ends: dict[str, int] = {}

    def broken_by(request: Request, respond: Respond) -> Answer:
        if request.path == "/api/putsegment":
            name, index = request.fields["file"], int(request.fields["index"])
            if index > ends.get(name, 0):
                return Answer("Error: there is a gap")
            ends[name] = max(ends.get(name, 0), index + len(request.body))
        return respond(request)

    return broken_by


def parallel_segments() -> Break:
    """Refuse a segment while another is under way."""
    lock = threading.Lock()

    def broken_by(request: Request, respond: Respond) -> Answer:
        if request.path != "/api/putsegment":
            return respond(request)
        if not lock.acquire(blocking=False):
            return Answer("busy", 503)
        try:
            time.sleep(0.2)
            return respond(request)
        finally:
            lock.release()

    return broken_by


def repeated_submit() -> Break:
    """Announce repeated submits, but print again."""

    def broken_by(request: Request, respond: Respond) -> Answer:
        headers = {k: v for k, v in request.headers.items() if k != "Idempotency-Key"}
        return respond(replace(request, headers=headers))

    return broken_by


def wrong_key(key: str) -> Break:
    """Accept any key."""

    def broken_by(request: Request, respond: Respond) -> Answer:
        headers = {**request.headers, "Authorization": f"Bearer {key}"}
        return respond(replace(request, headers=headers))

    return broken_by


BREAKS: dict[str, tuple[Callable[[CloudletServer], Break], str]] = {
    "redirects": (lambda _: redirects, "print.example.com"),
    "version": (lambda _: version, "version: status 200, 45 bytes: cirrus-cloudlet"),
    "API key": (lambda _: api_key, "no X-Api-Key"),
    "wrong key": (lambda cloud: wrong_key(cloud.key), "accepts a wrong key"),
    "get location": (lambda _: field("location", "Devices", ["Folder"]), "Devices"),
    "get device": (lambda _: field("device", "Formats", "any"), "type: Formats"),
    "unknown job": (lambda _: unknown_job, "does not exist"),
    "Server-Instance": (
        lambda _: header("Server-Instance", map(str, itertools.count())),
        "changed between two requests",
    ),
    "Idempotency-Supported": (lambda _: header("Idempotency-Supported"), "does not offer this"),
    "tempfile": (lambda _: method("tempfile", "GET"), "not this method; but GET works"),
    "putsegment": (lambda _: text("putsegment", lambda said: f"{said} bytes"), "number of bytes"),
    "repeated segment": (lambda _: repeated_segment(), "there is a segment already"),
    "order of segments": (lambda _: order_of_segments(), "there is a gap"),
    "parallel segments": (lambda _: parallel_segments(), "503"),
    "putfile": (lambda _: text("putfile", lambda _: "4711"), "putfile: status 200, 4 bytes: 4711."),
    "repeated submit": (lambda _: repeated_submit(), "printed the page again"),
    "submitfile": (lambda _: method("submitfile", "GET"), "not this method"),
    "get job": (lambda _: field("job", "State", "printed"), "get job: status 200"),
    "job size": (lambda _: field("job", "Size", 1), "its size is 1 bytes instead of"),
    "job name": (lambda _: field("job", "Name", "Salaries"), "“Salaries”"),
    "job props": (
        lambda _: field("job", "Properties", {"copies": "1"}),
        "lacks collate=1, color=1",
    ),
    "job times": (lambda _: field("job", "Submitted", None), "does not offer this"),
}


def test_every_assumption_is_broken_once() -> None:
    """Each assumption has a front, or a test of its own without HTTP."""
    assert BREAKS.keys() == ALL - {"connection", "TLS"}


def test_the_embedded_cloud(tmp_path: Path) -> None:
    """Over TLS, with test pages, every assumption holds, and each page is printed once."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = Tls(tmp_path / "server.pem", tmp_path / "server.key")
    made = ca.issue_cert(HOST)
    made.private_key_pem.write_to_path(str(tls.key))
    tls.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    cloud = CloudletServer()
    cloud.start(tmp_path / "cloud", tls)
    try:
        name = cloud.url.partition("://")[2]
        where = installation(tmp_path, name, cloud.key, ca_file=str(tmp_path / "ca.pem"))
        findings = examine(where, name)
        assert len(cloud.jobs()) == 2
    finally:
        cloud.close()
    assert [str(each.check) for each in findings] == [str(each.name) for each in ASSUMPTIONS]
    assert {each.severity for each in findings} == {Severity.OK}


def test_nothing_is_printed_unasked(cloud: CloudletServer, tmp_path: Path) -> None:
    """Submits are not tried without a target, and the doctor says how to try them."""
    before = cloud.jobs()
    name = f"{HOST}:{cloud.port}"
    where = installation(tmp_path, name, cloud.key, encryption="never")
    findings = examine(where, name, None)
    assert cloud.jobs() == before and not broken(findings)
    (page_needed,) = [each for each in findings if "it prints a page" in each.text]
    assert "putfile, repeated submit, submitfile, get job, job size" in page_needed.text
    assert page_needed.fix.endswith(f"cirrusctl doctor --server {name} --submit LOCATION:DEVICE")


def test_a_front_that_breaks_nothing(cloud: CloudletServer, tmp_path: Path) -> None:
    """Without such a front, the other tests would prove nothing."""
    assert not _broken_by(passes, cloud, tmp_path)


@pytest.mark.parametrize("name", BREAKS)
def test_one_broken_assumption(name: str, cloud: CloudletServer, tmp_path: Path) -> None:
    """Exactly that assumption is reported, with the server's reaction."""
    make, words = BREAKS[name]
    findings = _broken_by(make(cloud), cloud, tmp_path)
    assert set(findings) == {name}
    assert words in findings[name].text


def test_no_connection(tmp_path: Path) -> None:
    """One finding is the reason why all others were not tried."""
    with ScriptedServer(lambda _: Answer()) as gone:
        name = gone.name
    findings = examine(installation(tmp_path, name, "k", encryption="never"), name)
    assert broken(findings) == {"connection"}
    assert "“connection” does not hold" in untried(findings)


def test_no_tls(tmp_path: Path) -> None:
    """A port with plain HTTP is reported."""
    with ScriptedServer(lambda _: Answer()) as plain:
        findings = examine(
            installation(tmp_path, plain.name, "k", encryption="required"), plain.name
        )
    assert broken(findings) == {"TLS"}
    assert "“TLS” does not hold" in untried(findings)


def test_the_password_of_a_location_is_not_shown(cloud: CloudletServer, tmp_path: Path) -> None:
    """No response in place of a location reveals the password."""

    def wrapped(request: Request, respond: Respond) -> Answer:
        answer = respond(request)
        if request.path.startswith("/api/get/location/"):
            return replace(answer, text=json.dumps([{"Password": "hunter2"}]))
        return answer

    findings = _broken_by(wrapped, cloud, tmp_path)
    assert "get location" in findings and "hunter2" not in str(findings)


def test_which_server_is_meant(tmp_path: Path) -> None:
    """A server without an entry and a submit for several companies are errors."""
    where = installation(tmp_path, "print.example.com", "k")
    path = where.config / "servers.d" / "cloud.toml"
    path.write_text(path.read_text() + path.read_text().replace("ACME", "Rival"))
    with pytest.raises(UnknownServer, match="cirrusctl setup"):
        examine(where, "other.example.com")
    with pytest.raises(UnknownServer, match="cirrusctl setup"):
        examine(where, "print.example.com/Third")
    with pytest.raises(WrongAnswer, match=r"--server print\.example\.com/COMPANY"):
        examine(where, "print.example.com")
    text = path.read_text().replace('company = "Rival"\n', "")
    path.write_text(text.replace("print.example.com", f"{HOST}:1"))
    (found, *_) = examine(replace(where), f"{HOST}:1/ACME")  # the entry that a queue would use
    assert "connection refused" in found.text


def _broken_by(broken_by: Break, cloud: CloudletServer, tmp_path: Path) -> dict[str, Finding]:
    """The names of the assumptions that do not hold behind a front."""
    front = Front(cloud)
    with ScriptedServer(lambda request: broken_by(request, front.respond)) as server:
        where = installation(tmp_path, server.name, cloud.key, encryption="never")
        findings = examine(where, server.name)
    names = broken(findings)
    return {str(each.check): each for each in findings if str(each.check) in names}
