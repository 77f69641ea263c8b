"""Slow and greedy clients: what the server waits for, and which connection makes room.

A clock of the test's own replaces the server's, so no test waits.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trustme
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from cirrus_http.connections import Limits, Listener
from cloudlet_server import CloudletServer
from curl import Curl

HALF_REQUEST = b"GET /api/version HTTP/1.1\r\nHost: x\r\n"
UPLOAD = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
PIECE_BYTES = 2**20
PIECES = 64  # together more than the kernel's buffers of a connection
PLENTY = Limits(connections=100, of_a_network=100)


class Rig:
    """A server with a fake clock; an address of loopback is a network of its own.

    127.0.1.0/24 is one site, as are all networks of an IPv6 site; others are sites of their own.
    """

    def __init__(self, limits: Limits) -> None:
        self.client_tls: ssl.SSLContext | None = None
        self.now_s = 0.0
        self.received = 0
        self.is_done = asyncio.Event()
        self.started = asyncio.Semaphore(0)
        self.answers = asyncio.Lock()  # a test that holds it keeps all requests running
        self.listener = Listener(
            socket.AF_INET, socket.SOCK_STREAM, 0, limits, lambda: self.now_s, str, _site
        )
        self.listener.bind(("127.0.0.1", 0))

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, but for `/refused`; send a large response for `/large`."""
        self.started.release()
        async with self.answers:
            pass
        more = scope["path"] != "/refused"
        while more:
            message = await receive()
            self.received += len(message.get("body", b""))
            more = message.get("more_body", False)
        pieces = PIECES if scope["path"] == "/large" else 0
        length = [(b"content-length", b"%d" % (pieces * PIECE_BYTES))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        for _ in range(pieces):  # waits until most of the pieces before are sent
            body = bytes(PIECE_BYTES)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body"})
        self.is_done.set()

    async def tick(self, seconds: float = 1.0) -> None:
        """Let time pass, and let the server check its connections."""
        self.now_s += seconds
        self.listener.check()
        await asyncio.sleep(0.001)

    async def connect(
        self, sent: bytes, address: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect from an address, and send something."""
        port = self.listener.getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(address, 0), ssl=self.client_tls
        )
        writer.write(sent)
        return reader, writer

    async def ask(self, address: str = "127.0.0.1") -> bytes:
        """Return the response to an honest client; empty if the connection was closed."""
        reader, writer = await self.connect(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", address
        )
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def is_dropped(self, reader: asyncio.StreamReader) -> bool:
        """Let time pass until the server closes a connection; tell whether it took 30 s."""
        before_s = self.now_s
        ended = asyncio.ensure_future(_end(reader))
        while not ended.done():
            await self.tick()
        return self.now_s - before_s > 30


def _site(address: str) -> str:
    return "site" if address.startswith("127.0.1.") else address


async def _end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        pass


@asynccontextmanager
async def _rig(limits: Limits = PLENTY, tls: ssl.SSLContext | None = None) -> AsyncIterator[Rig]:
    rig = Rig(limits)
    config = uvicorn.Config(
        rig.app,
        http=rig.listener.protocol(),
        ws="none",
        log_config=None,
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: rig.listener.protocol()(config, state, {}), sock=rig.listener, ssl=tls
    )
    async with server:
        yield rig
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)  # the event loop closes them


def _tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario()

    asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"GET /", HALF_REQUEST], ids=["nothing", "line", "fields"])
@pytest.mark.attacker("network")
def test_half_requests_end(sent: bytes) -> None:
    """Send half of a request's head: the connection is closed after 30 s."""

    async def scenario() -> None:
        async with _rig() as rig:
            reader, writer = await rig.connect(sent)
            assert await rig.is_dropped(reader)
            writer.close()

    _run(scenario)


def test_dripping_heads_end() -> None:
    """A byte now and then does not keep the head of a request alive."""

    async def scenario() -> None:
        async with _rig() as rig:
            reader, writer = await rig.connect(HALF_REQUEST + b"X: ")
            ended = asyncio.ensure_future(_end(reader))
            while not ended.done():
                writer.write(b"x")
                await rig.tick()
            assert 30 < rig.now_s < 100
            writer.close()

    _run(scenario)


@pytest.mark.attacker("network")
def test_tls_handshakes_end() -> None:
    """Begin a TLS handshake only: the connection is closed after 30 s."""

    async def scenario() -> None:
        async with _rig(tls=_tls(trustme.CA())) as rig:
            reader, writer = await rig.connect(b"\x16\x03\x01\x02\x00")
            assert await rig.is_dropped(reader)
            writer.close()

    _run(scenario)


@pytest.mark.attacker("network")
def test_dripping_bodies_end() -> None:
    """Send a body at less than 15,000 bytes in 30 s: the connection is closed."""

    async def scenario() -> None:
        async with _rig() as rig:
            reader, writer = await rig.connect(UPLOAD)
            ended = asyncio.ensure_future(_end(reader))
            while not ended.done():
                writer.write(b"x")
                await rig.tick()
            assert 30 < rig.now_s < 100
            writer.close()

    _run(scenario)


def test_slow_honest_bodies_pass() -> None:
    """A body of any size may take hours, at 600 bytes in a second."""

    async def scenario() -> None:
        async with _rig() as rig:
            reader, writer = await rig.connect(UPLOAD)
            while rig.received < 2_000_000:
                expected = rig.received + 6_000
                writer.write(bytes(6_000))
                while rig.received < expected:
                    await asyncio.sleep(0)
                await rig.tick(10.0)
            writer.write(bytes(8_000_000))
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            assert rig.now_s > 3_000
            writer.close()

    _run(scenario)


@pytest.mark.attacker("network")
def test_bodies_after_the_response_end() -> None:
    """Continue a body after its request was refused: the connection is closed after 30 s."""

    async def scenario() -> None:
        async with _rig() as rig:
            head = b"PUT /refused HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            reader, writer = await rig.connect(head)
            ended = asyncio.ensure_future(_end(reader))
            while not ended.done():
                writer.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")
                await rig.tick()
            assert 30 < rig.now_s < 100
            writer.close()

    _run(scenario)


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.attacker("network")
def test_responses_that_nobody_reads_end(is_tls: bool) -> None:
    """Request something, and do not read the response: the connection is closed after 30 s."""

    async def scenario() -> None:
        authority = trustme.CA()
        async with _rig(tls=_tls(authority) if is_tls else None) as rig:
            if is_tls:
                rig.client_tls = ssl.create_default_context()
                authority.configure_trust(rig.client_tls)
            _, writer = await rig.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            while not rig.is_done.is_set():
                await rig.tick()
            assert rig.now_s > 30
            writer.close()

    _run(scenario)


def test_slow_honest_readers_pass() -> None:
    """A response may take hours, as long as the client reads it."""

    async def scenario() -> None:
        async with _rig() as rig:
            reader, writer = await rig.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            for _ in range(PIECES):
                await reader.readexactly(PIECE_BYTES)
                await rig.tick(25.0)
            writer.close()

    _run(scenario)


async def _is_served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Complete a half request; tell whether it is answered."""
    writer.write(b"Connection: close\r\n\r\n")
    return (await reader.read()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.attacker("network")
def test_the_busiest_network_makes_room() -> None:
    """Occupy all connections of a server: each new client of another network takes over one of
    them."""

    async def scenario() -> None:
        async with _rig(Limits(connections=5, of_a_network=5)) as rig:
            greedy = [await rig.connect(HALF_REQUEST, "127.0.0.9") for _ in range(20)]
            honest = await rig.connect(HALF_REQUEST, "127.0.0.2")
            assert (await rig.ask("127.0.0.3")).startswith(b"HTTP/1.1 200 ")
            assert await _is_served(*honest)
            for _, writer in [*greedy, honest]:
                writer.close()

    _run(scenario)


def test_many_networks_cannot_keep_out_one() -> None:
    """With one connection for each of many networks, the oldest makes room for a new client."""

    async def scenario() -> None:
        async with _rig(Limits(connections=5, of_a_network=5)) as rig:
            greedy = []
            for number in range(10, 30):
                greedy.append(await rig.connect(HALF_REQUEST, f"127.0.0.{number}"))
                await rig.tick()
            assert (await rig.ask("127.0.0.3")).startswith(b"HTTP/1.1 200 ")
            for _, writer in greedy:
                writer.close()

    _run(scenario)


@pytest.mark.attacker("network")
def test_networks_of_a_site_make_room() -> None:
    """All connections of a server by the networks of one IPv6 site, until others need them."""

    async def scenario() -> None:
        async with _rig(Limits(connections=5, of_a_network=5)) as rig:
            honest = await rig.connect(HALF_REQUEST, "127.0.0.2")
            await rig.tick()
            greedy = [await rig.connect(HALF_REQUEST, f"127.0.1.{n}") for n in range(1, 20)]
            assert (await rig.ask("127.0.0.3")).startswith(b"HTTP/1.1 200 ")
            assert await _is_served(*honest)
            for _, writer in [*greedy, honest]:
                writer.close()

    _run(scenario)


def test_a_network_has_a_limit_of_its_own() -> None:
    """The oldest waiting connection of a network makes room for the network's next one."""

    async def scenario() -> None:
        async with _rig(Limits(connections=100, of_a_network=2)) as rig:
            clients = []
            for _ in range(3):
                clients.append(await rig.connect(HALF_REQUEST))
                await rig.tick()
            assert await clients[0][0].read() == b""
            for reader, writer in clients[1:]:
                assert await _is_served(reader, writer)
            for _, writer in clients:
                writer.close()

    _run(scenario)


def test_running_requests_keep_their_connections() -> None:
    """Only connections that wait for their client make room; else the new client is refused."""

    async def scenario() -> None:
        async with _rig(Limits(connections=2, of_a_network=2)) as rig:
            async with rig.answers:
                running = [asyncio.ensure_future(rig.ask()) for _ in range(2)]
                for _ in range(2):
                    await rig.started.acquire()
                assert await rig.ask() == b""
            assert all([(await each).startswith(b"HTTP/1.1 200 ") for each in running])

    _run(scenario)


@pytest.fixture
def many_files() -> Iterator[None]:
    """More open files than a server accepts connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.attacker("network")
def test_many_half_requests(own: CloudletServer, many_files: None) -> None:
    """Send 1,100 half requests at once: others are served, the log stays short, and all connections
    are closed."""
    with ExitStack() as open_ones:
        for _ in range(1_100):
            client = socket.create_connection(("127.0.0.1", own.port), timeout=60)
            open_ones.enter_context(client).sendall(HALF_REQUEST)
        curl = Curl(own.url, own.key)
        assert curl.get("/api/version").status == 200
        assert curl.submit()
        assert len(own.log_text) < 20_000
        assert client.recv(1) == b""  # after 30 s


class _NoFiles(Listener):
    """A listener of a process that may open no more files."""

    def _accept(self) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_no_files(caplog: pytest.LogCaptureFixture) -> None:
    """If no file can be opened, one line is logged, and asyncio tries again later."""
    with (
        _NoFiles(socket.AF_INET, socket.SOCK_STREAM, 0, PLENTY) as listener,
        pytest.raises(BlockingIOError),
    ):
        listener.accept()
    assert caplog.messages == ["cannot accept a connection (Too many open files)"]


def test_too_few_files(tmp_path: Path) -> None:
    """A limit of open files that leaves no connection is refused, with the limit that is needed."""
    program = [sys.executable, "-P", "-m", "cirrus_cloudlet.cli.main"]
    serve = [*program, "serve", "--no-announce", "--allow-root"]
    done = subprocess.run(
        ["prlimit", "--nofile=200:200", *serve, "--data", tmp_path, "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "ulimit -n 2256" in done.stderr
