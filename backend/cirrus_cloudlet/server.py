"""The server process: socket, TLS, signals.

Plain text is served on loopback addresses only. When the server accepts connections, it prints
its URL as the first line on standard output, and then what the caller has to say.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn

from cirrus_cloudlet.announce import announce_server
from cirrus_cloudlet.app import make_application
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.files import lock
from cirrus_cloudlet.log_lines import start_log
from cirrus_http.connections import Listener, TooFewFiles, process_limits

_TICKS_IN_A_SECOND = 10  # of uvicorn
_GRACE_S = 1  # for running requests when the server stops


def serve(
    folder: Path,
    listen: str,
    certificate: Path | None,
    key: Path | None,
    *,
    announce: bool,
    begun: Callable[[str, Cloud], str],
) -> None:
    """Serve a data folder until SIGTERM or SIGINT.

    Args:
        listen: ADDRESS:PORT; port 0 means any free port.
        certificate: for TLS, a PEM file with the certificate and its chain.
        key: the certificate's key, a PEM file.
        announce: whether to announce the server by DNS-SD.
        begun: makes a text for people, once connections are accepted at the server's URL.

    Raises:
        SettingsError: the address, the certificate or the folder cannot be used.
    """
    start_log()
    # a message for each malformed request would let anyone fill the log
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    if certificate:
        _check_certificate(certificate, key)
    host, port = _address(listen)
    refusal = f"another cirrus-cloudlet already serves {folder}"
    with (
        _bind(host, port, plaintext=certificate is None) as bound,
        lock(folder / "serve.lock", refusal),
        contextlib.ExitStack() as shown,
    ):
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal again after its end; the process has to exit with status 0
            signal.signal(number, _ignore)
        cloud = Cloud(folder)
        cloud.store.claim()
        config = uvicorn.Config(
            make_application(cloud),
            loop="asyncio",
            http=bound.protocol(),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # with these headers a local client could claim any address
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        address, port = bound.getsockname()[:2]
        if announce:
            companies = list(cloud.inventory.current().companies)
            shown.enter_context(announce_server(address, port, bool(certificate), companies))
        name = f"[{host}]" if ":" in host else host
        url = f"{'https' if certificate else 'http'}://{name}:{port}/"
        _Server(config, url, bound, lambda: begun(url, cloud), cloud.waiting.end).run([bound])


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        url: str,
        listener: Listener,
        begun: Callable[[], str],
        ending: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._ending = ending
        self._begun = begun
        self._url = url
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"Listening on {self._url}", self._begun(), sep="\n", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()  # answers the requests that wait for something
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_IN_A_SECOND == 0:
            self._listener.check()
        return await super().on_tick(counter)


def _ignore(_number: int, _frame: object) -> None:
    """Ignore a signal; a program that is started would inherit SIG_IGN, but not this handler."""


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"--listen {listen!r} is not of the form ADDRESS:PORT")
    return host, int(port)


def _bind(host: str, port: int, *, plaintext: bool) -> Listener:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(f"--listen {host!r}: {error}") from error
    if plaintext and not ipaddress.ip_address(address[0]).is_loopback:
        raise SettingsError(
            f"other machines can reach {host}, and API keys would travel in plain text."
            " Give --tls-cert and --tls-key, or listen on 127.0.0.1."
        )
    try:
        limits = process_limits()
    except TooFewFiles as error:
        raise SettingsError(str(error)) from error
    found = Listener(family, kind, protocol, limits)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise SettingsError(f"cannot listen on {host}:{port} ({error.strerror})") from error
    return found


def _check_certificate(certificate: Path, key: Path | None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"cannot use {certificate} and {key} ({error})") from error
