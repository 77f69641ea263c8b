"""The connection to a server on real sockets: TLS, proxies, and who is at fault."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.connectivity import Endpoint, handshake
from cirrus_bridge.api.session import Sessions
from cirrus_bridge.base.distrust import ADVICE_FOR_SETUP, Distrust
from cirrus_bridge.base.errors import (
    ApiError,
    NotTrusted,
    Refused,
    ServerMisconfigured,
    TooLarge,
    Unreachable,
)
from cirrus_bridge.base.model import Compression, Target, Ticket
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.servers import Secret, Server
from scripted_server import Answer, Drip, Request, Reset, ScriptedServer

HOST = "127.0.0.1"
DAY = timedelta(days=1)
TICKET = Ticket((Target("Paris", "L"),), "T", {}, Compression.NONE, "k-1")
CALLS: dict[str, Callable[[CloudApi], object]] = {
    "temp_file": lambda api: api.temp_file(),
    "put_file": lambda api: api.put_file(b"data", TICKET),
}
both_calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def _api(name: str, *, ca: Path | None = None, proxy: str | None = None) -> CloudApi:
    """The API client of a server, by TLS if there is a `ca`."""
    server = Server(name, Secret("sekret-k3y"), "A", ca_file=str(ca) if ca else None, proxy=proxy)
    timeouts = UploadSettings(connect_timeout_s=2, read_timeout_s=1)
    return CloudApi(server, "A", https=ca is not None, timeouts=timeouts)


def _trouble(call: Callable[[CloudApi], object], api: CloudApi) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call(api)
    text = str(caught.value)
    assert ".." not in text and "SSL" not in text
    return caught.value


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    """The file for the trusted CA of a test."""
    return tmp_path / "ca.pem"


def _tls(
    ca: trustme.CA,
    name: str = HOST,
    begins: datetime | None = None,
    ends: datetime | None = None,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name, not_before=begins, not_after=ends).configure_cert(context)
    return context


# --- certificates

FUTURE, PAST = datetime.now(UTC) + 10 * DAY, datetime.now(UTC) - 10 * DAY


@both_calls
@pytest.mark.parametrize(
    ("name", "dates", "error", "why"),
    [
        (HOST, {"begins": PAST, "ends": PAST + DAY}, NotTrusted, Distrust.EXPIRED),
        (HOST, {"begins": FUTURE}, NotTrusted, Distrust.NOT_YET_VALID),
        ("print.example.com", {}, ServerMisconfigured, Distrust.OTHER_NAME),
    ],
    ids=["expired", "not yet valid", "other name"],
)
def test_certificates(
    ca_file: Path,
    call: Callable[[CloudApi], object],
    name: str,
    dates: dict[str, datetime],
    error: type[ApiError],
    why: Distrust,
) -> None:
    """An outdated certificate may be renewed while the job waits; any other fault needs a person.
    Each fault has its own advice, and a submit did not happen."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(ca_file))
    with ScriptedServer(lambda _: Answer("1-1"), tls=_tls(ca, name, **dates)) as server:
        trouble = _trouble(call, _api(server.name, ca=ca_file))
    assert type(trouble) is error and "not trusted" in str(trouble)
    assert str(trouble).endswith(why.value)
    assert getattr(trouble, "distrust", why) is why
    assert server.requests == []


def test_unknown_ca(ca_file: Path) -> None:
    """An unknown CA is a fault of the configuration. Setup asks for the CA's file."""
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    with ScriptedServer(lambda _: Answer("t"), tls=_tls(trustme.CA())) as server:
        trouble = _trouble(CALLS["temp_file"], _api(server.name, ca=ca_file))
        entry = Server(server.name, Secret("sekret-k3y"), "A", ca_file=str(ca_file))
        new = CloudApi(entry, "A", https=True, timeouts=UploadSettings(), sets_up=True)
        at_setup = _trouble(CALLS["temp_file"], new)
    why = Distrust.UNKNOWN_CA
    for each, advice in ((trouble, why.value), (at_setup, ADVICE_FOR_SETUP[why])):
        assert isinstance(each, ServerMisconfigured)
        assert each.distrust is why
        assert str(each).endswith(advice)


