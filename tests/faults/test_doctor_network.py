"""The doctor's checks of the way to a server: each fault is real, and its advice is compared."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from cirrus_bridge.api.connectivity import Endpoint
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity
from cirrus_bridge.cirrusctl.doctor.network import Route, check_route
from cloudlet_server import CloudletServer, Tls
from scripted_server import Answer, RawBytes, ScriptedServer

HOST = "127.0.0.1"
DAY = timedelta(days=1)


def now() -> datetime:
    """This machine's time."""
    return datetime.now().astimezone()


def way(server: str, *, ca: Path | None = None, proxy: str | None = None) -> Route:
    """The way to HOST:PORT, by TLS if there is a `ca`."""
    host, _, port = server.rpartition(":")
    endpoint = Endpoint(host, int(port), proxy)
    return Route(server, endpoint, ca is not None, str(ca), timeout_s=5.0)


def found(there: Route) -> dict[str, Finding]:
    """The doctor's findings by check."""
    findings = list(check_route(there, now))
    assert all(each.fix for each in findings if each.severity is not Severity.OK)
    assert not any(".." in text for each in findings for text in (each.text, each.fix))
    return {each.check: each for each in findings}


class Authority:
    """A CA, and servers with its certificates."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.folder = folder
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.file))

    def issue(
        self, name: str = HOST, begins: datetime | None = None, ends: datetime | None = None
    ) -> Tls:
        """A certificate and its key, as files."""
        made = self.ca.issue_cert(name, not_before=begins, not_after=ends)
        tls = Tls(self.folder / "server.pem", self.folder / "server.key")
        made.private_key_pem.write_to_path(str(tls.key))
        tls.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return tls

    @contextlib.contextmanager
    def server(self, tls: Tls) -> Iterator[str]:
        """A real server with this certificate; HOST:PORT."""
        cloud = CloudletServer()
        cloud.start(self.folder / "cloud" / "data", tls)
        try:
            yield cloud.url.partition("://")[2]
        finally:
            cloud.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A CA of the test's own."""
    (tmp_path / "cloud").mkdir()
    return Authority(tmp_path)


def test_a_good_certificate(authority: Authority) -> None:
    """All steps are good, and the certificate's end is reported."""
    ends = datetime.now(UTC) + 100 * DAY
    with authority.server(authority.issue(ends=ends)) as server:
        said = found(way(server, ca=authority.file))
    assert {each.severity for each in said.values()} == {Severity.OK}
    assert said.keys() == {"TCP", "TLS", "clock"}
    assert f"until {ends:%Y-%m-%d}" in said["TLS"].text


@pytest.mark.parametrize(
    ("begins", "ends", "words", "advice"),
    [
        (-10 * DAY, -DAY, "expired", "renew"),
        (DAY, 10 * DAY, "not yet valid", "clock"),
    ],
)
def test_dates(
    authority: Authority, begins: timedelta, ends: timedelta, words: str, advice: str
) -> None:
    """A certificate outside its time is reported; the server's clock is still checked."""
    tls = authority.issue(begins=datetime.now(UTC) + begins, ends=datetime.now(UTC) + ends)
    with authority.server(tls) as server:
        said = found(way(server, ca=authority.file))
    assert said["TLS"].severity is Severity.ERROR and said["TLS"].code == "CB-412"
    assert words in said["TLS"].text and advice in said["TLS"].fix
    assert said["clock"].severity is Severity.OK


def test_it_expires_soon(authority: Authority) -> None:
    """A certificate that expires soon is reported in time."""
    with authority.server(authority.issue(ends=datetime.now(UTC) + 5 * DAY)) as server:
        bad = found(way(server, ca=authority.file))["TLS"]
    assert bad.severity is Severity.WARNING
    assert "expires in 4 days" in bad.text and "renew" in bad.fix


def test_another_name(authority: Authority) -> None:
    """A certificate of another name is reported."""
    with authority.server(authority.issue("print.example.com")) as server:
        bad = found(way(server, ca=authority.file))["TLS"]
    assert "not valid for '127.0.0.1'" in bad.text and "the name from the certificate" in bad.fix


