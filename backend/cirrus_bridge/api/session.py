"""An HTTP session that ignores the environment, and whose answers have a deadline.

Requests are made inside `deadline.answer_within`. This module is imported late, because requests
takes 80 ms. It would take 20 ms more with its detectors of charsets, which serve only texts whose
charset is unknown. The API has none: every text is UTF-8.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import os
import socket
import ssl
import threading
import warnings
from pathlib import Path
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import ProxyManager
from urllib3.response import HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

from cirrus_bridge.api import proxy as proxies
from cirrus_bridge.api.absent_modules import absent
from cirrus_bridge.api.deadline import current_deadline
from cirrus_bridge.api.local_peer import check_peer
from cirrus_bridge.api.trusted_cas import trusted_cas
from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.servers import Server

with absent("chardet", "charset_normalizer"), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # requests misses them
    import requests

MOST_CONNECTIONS = 32  # kept open; `[upload] connections` allows no more
MOST_JOBS = 50  # over the same connections
MOST_COOKIES, COOKIE_BYTES = 8, 4096  # RFC 6265, 6.1


class _FinalAnswer(http.client.HTTPResponse):
    """The final answer after all interim ones (RFC 9110, 15.2). http.client skips only 100."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc] # its own name
            if not 100 <= status < 200:
                return version, status, reason
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:  # the rest is not HTTP
                raise ConnectionAbortedError("status 101, which was not requested")
            http.client.parse_headers(self.fp)


class _Plain(HTTPConnection):
    response_class = _FinalAnswer

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        current_deadline().reached()
        return made

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as in urllib3
        current_deadline().begin(self)
        return super().getresponse()


class _Encrypted(_Plain, HTTPSConnection):
    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            # as without TLS: urllib3 then reads the server's reason for closing the connection
            raise BrokenPipeError(*error.args) from error

    @property
    def is_connected(self) -> bool:
        """Whether the idle connection can be used. With TLS 1.3, tickets arrive after the handshake
        (RFC 8446, 4.6.1), and urllib3 would take them for the end of the connection."""
        if self.sock is None or super().is_connected:
            return self.sock is not None
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)  # either the end, or bytes that nobody has requested
        except ssl.SSLWantReadError:
            return True
        except OSError:
            pass
        return False

    def _tunnel(self) -> None:
        current_deadline().begin(self)
        super()._tunnel()
        current_deadline().end()


class _Pool(HTTPConnectionPool):
    def open_connection(self, timeout_s: float) -> None:
        """Connect for a later request, unless a connection is idle."""
        connection = self._get_conn()
        try:
            connection.timeout = timeout_s
            if connection.is_closed and self.proxy and self.scheme == "https":
                self._prepare_proxy(connection)
            elif connection.is_closed:
                connection.connect()
        except BaseException:
            connection.close()
            raise
        finally:
            self._put_conn(connection)


class _EncryptedPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _Encrypted


def _plain_pool(server: Server) -> type[_Pool]:
    """The pool of unencrypted connections. Each is to this machine, and its peer is checked before
    anything is sent, unless the server's entry allows plain text to anyone."""

    class Checked(_Plain):
        def connect(self) -> None:
            super().connect()
            try:
                check_peer(self.sock, server)
            except BaseException:
                self.close()
                raise

    class Pool(_Pool):
        ConnectionCls = _Plain if server.allow_plaintext else Checked

    return Pool


def _tls_context(cas: str | bool) -> ssl.SSLContext:
    """A context that trusts these CAs, as `trusted_cas` names them."""
    place = requests.utils.DEFAULT_CA_BUNDLE_PATH if cas is True else str(cas)
    context = create_urllib3_context()
    if Path(place).is_dir():
        context.load_verify_locations(capath=place)
    else:
        context.load_verify_locations(place)
    return context


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, server: Server) -> None:
        self._pools = {"http": _plain_pool(server), "https": _EncryptedPool}
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        super().__init__(pool_maxsize=MOST_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **settings: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **settings)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Give all connections one context: urllib3 would read the CAs for each connection."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https":
            return host, {}
        with self._lock:
            self._context = self._context or _tls_context(verify)
        return host, {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to do: the context has the CAs."""

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """The headers in UTF-8; requests encodes in Latin-1."""
        return proxies.headers(proxy)

    def close(self) -> None:
        """Close idle connections now, and others when they become idle. requests leaves this to the
        garbage collector, and an error that refers to a pool may live long. The next connection
        reads the CAs again."""
        self._context = None
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - not iterable
                if pool := manager.pools.get(key):
                    pool.close()
        super().close()


class _FewCookies(http.cookiejar.DefaultCookiePolicy):
    """Keeps the first MOST_COOKIES. A load balancer may need one; endless new ones fill memory."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: set[tuple[str, str, str]] = set()

    def set_ok(self, cookie: http.cookiejar.Cookie, request: Any) -> bool:
        """Whether to keep a cookie."""
        place = (cookie.domain, cookie.path, cookie.name)
        is_small = sum(map(len, (*place, cookie.value or ""))) <= COOKIE_BYTES
        if not is_small or not super().set_ok(cookie, request):
            return False
        if place not in self._kept and len(self._kept) == MOST_COOKIES:
            return False
        self._kept.add(place)
        return True


class Session(requests.Session):
    """A session with one server.

    Attributes:
        jobs: the number of earlier jobs that have used the session.
    """

    jobs = 0

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect: requests would read the whole body of a redirect first."""


def new_session(server: Server) -> Session:
    """Make a session for one server, with its CA and proxy. Raises BadConfiguration if this
    process, which is no longer root, cannot read the CA's file."""
    if server.ca_file and not os.access(server.ca_file, os.R_OK):
        raise BadConfiguration(
            tr(
                "Cirrus Bridge cannot read ca_file {file} as user id {user}.",
                file=server.ca_file,
                user=os.geteuid(),
            ),
            tr("Put the file outside servers.d, readable by everyone."),
        )
    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(server))
    session.cookies.set_policy(_FewCookies())
    session.trust_env = False
    session.headers["User-Agent"] = "cirrus-bridge"
    session.headers["Accept-Encoding"] = "identity"
    session.verify = trusted_cas(server)
    if server.proxy:
        session.proxies = {"http": server.proxy, "https": server.proxy}
    return session


def open_connection(session: requests.Session, url: str, timeout_s: float) -> None:
    """Connect to the server of `url` for a later request of a `new_session`, unless a connection is
    idle. To be called inside `deadline.answer_within`."""
    adapter: Any = session.get_adapter(url)
    request = requests.Request("GET", url).prepare()
    pool = adapter.get_connection_with_tls_context(request, session.verify, session.proxies)
    pool.open_connection(timeout_s)


class Sessions:
    """One session for each server, so that several jobs use the same connections."""

    def __init__(self) -> None:
        self._of: dict[Server, Session] = {}

    def session_for(self, server: Server) -> Session:
        """The session with a server. Raises as `new_session`."""
        if server not in self._of:
            self._of[server] = new_session(server)
        return self._of[server]

    def end_job(self) -> None:
        """Forget what the server has told one job (cookies), but keep connections for the next job.
        After MOST_JOBS, close them, because the server's address or the CAs may have changed."""
        for server, session in [*self._of.items()]:
            session.jobs += 1
            session.cookies.clear()
            session.cookies.set_policy(_FewCookies())
            if session.jobs >= MOST_JOBS:
                session.close()
                del self._of[server]

    def close(self) -> None:
        """Close all connections and forget the sessions, with their keys."""
        for session in self._of.values():
            session.close()
        self._of.clear()
