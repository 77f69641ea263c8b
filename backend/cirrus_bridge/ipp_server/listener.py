"""The listening sockets, and the HTTP servers behind them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import ssl
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.printers import PrinterSettings
from cirrus_http.connections import Listener, TooFewFiles, process_limits

GRACE_S = 2  # for running requests when the service stops
_TICKS_IN_A_SECOND = 10  # of uvicorn


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A listening socket, and its settings if it speaks TLS."""

    listener: Listener
    tls: ssl.SSLContext | None = None


@contextlib.contextmanager
def open_endpoints(
    settings: PrinterSettings, tls: ssl.SSLContext | None
) -> Iterator[list[Endpoint]]:
    """Listen as the settings say, with the settings for TLS.

    Raises:
        BadConfiguration: an address or a port cannot be used.
    """
    with contextlib.ExitStack() as opened:
        found = []
        # other machines get IPP without TLS only if an administrator allows it
        plain = settings.listen if settings.plaintext or settings.is_local else "127.0.0.1"
        if settings.port:
            found.append(Endpoint(opened.enter_context(_bound(plain, settings.port, settings))))
        if tls is not None:
            listener = opened.enter_context(_bound(settings.listen, settings.tls_port, settings))
            found.append(Endpoint(listener, tls))
        yield found


def _bound(address: str, port: int, settings: PrinterSettings) -> Listener:
    is_ipv6 = ipaddress.ip_address(address).version == 6
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    try:
        limits = process_limits()
    except TooFewFiles as error:
        raise BadConfiguration(str(error)) from error
    most = min(limits.connections, settings.max_connections)
    limits = limits._replace(connections=most, of_a_network=max(1, most // 2))
    listener = Listener(family, socket.SOCK_STREAM, 0, limits)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise BadConfiguration(
            tr(
                "Cannot listen on {address}, port {port} ({why}).",
                address=address,
                port=port,
                why=error.strerror,
            ),
            tr(
                "Correct the address or the port below [printers] in bridge.toml, or stop the "
                "program that uses the port."
            ),
        ) from error
    return listener


async def serve(
    application: Any, endpoints: Sequence[Endpoint], work: Coroutine[Any, Any, None]
) -> None:
    """Serve the ASGI application, and do the work besides, until SIGTERM or SIGINT. Raises what
    `work` raises."""
    servers = [_Server(_config(application, each), each.listener) for each in endpoints]
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    serving = [
        asyncio.create_task(server.serve([each.listener]))
        for server, each in zip(servers, endpoints, strict=True)
    ]
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*serving)
    waiting.cancel()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


def _config(application: Any, endpoint: Endpoint) -> uvicorn.Config:
    tls = endpoint.tls
    return uvicorn.Config(
        application,
        loop="asyncio",
        http=endpoint.listener.protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # with these headers a local client could claim any address
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
        ssl_context_factory=None if tls is None else lambda config, default: tls,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listener: Listener) -> None:
        super().__init__(config)
        self._listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the loop: one signal ends all servers."""
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_IN_A_SECOND == 0:
            self._listener.check()
        return await super().on_tick(counter)
