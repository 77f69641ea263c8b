"""TLS and a sign-in: who may print, and in whose name."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import pwd
import ssl
from collections.abc import Iterator

import pytest

from cirrus_bridge.config.accounts import ACCOUNTS, set_account
from cirrus_bridge.ipp.message import (
    Attribute,
    Attributes,
    Group,
    JobState,
    Message,
    Operation,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import MimeType, Name, Uri
from cirrus_bridge.ipp_server.certificates import FILE
from cirrus_bridge.journal.run_notes import make_state_folder
from paths import WELCOME
from printer_site import PrinterSite

PASSWORD = "correct horse"


class _SignedSite(PrinterSite):
    """A site whose clients have to sign in."""

    def configure(self, *, key: str = "") -> None:
        super().configure(key=key)
        path = self.config / ACCOUNTS
        make_state_folder(self.state)
        set_account(path, "ann", PASSWORD, group=pwd.getpwuid(self.state.stat().st_uid).pw_gid)

    def is_up(self) -> bool:
        assert self.program is not None
        assert self.program.poll() is None, self.log()
        with contextlib.suppress(OSError):
            status, body = self.tls_post(self.request(Operation.CUPS_GET_PRINTERS), "ann", PASSWORD)
            return status == 200 and bool(decode(body).all(Group.PRINTER))
        return False

    def request(
        self, operation: Operation, *attributes: Attribute, path: str = "/", user: str = "root"
    ) -> bytes:
        uri = Attribute("printer-uri", [Uri(f"ipps://localhost:{self.tls_port}{path}")])
        name = Attribute("requesting-user-name", [Name(user)])
        return encode(operation, [(Group.OPERATION, [uri, name, *attributes])])

    def tls_post(self, body: bytes, name: str = "", password: str = "") -> tuple[int, bytes]:
        """Send a body over TLS; check the service's own certificate."""
        certificate = self.state / "printers" / "tls" / FILE
        context = ssl.create_default_context(cafile=str(certificate))
        headers = {"Content-Type": "application/ipp"}
        if name:
            coded = base64.b64encode(f"{name}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {coded}"
        connection = http.client.HTTPSConnection(
            "localhost", self.tls_port, context=context, timeout=60
        )
        with contextlib.closing(connection):
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture(scope="module")
def site() -> Iterator[_SignedSite]:
    if os.geteuid() != 0:
        pytest.skip("the accounts' file belongs to root")
    with _SignedSite("sign_in = true") as shared:
        yield shared


def _told(site: _SignedSite, body: bytes) -> Message:
    status, answer = site.tls_post(body, "ann", PASSWORD)
    assert status == 200
    return decode(answer)


def _printer(site: _SignedSite) -> Attributes:
    return _told(site, site.request(Operation.CUPS_GET_PRINTERS)).all(Group.PRINTER)[0]


def test_the_verified_name_is_the_jobs_user(site: _SignedSite) -> None:
    """Whatever name the client sends in the request."""
    path = _printer(site).text("printer-uri-supported").partition(f":{site.tls_port}")[2]
    asked = Attribute("document-format", [MimeType("application/pdf")])
    body = site.request(Operation.PRINT_JOB, asked, path=path) + WELCOME.read_bytes()
    created = _told(site, body).all(Group.JOB)[0]
    job_id = created.number("job-id")
    assert job_id
    about = Attribute("job-id", [job_id])
    job = Attributes()
    while job.number("job-state") != JobState.COMPLETED:
        answer = _told(site, site.request(Operation.GET_JOB_ATTRIBUTES, about, path=path))
        job = answer.all(Group.JOB)[0]
    assert job.text("job-originating-user-name") == "ann"


def test_without_a_password(site: _SignedSite) -> None:
    """Neither a missing nor a wrong password gets anything."""
    body = site.request(Operation.CUPS_GET_PRINTERS)
    assert site.tls_post(body)[0] == 401
    assert site.tls_post(body, "ann", "wrong")[0] == 401
    assert site.tls_post(body, "bob", PASSWORD)[0] == 401


def test_no_password_without_tls(site: _SignedSite) -> None:
    """Nobody is asked to send a password in plain text."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    with contextlib.closing(connection):
        connection.request(
            "POST",
            "/",
            site.request(Operation.CUPS_GET_PRINTERS),
            {"Content-Type": "application/ipp"},
        )
        answer = connection.getresponse()
        assert answer.status == 403
        assert "WWW-Authenticate" not in answer.headers


def test_the_printer_says_how_to_reach_it(site: _SignedSite) -> None:
    """Over TLS, with a sign-in, and in no other way."""
    printer = _printer(site)
    assert printer.text("printer-uri-supported").startswith("ipps://")
    assert printer["uri-authentication-supported"][0] == "basic"
