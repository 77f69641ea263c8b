"""Any bytes on a connection of the embedded cloud get an answer, never status 500 or a traceback.

Requests are made of likely pieces and arbitrary ones, and go over a socket to a real server.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudlet_server import CloudletServer
from curl import Curl
from visitor import Visitor


@contextlib.contextmanager
def _closed_by_the_server() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
            raise


class Surface:
    """A server, with the ids and secrets that a valid request needs."""

    def __init__(self, server: CloudletServer, values: dict[bytes, bytes]) -> None:
        self._server = server
        self._values = values  # what stands for a secret or an id in a request → the real one
        self._logged = server.log.stat().st_size

    def exchange(self, *pieces: bytes, ends: bool) -> bytes:
        """Send bytes, and return everything that is received; `ends` closes our direction."""
        address = ("127.0.0.1", self._server.port)
        received = b""
        with (
            socket.create_connection(address, timeout=60) as connection,
            _closed_by_the_server(),
        ):
            for piece in pieces:
                connection.sendall(self.fill_in(piece))
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while read := connection.recv(65536):
                received += read
        return received

    def check(self, received: bytes) -> None:
        """Check the answer to anything, and that the server logged no error of its own."""
        assert not received.startswith(b"HTTP/1.1 500 "), received
        honest = self.exchange(
            b"GET /api/version HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", ends=False
        )
        assert honest.startswith(b"HTTP/1.1 200 ")
        with self._server.log.open() as log:
            log.seek(self._logged)
            lines = log.read()
            self._logged = log.tell()
        assert "Traceback" not in lines
        assert "internal error" not in lines

    def fill_in(self, piece: bytes) -> bytes:
        for name, value in self._values.items():
            piece = piece.replace(name, value)
        return piece


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surface]:
    """A server with a job, an upload and a signed-in person."""
    server = CloudletServer()
    server.start(tmp_path_factory.mktemp("surface") / "data")
    try:
        visitor = Visitor(server.url)
        visitor.sign_in(
            "anna", server.cli("account", "add", "anna", "--company", "ACME", "--role", "admin")
        )
        curl = Curl(server.url, server.key)
        values = {
            "KEY": server.key,
            "ADMIN": server.new_key("ACME", "admin"),
            "COOKIE": visitor.cookie,
            "TOKEN": quote(visitor.token, safe=""),
            "JOB": curl.submit(),
            "FILE": curl.upload({0: b"%PDF"}),
        }
        yield Surface(server, {f"<{k}>".encode(): v.encode() for k, v in values.items()})
        assert curl.get("/api/tempfile").status == 200
        assert visitor.get("/").status == 200
    finally:
        server.close()


_METHODS = st.sampled_from(
    [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"A!"]
)
_PATHS = st.sampled_from(
    b"""/ /sign-in /page.css /jobs/<JOB> /jobs/<JOB>/document /jobs/<JOB>/thumbnail
    /jobs/<JOB>/pages/1 /jobs/<JOB>/save /jobs/<JOB>/retry /locations/Office/online
    /print /print/Office/Folder /release /release/Office/Folder /jobs/<JOB>/release /release-codes
    /accounts /accounts/anna/user /keys /keys/key/print /devices /devices/new /devices/new-at/Office
    /devices/at/Office /devices/at/Office/Folder /devices/enable/Office /changes
    /sign-in/with/ACME /sign-in/done/ACME
    /api/version /api/tempfile /api/putfile /api/putsegment /api/submitfile
    /api/get/job/ACME/Office/Folder/<JOB> /api/get/device/ACME/Office/Folder
    /api/get/location/ACME/Office /api/put/device/ACME/Office/Folder
    /api/put/location/ACME/Office * foo h:80 http://h/ http://[ https://h/api/version
    //h/ /api /api/get/job/""".split()
)
_ODD = st.sampled_from(
    b"""% %00 %FF %2F %C3%BC %0D%0A / // .. . ? & = # ; : @ [ ] \\ %ED%A0%80 %C2%B2 %D9%A3
    9999999999999999999 -1 1e9 0 1 2 nan %E2%80%AE {} {0.__class__} %25s a""".split()
)
_NAMES = st.sampled_from(
    b"file index targets title props cmp compid Name IsInactive Notes Formats DefaultProps name"
    b" password token next copies released id type role location target formats props hold before"
    b" code state iss error q status place person day verb job left".split()
)
_VALUES = st.sampled_from(
    b"<FILE> <TOKEN> <JOB> Office:Folder Office:Folder;Office:Folder ACME anna pdf;any copies=2"
    b" copies=%00 copies=2%0Acolor=1 waiting failed retry delete 2026-11-30 Office:".split()
)
_VALUE = st.lists(_VALUES | _ODD, max_size=3).map(b"".join)
_FORM = st.lists(st.tuples(_NAMES, _VALUE).map(b"=".join), max_size=6).map(b"&".join)
_TARGET = st.builds(
    lambda path, odd, query: path + b"".join(odd) + (b"?" + query if query else b""),
    _PATHS,
    st.lists(_ODD, max_size=2),
    _FORM,
)
_ODD_BYTES = st.binary(max_size=20).filter(lambda some: not set(some) & set(b"\r\n\0"))
_FIELD_VALUES = st.sampled_from(
    [
        *(b"Bearer <KEY>", b"Bearer", b"Basic \xff", b"<COOKIE>", b'a="\\', b"=;=;", b"http://["),
        *(b"null", b"http://h", b"h", b"[", b"[::1]:x", b"a b", b"100-continue", b"websocket"),
        *(
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=b",
            b"text/plain",
            b"*",
            b"bytes=0-1",
            b"bytes=5-2,,",
        ),
        *(b"bytes=-1", b"bytes=99999999999-", b"same-origin", b"cross-site", b"keep-alive"),
    ]
)
_FIELD_NAMES = st.sampled_from(
    b"Authorization Cookie Origin Sec-Fetch-Site Content-Type Expect Upgrade Range If-Range Host"
    b" If-None-Match Idempotency-Key X-Forwarded-For Accept Forwarded".split()
)
_FIELD = st.tuples(_FIELD_NAMES, _FIELD_VALUES | _ODD_BYTES).map(b": ".join)
_USUAL = st.sampled_from(
    [
        *([b"Host: h", b"Authorization: Bearer <KEY>"], [b"Host: h", b"Cookie: <COOKIE>"]),
        *([b"Host: h", b"Authorization: Bearer <ADMIN>"], [b"Host: h"], []),
    ]
)
_FORM_TYPE = b"Content-Type: application/x-www-form-urlencoded"
_FILE_TYPE = b"Content-Type: multipart/form-data; boundary=b"
_PART = st.builds(
    lambda name, more, value: (
        b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name, more, value)
    ),
    _NAMES,
    st.sampled_from([b"", b'; filename="a/b"', b"; filename*=x", b"\r\nContent-Type: a", b"\xff"]),
    _VALUE | st.binary(max_size=20),
)
_FILE_FORM = st.builds(
    lambda parts, end: (
        b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n<TOKEN>\r\n'
        + b"".join(parts)
        + end
    ),
    st.lists(_PART, max_size=4),
    st.sampled_from([b"--b--\r\n", b"--b--", b"--b", b""]),
)