def test_unknown_ca(authority: Authority, tmp_path: Path) -> None:
    """A certificate of an untrusted CA or of itself is reported."""
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with authority.server(authority.issue()) as server:
        bad = found(way(server, ca=stranger))["TLS"]
        assert bad.code == "CB-405" and "ca_file" in bad.fix
    tls = Tls(tmp_path / "self.pem", tmp_path / "self.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90",
         "-subj", "/CN=own", "-addext", f"subjectAltName=IP:{HOST}",
         "-keyout", tls.key, "-out", tls.certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    with authority.server(tls) as server:
        bad = found(way(server, ca=stranger))["TLS"]
    assert "self-signed" in bad.text and "ca_file" in bad.fix


def test_a_client_certificate_is_demanded(authority: Authority) -> None:
    """The finding asks to change the server: Cirrus Bridge has no client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.ca.issue_cert(HOST).configure_cert(context)
    authority.ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with ScriptedServer(lambda _: Answer(), tls=context) as server:
        bad = found(way(server.name, ca=authority.file))["TLS"]
    assert bad.code == "CB-405" and "certificate required" in bad.text
    assert "does not support client certificates" in bad.fix


def test_no_tls(authority: Authority) -> None:
    """A port with plain HTTP is reported."""
    with ScriptedServer(lambda _: Answer()) as plain:
        bad = found(way(plain.name, ca=authority.file))["TLS"]
    assert bad.code == "CB-405" and 'encryption = "never"' in bad.fix


def test_a_clock_that_differs() -> None:
    """The server's time is compared; a server without a time counts as right."""
    ahead = datetime.now(UTC) + timedelta(hours=3)
    lines = f"HTTP/1.1 200 OK\r\nDate: {ahead:%a, %d %b %Y %H:%M:%S} GMT\r\n\r\n"
    with ScriptedServer(lambda _: RawBytes(lines.encode())) as server:
        bad = found(way(server.name))["clock"]
    assert bad.severity is Severity.WARNING
    assert "3 hours behind the server's" in bad.text and "timedatectl" in bad.fix
    with ScriptedServer(lambda _: RawBytes(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        assert found(way(server.name)).keys() == {"TCP"}


def test_expired_by_a_wrong_clock(authority: Authority) -> None:
    """The first advice is to set the clock, because the certificate may be good."""
    tls = authority.issue(begins=datetime.now(UTC) - 2 * DAY, ends=datetime.now(UTC) - DAY)
    with authority.server(tls) as server:
        there = way(server, ca=authority.file)
        findings = {each.check: each for each in check_route(there, lambda: now() + 30 * DAY)}
    assert findings["TLS"].fix.startswith("First set this machine's clock")
    assert "30 days ahead of" in findings["clock"].text


def test_a_name_that_does_not_resolve() -> None:
    """RFC 6761, 6.4: .invalid never resolves."""
    bad = found(way("print.invalid:443"))["DNS"]
    assert bad.code == "CB-411" and "Cannot look up the name print.invalid" in bad.text
    assert "getent hosts print.invalid" in bad.fix


def test_a_closed_port() -> None:
    """A closed port is reported, and later steps are left out."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    said = found(way(f"{HOST}:{port}"))
    assert said.keys() == {"TCP"}
    assert "connection refused" in said["TCP"].text and "port in servers.d" in said["TCP"].fix


def test_nobody_accepts() -> None:
    """Lost packets, as behind a firewall, are reported: the port's queue is full."""
    with socket.create_server((HOST, 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        there = way(f"{HOST}:{full.getsockname()[1]}")
        bad = found(Route(there.name, there.endpoint, False, "", timeout_s=0.5))["TCP"]
    assert "timed out" in bad.text and "firewall" in bad.fix


def test_tls_that_stalls(authority: Authority) -> None:
    """An open port that sends nothing is reported."""
    with socket.create_server((HOST, 0)) as silent:
        there = way(f"{HOST}:{silent.getsockname()[1]}", ca=authority.file)
        bad = found(Route(there.name, there.endpoint, True, there.cas, timeout_s=0.5))["TLS"]
    assert "timed out" in bad.text and "openssl s_client" in bad.fix


def test_a_closed_proxy(authority: Authority) -> None:
    """The finding names the proxy, not the server, and hides the proxy's password."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    proxy = f"http://user:pass-word@{HOST}:{port}"
    said = found(way("print.example.com:443", ca=authority.file, proxy=proxy))
    assert said.keys() == {"proxy"}
    assert f"{HOST}, port {port} (connection refused)" in said["proxy"].text
    assert "pass-word" not in str(said)


def test_a_proxy_that_refuses(authority: Authority) -> None:
    """A proxy that refuses the tunnel is reported."""
    with ScriptedServer(lambda _: Answer("", 501)) as proxy:
        server = way("print.example.com:443", ca=authority.file, proxy=f"http://{proxy.name}")
        said = found(server)
    bad = said["proxy"]
    assert "501" in bad.text and "CONNECT" in bad.fix and bad.code == "CB-405"


def test_through_a_proxy(authority: Authority) -> None:
    """The certificate must fit the server's name, which this machine cannot look up.

    The proxy gets our credentials.
    """
    tls = authority.issue("print.invalid")
    with authority.server(tls) as server, _tunnel(server) as (proxy, heads):
        there = way("print.invalid:443", ca=authority.file, proxy=f"http://user:p%40ss@{proxy}")
        said = found(there)
    assert said["TLS"].severity is Severity.OK and said["clock"].severity is Severity.OK
    asked = [head for head in heads if head]  # a check that the port is open sends nothing
    assert asked and all(b"Proxy-Authorization: Basic dXNlcjpwQHNz" in head for head in asked)


@contextlib.contextmanager
def _tunnel(server: str) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that connects every request to one server; its HOST:PORT, and the requests."""
    host, _, port = server.rpartition(":")
    heads: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket) -> None:
        heads.append(client.recv(65536))
        with client, socket.create_connection((host, int(port))) as there:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(there, client))
            back.start()
            pump(client, there)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"{HOST}:{listener.getsockname()[1]}", heads
