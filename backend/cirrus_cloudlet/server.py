"""The server process: socket, TLS, signals.

Plain text is served on loopback addresses only. When the server accepts connections, it prints
its URL as the only line on standard output.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from cirrus_cloudlet.announce import announce_server
from cirrus_cloudlet.app import make_application
from cirrus_cloudlet.cloud import make_cloud
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.file_lock import lock_or_refuse
from cirrus_cloudlet.inventory.file import InventoryFile

_HEADER_BYTES = 256 * 1024  # the query of putfile has props and targets
_GRACE_S = 1  # for running requests when the server stops


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a certificate (with its chain) and its key."""

    certificate: Path
    key: Path


def serve(folder: Path, listen: str, tls: Tls | None, *, announce: bool) -> None:
    """Serve a data folder until SIGTERM or SIGINT.

    Args:
        listen: ADDRESS:PORT; port 0 means any free port.
        announce: whether to announce the server by DNS-SD.

    Raises:
        SettingsError: the address, the certificate or the folder cannot be used.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # a message for each malformed request would let anyone fill the log
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    if tls:
        _check_certificate(tls)
    host, port = _address(listen)
    refusal = f"another cirrus-cloudlet already serves {folder}"
    with (
        _bind(host, port, plaintext=tls is None) as bound,
        lock_or_refuse(folder / "serve.lock", refusal),
        _ignore_signals(),
    ):
        name = f"[{host}]" if ":" in host else host
        scheme = "https" if tls else "http"
        config = uvicorn.Config(
            make_application(make_cloud(folder)),
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # with these headers a local client could claim any address
            h11_max_incomplete_event_size=_HEADER_BYTES,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        address, port = bound.getsockname()[:2]
        shown: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if announce:
            companies = list(InventoryFile(folder).current().companies)
            shown = announce_server(address, port, tls=tls is not None, companies=companies)
        with shown:
            _Server(config, f"{scheme}://{name}:{port}/").run([bound])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"Listening on {self._url}", flush=True)


@contextlib.contextmanager
def _ignore_signals() -> Iterator[None]:
    # uvicorn raises the signal again after its end; the process has to exit with status 0
    before = {each: signal.signal(each, _ignore) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(_number: int, _frame: object) -> None:
    pass


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"--listen {listen!r} is not of the form ADDRESS:PORT")
    return host, int(port)


def _bind(host: str, port: int, *, plaintext: bool) -> socket.socket:
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
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise SettingsError(f"cannot listen on {host}:{port} ({error.strerror})") from error
    return found


def _check_certificate(tls: Tls) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"cannot use {tls.certificate} and {tls.key} ({error})") from error