@pytest.mark.attacker("page account")
@given(
    _METHODS,
    _TARGET,
    _USUAL,
    st.lists(_FIELD, max_size=3),
    _FORM.map(lambda form: (_FORM_TYPE, form and form + b"&token=<TOKEN>"))
    | st.tuples(st.just(_FILE_TYPE), _FILE_FORM)
    | st.tuples(st.sampled_from([_FORM_TYPE, _FILE_TYPE]), st.binary(max_size=50)),
    st.sampled_from([b"1.1", b"1.0"]),
)
def test_requests(
    surface: Surface,
    method: bytes,
    target: bytes,
    usual: list[bytes],
    fields: list[bytes],
    sent: tuple[bytes, bytes],
    version: bytes,
) -> None:
    """Send requests with any target, fields and body: no status 500, and no traceback in the
    log."""
    kind, body = sent
    filled = surface.fill_in(body)
    framing = [kind, b"Connection: close", b"Content-Length: %d" % len(filled)]
    line = b"%s %s HTTP/%s" % (method, target, version)
    head = b"\r\n".join([line, *usual, *fields, *framing, b"", b""])
    received = surface.exchange(head + filled, ends=False)
    assert received.startswith(b"HTTP/1.1 ")
    surface.check(received)


_FRAMING = st.sampled_from(
    [
        *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999"),
        *(b"Content-Length: 5, 6", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
        *(b"Connection: close", b"Connection: upgrade", b" folded", b"no colon", b": empty"),
    ]
)
_BODIES = st.sampled_from(
    [
        *(b"", b"hello", b"5\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b"zz\r\n", b"-5\r\n"),
        *(b"ffffffffffffffffff\r\n", b"0\r\nTrailer: x\r\n\r\n", b"\r\n\r\n", b"\0"),
    ]
)
_RAW = st.lists(
    st.builds(
        lambda method, target, fields, ends, bodies: (
            b"\r\n".join([method + b" " + target + b" HTTP/1.1", *fields, b""]) + ends + bodies
        ),
        _METHODS,
        _TARGET,
        st.lists(_FIELD | _FRAMING | st.just(b"Host: h"), max_size=4),
        st.sampled_from([b"\r\n", b"\n", b""]),
        st.lists(_BODIES, max_size=3).map(b"".join),
    )
    | st.binary(max_size=50),
    min_size=1,
    max_size=3,
)


@pytest.mark.attacker("network")
@given(_RAW)
def test_bytes(surface: Surface, pieces: list[bytes]) -> None:
    """Send requests that are broken, pipelined or cut off: no traceback in the log, and others are
    served."""
    surface.check(surface.exchange(*pieces, ends=True))