@both_calls
@pytest.mark.parametrize(
    ("version", "why"),
    [
        (ssl.TLSVersion.TLSv1_2, Distrust.HANDSHAKE),
        (ssl.TLSVersion.TLSv1_3, Distrust.CLIENT_CERTIFICATE),
    ],
)
def test_client_certificate(
    ca_file: Path, call: Callable[[CloudApi], object], version: ssl.TLSVersion, why: Distrust
) -> None:
    """A demand for a client certificate (in TLS 1.3 after the request) is reported; a submit did
    not happen. `handshake` finds the same."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(ca_file))
    tls = _tls(ca)
    ca.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.minimum_version = tls.maximum_version = version
    with ScriptedServer(lambda _: Answer("1-1"), tls=tls) as server:
        trouble = _trouble(call, _api(server.name, ca=ca_file))
        port = int(server.name.rpartition(":")[2])
        seen = handshake(Endpoint(HOST, port), str(ca_file), timeout_s=2)
    assert isinstance(trouble, ServerMisconfigured) and trouble.distrust is why
    assert "client certificate" in str(trouble)
    assert seen.distrust is why and seen.words in str(trouble)


# --- connections that are opened before they are needed


def _pools(api: CloudApi) -> list[Any]:
    """urllib3's pools of the client's connections."""
    adapter: Any = api._session().get_adapter("https://")
    pools = adapter.poolmanager.pools
    return [pools[key] for key in pools.keys()]  # noqa: SIM118 - not iterable


@contextlib.contextmanager
def _tunnel(target: str) -> Iterator[str]:
    """HOST:PORT of a proxy that connects each client to `target`."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    class Tunnel(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                head += self.request.recv(1024)
            host, _, port = target.partition(":")
            with socket.create_connection((host, int(port))) as server:
                self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                threading.Thread(target=pump, args=(server, self.request), daemon=True).start()
                pump(self.request, server)

    with socketserver.ThreadingTCPServer((HOST, 0), Tunnel) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        yield f"{HOST}:{proxy.server_address[1]}"
        proxy.shutdown()


def _is_readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 10)[0])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_connection_that_is_opened_early_is_used(ca_file: Path, version: ssl.TLSVersion) -> None:
    """The next request uses the connection, although TLS 1.3 has sent tickets there meanwhile."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(ca_file))
    tls = _tls(ca)
    tls.maximum_version = version
    with ScriptedServer(lambda _: Answer("t"), tls=tls) as server:
        api = _api(server.name, ca=ca_file)
        api.connect()
        (pool,) = _pools(api)
        if version is ssl.TLSVersion.TLSv1_3:
            assert _is_readable(pool.pool.queue[-1].sock)
        assert api.temp_file() == "t"
        api.connect()  # it is idle again
        assert api.temp_file() == "t"
    assert tls.session_stats()["accept"] == 1


def test_a_connection_that_the_server_has_closed_is_not_used(ca_file: Path) -> None:
    """A server may close an idle connection; the next request opens another one."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(ca_file))
    tls = _tls(ca)
    with ScriptedServer(lambda _: Answer("t", headers={"Connection": "close"}), tls=tls) as server:
        api = _api(server.name, ca=ca_file)
        api.connect()
        (pool,) = _pools(api)
        socket.socket.shutdown(pool.pool.queue[-1].sock, socket.SHUT_RD)  # as if by the server
        assert api.temp_file() == "t"
    assert tls.session_stats()["accept"] == 2


