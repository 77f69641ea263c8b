"""The server process: socket, TLS, signals.

Plain text is served on loopback addresses only. The one line on standard output says where the
server listens, and is printed when it accepts connections.
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

from cirrus_cloudlet.announce import announced
from cirrus_cloudlet.app import application
from cirrus_cloudlet.cloud import cloud_of
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.file_lock import locked_or_refused
from cirrus_cloudlet.inventory.file import InventoryFile

_HEADER_BYTES = 256 * 1024  # props and targets travel in the query of putfile
_GRACE_S = 1  # for requests under way when the server is told to end


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate (with its chain) and its key, as PEM files."""

    certificate: Path
    key: Path


def serve(folder: Path, listen: str, tls: Tls | None, *, announce: bool) -> None:
    """Serve a data folder until SIGTERM or SIGINT; `announce` it by DNS-SD meanwhile.

    Raises:
        SettingsError: the address, the certificate or the folder can not be used.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # a message for each malformed request would let anybody fill the log
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    if tls:
        _check_certificate(tls)
    host, port = _address(listen)
    refusal = f"another cirrus-cloudlet serves {folder} already"
    with (
        _bound(host, port, plaintext=tls is None) as bound,
        locked_or_refused(folder / "serve.lock", refusal),
        _ended_by_signals(),
    ):
        name = f"[{host}]" if ":" in host else host
        scheme = "https" if tls else "http"
        config = uvicorn.Config(
            application(cloud_of(folder)),
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whoever is on this machine could be at any address by them
            h11_max_incomplete_event_size=_HEADER_BYTES,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        address, port = bound.getsockname()[:2]
        shown: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if announce:
            companies = list(InventoryFile(folder).current().companies)
            shown = announced(address, port, tls=tls is not None, companies=companies)
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
def _ended_by_signals() -> Iterator[None]:
    # uvicorn raises the signal again once it has ended; by then it means nothing more
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


def _bound(host: str, port: int, *, plaintext: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(f"--listen {host!r}: {error}") from error
    if plaintext and not ipaddress.ip_address(address[0]).is_loopback:
        raise SettingsError(
            f"{host} can be reached from other machines: API keys would travel in plain text."
            " Give --tls-cert and --tls-key, or listen on 127.0.0.1."
        )
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise SettingsError(f"can not listen on {host}:{port}: {error.strerror}") from error
    return found


def _check_certificate(tls: Tls) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{tls.certificate} and {tls.key} can not be used: {error}") from error
