"""An HTTP session that ignores the environment and limits the time of a whole answer.

requests and urllib3 limit only the time between two bytes. A server that sends a byte now and then,
or endless `100 Continue`, would block a job and its queue. So a connection is shut if its answer is
not complete in time. This module is imported late, because requests takes 100 ms.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.response import HTTPResponse

from cirrus_bridge.api import proxy as proxies
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.servers import Server

USER_AGENT = "cirrus-bridge"
MOST_CONNECTIONS = 32  # kept open; `[upload] connections` allows no more


class _Watchman:
    """Shuts connections with late answers. One thread serves all, because the memory of an ended
    thread is not returned."""

    def __init__(self) -> None:
        self._due_s: dict[_Answer, float] = {}
        self._first = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, answer: _Answer, limit_s: float) -> None:
        """Shut the connection of `answer` after `limit_s` seconds, unless forgotten before."""
        with self._first:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._due_s[answer] = _clock.monotonic_s() + limit_s
            self._first.notify()

    def forget(self, answer: _Answer) -> None:
        """Stop watching a complete or failed answer."""
        with self._first:
            self._due_s.pop(answer, None)

    def _run(self) -> None:
        with self._first:
            while True:
                next_s = min(self._due_s.values(), default=None)
                now_s = _clock.monotonic_s()
                if next_s is None or next_s > now_s:
                    self._first.wait(None if next_s is None else next_s - now_s)
                    continue
                for answer in [a for a, due_s in self._due_s.items() if due_s <= now_s]:
                    del self._due_s[answer]
                    answer.shut()


class _Answer:
    """The answer to one request, with its time limit."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._connected: socket.socket | None = None
        self.is_late = False

    def begin(self, connection: HTTPConnection) -> None:
        """Start the time limit, after the request was sent."""
        self._connected = connection.sock
        _watchman.watch(self, self._limit_s)

    def end(self) -> None:
        """Stop the time limit."""
        _watchman.forget(self)

    def shut(self) -> None:
        """Shut the connection of a late answer."""
        self.is_late = True
        if self._connected is not None:
            with contextlib.suppress(OSError):
                # the reading thread alone may call an SSLSocket's own shutdown
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)


_clock = Clock()
_watchman = _Watchman()
_of_this_thread = threading.local()


@contextlib.contextmanager
def answer_within(limit_s: float) -> Iterator[None]:
    """Limit the time for the answer to the one request that this thread makes inside the context.

    Args:
        limit_s: seconds, from the end of the request.

    Raises:
        TimeoutError: the answer is not complete in time.
    """
    answer = _of_this_thread.answer = _Answer(limit_s)
    try:
        yield
    except (OSError, HTTPError) as error:
        if answer.is_late:
            raise TimeoutError("timed out") from error
        raise
    finally:
        answer.end()
    if answer.is_late:
        raise TimeoutError("timed out")


class _FinalAnswer(http.client.HTTPResponse):
    """The final answer after all interim ones (RFC 9110, 15.2). http.client skips only 100."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc] # its own name
            if not 100 <= status < 200:
                return version, status, reason
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:  # what follows is not HTTP
                raise http.client.BadStatusLine(f"{version} {status} {reason}".strip())
            http.client.parse_headers(self.fp)


class _Plain(HTTPConnection):
    response_class = _FinalAnswer

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as in urllib3
        _of_this_thread.answer.begin(self)
        return super().getresponse()


class _Encrypted(HTTPSConnection):
    response_class = _FinalAnswer

    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            # as without TLS: urllib3 then reads the server's reason for closing the connection
            raise BrokenPipeError(*error.args) from error

    def _tunnel(self) -> None:
        _of_this_thread.answer.begin(self)
        super()._tunnel()
        _of_this_thread.answer.end()

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as in urllib3
        _of_this_thread.answer.begin(self)
        return super().getresponse()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings)
        _use_our_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **settings: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **settings)
        _use_our_connections(manager)
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """The headers in UTF-8; requests encodes in Latin-1."""
        return dict(proxies.headers(proxy))

    def close(self) -> None:
        """Close idle connections now, and others when they are idle. requests leaves that to the
        garbage collector, and an error that refers to a pool may live long."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - not iterable
                if pool := manager.pools.get(key):
                    pool.close()
        super().close()


def _use_our_connections(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect: requests would read the whole body of a redirect first."""


def new_session(server: Server) -> requests.Session:
    """A session for one server, with its CA and proxy.

    Raises:
        BadConfiguration: this process, which is no longer root, cannot read the CA's file.
    """
    if server.ca_file and not os.access(server.ca_file, os.R_OK):
        raise BadConfiguration(
            tr(
                "Cirrus Bridge cannot read ca_file {file} as user id {user}.",
                file=server.ca_file,
                user=os.geteuid(),
            ),
            tr("Put the file outside servers.d, readable by everyone."),
        )
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_maxsize=MOST_CONNECTIONS))
    session.trust_env = False
    session.headers["User-Agent"] = USER_AGENT
    session.headers["Accept-Encoding"] = "identity"
    session.verify = trusted_cas(server)
    if server.proxy:
        session.proxies = {"http": server.proxy, "https": server.proxy}
    return session


def trusted_cas(server: Server) -> str | bool:
    """A file or folder of CAs: the server's own, or those of this machine, to which administrators
    add theirs. True stands for the CAs that come with requests."""
    paths = ssl.get_default_verify_paths()
    known = (paths.cafile, "/etc/ssl/certs/ca-certificates.crt", paths.capath)
    there = (path for path in known if path and Path(path).exists())
    return server.ca_file or next(there, True)