def test_cas_are_read_once(ca_file: Path) -> None:
    """Further connections do not read the CAs, which takes longer than a handshake."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(ca_file))
    tls = _tls(ca)
    with ScriptedServer(lambda _: Answer("t", headers={"Connection": "close"}), tls=tls) as server:
        api = _api(server.name, ca=ca_file)
        api.temp_file()
        ca_file.unlink()
        assert api.temp_file() == "t"
    assert tls.session_stats()["accept"] == 2


def test_cas_are_read_again_after_an_error(ca_file: Path) -> None:
    """A CA that was added after an error is trusted, although the session may live long."""
    ca = trustme.CA()
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    with ScriptedServer(lambda _: Answer("t"), tls=_tls(ca)) as server:
        api = _api(server.name, ca=ca_file)
        _trouble(CALLS["temp_file"], api)
        ca.cert_pem.write_to_path(str(ca_file), append=True)
        assert api.temp_file() == "t"


def test_a_connection_by_a_proxy_is_opened_early(ca_file: Path) -> None:
    """The tunnel of a connection that was opened early is used, too."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(ca_file))
    tls = _tls(ca)
    with ScriptedServer(lambda _: Answer("t"), tls=tls) as server, _tunnel(server.name) as proxy:
        api = _api(server.name, ca=ca_file, proxy=f"http://{proxy}")
        api.connect()
        assert api.temp_file() == "t"
    assert tls.session_stats()["accept"] == 1


# --- proxies

PASSWORD = "pÄss w@rd"
QUOTED = "p%C3%84ss%20w%40rd"


@contextlib.contextmanager
def _closed() -> Iterator[str]:
    """HOST:PORT of a closed port."""
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        yield f"{HOST}:{nobody.getsockname()[1]}"


@both_calls
@pytest.mark.parametrize("https", [True, False])
def test_a_dead_proxy(ca_file: Path, call: Callable[[CloudApi], object], https: bool) -> None:
    """The message names the proxy, not the server, and shows no password."""
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    with _closed() as name:
        proxy = f"http://user:{QUOTED}@{name}"
        api = _api("print.example.com", ca=ca_file if https else None, proxy=proxy)
        trouble = _trouble(call, api)
    assert isinstance(trouble, Unreachable)
    assert str(trouble).startswith(f"Cannot reach the proxy {name} (connection refused). ")
    assert "print.example.com" not in str(trouble)
    assert QUOTED not in str(trouble) + trouble.detail


def test_a_proxy_whose_name_is_unknown(ca_file: Path) -> None:
    """A proxy's unknown name is reported as the proxy's (RFC 6761, 6.4: .invalid has no hosts)."""
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    api = _api("print.example.com", ca=ca_file, proxy="http://proxy.invalid:3128")
    trouble = _trouble(CALLS["temp_file"], api)
    # without network, nobody knows whether the name exists
    causes = ("its name ", "cannot look up its name")
    told = [f"Cannot reach the proxy proxy.invalid:3128 ({cause}" for cause in causes]
    assert str(trouble).startswith(tuple(told))


@both_calls
@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, ServerMisconfigured) for status in (400, 403, 405, 407, 501)),
        *((status, Unreachable) for status in (429, 502, 503, 504)),
    ],
)
def test_a_proxy_that_makes_no_connection(
    ca_file: Path, call: Callable[[CloudApi], object], status: int, error: type[ApiError]
) -> None:
    """A refusal is a fault of the configuration; other failures of a proxy may pass."""
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    with ScriptedServer(lambda _: Answer("", status)) as proxy:
        api = _api("print.example.com", ca=ca_file, proxy=f"http://user:{QUOTED}@{proxy.name}")
        trouble = _trouble(call, api)
    assert type(trouble) is error
    assert f"proxy {proxy.name} did not connect to print.example.com" in str(trouble)
    assert str(status) in str(trouble) and QUOTED not in str(trouble) + trouble.detail
    assert ("CONNECT" in str(trouble)) == (error is ServerMisconfigured)


def test_who_we_are_to_a_proxy(ca_file: Path) -> None:
    """Printing and the doctor send user and password in UTF-8 (RFC 7617, 2.1), for a tunnel and
    for a plain request."""
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    with ScriptedServer(lambda _: Answer("no", 407)) as proxy:
        url = f"http://user:{QUOTED}@{proxy.name}"
        _trouble(CALLS["temp_file"], _api("print.example.com", ca=ca_file, proxy=url))
        plain = _trouble(CALLS["temp_file"], _api("print.example.com", proxy=url))
        with pytest.raises(ServerMisconfigured):
            handshake(Endpoint("print.example.com", 443, url), str(ca_file), timeout_s=2)
    assert isinstance(plain, ServerMisconfigured) and "USER:PASSWORD" in str(plain)
    said = [request.headers["Proxy-Authorization"] for request in proxy.requests]
    assert [request.method for request in proxy.requests] == ["CONNECT", "POST", "CONNECT"]
    assert {base64.b64decode(each.removeprefix("Basic ")).decode() for each in said} == {
        f"user:{PASSWORD}"
    }


def test_a_proxy_that_never_comes_to_an_answer(ca_file: Path) -> None:
    """The time limit applies to interim answers to CONNECT as well."""
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    drip = Drip(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000, 0.01)
    with ScriptedServer(lambda _: drip) as proxy:
        trouble = _trouble(
            CALLS["put_file"],
            _api("print.example.com", ca=ca_file, proxy=f"http://{proxy.name}"),
        )
    assert isinstance(trouble, Unreachable) and "no response in time" in str(trouble)


# --- refusals for other reasons than the queue's target


@both_calls
@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (402, Refused, "license"),
        (407, ServerMisconfigured, "USER:PASSWORD"),
        (413, TooLarge, "segment_bytes"),
        (414, TooLarge, "shorter title"),
        (421, ServerMisconfigured, "host name"),
        (426, ServerMisconfigured, "Use TLS"),
    ],
)
def test_advice_of_a_status(
    call: Callable[[CloudApi], object], status: int, error: type[ApiError], advice: str
) -> None:
    """Each status has its own advice, after the server's words."""
    with ScriptedServer(lambda _: Answer("such are my rules.", status)) as server:
        trouble = _trouble(call, _api(server.name))
    assert type(trouble) is error
    assert f"(status {status}): such are my rules. " in str(trouble)
    assert advice in str(trouble) and "lpadmin -v" not in str(trouble)


@pytest.mark.parametrize(
    "words",
    [
        "Error: device 'L' at 'Paris' takes pdf, and this document is ps",
        "Error: unsupported document format",
    ],
)
def test_advice_of_a_refused_format(words: str) -> None:
    """The advice for a refused format is to use the device's driver."""
    with ScriptedServer(lambda _: Answer(words)) as server:
        trouble = _trouble(CALLS["put_file"], _api(server.name))
    assert type(trouble) is Refused and "driver" in str(trouble)
    assert "lpadmin -v" not in str(trouble) and str(trouble).endswith("release the job.")


def test_a_value_that_a_prop_does_not_take() -> None:
    """A refused prop is not a refused format."""

    def script(_: Request) -> Answer:
        return Answer("Error: props: copies='x', but copies takes 1 to 99")

    with ScriptedServer(script) as server:
        assert "driver" not in str(_trouble(CALLS["put_file"], _api(server.name)))


def test_jobs_share_connections_but_no_cookies() -> None:
    """A job uses the connection of the job before, and tells the server nothing about that job."""

    def script(request: Request) -> Answer:
        return Answer("1", headers={"Set-Cookie": f"job={request.path}"})

    sessions = Sessions()
    with ScriptedServer(script) as server:
        for _ in range(2):
            assert _job_over(sessions, server.name).temp_file() == "1"
            sessions.end_job()
        ports = {request.client_port for request in server.requests}
        assert len(ports) == 1
        assert all("cookie" not in map(str.lower, each.headers) for each in server.requests)
        sessions.close()


def test_a_submit_over_a_connection_that_the_server_closes() -> None:
    """A server may close an idle connection just when the next job begins. The submit of that job
    goes over a new connection, so its answer is not lost."""

    def script(request: Request) -> Answer | Reset:
        is_stale = len({each.client_port for each in server.requests}) == 1
        return Reset() if is_stale and len(server.requests) > 1 else Answer("20260101120000-1")

    sessions = Sessions()
    with ScriptedServer(script) as server:
        for _ in range(2):
            _job_over(sessions, server.name).put_file(b"data", TICKET)
            sessions.end_job()
        submits = [each for each in server.requests if each.path.startswith("/api/putfile")]
        assert len(submits) == 2
        sessions.close()


def _job_over(sessions: Sessions, name: str) -> CloudApi:
    server = Server(name, Secret("k"), "A", allow_plaintext=True)
    timeouts = UploadSettings()
    return CloudApi(server, "A", https=False, timeouts=timeouts, session_for=sessions.session_for)
