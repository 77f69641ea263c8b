"""Run the server: one process, one listening socket, the API, the page and the delivery worker."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from cirrus_cloudlet.app import make_app
from cirrus_cloudlet.call import Cloud
from cirrus_cloudlet.deliver import Delivery
from cirrus_cloudlet.sites import Sites
from cirrus_cloudlet.store import Store
from cirrus_cloudlet.uploads import Uploads


class CanNotServe(Exception):
    """The server can not start as it was asked to; the text says why."""


def serve(folder: Path, listen: str, tls_cert: str | None, tls_key: str | None) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when connections are accepted.

    Args:
        listen: ADDRESS:PORT; port 0 is any free one.

    Raises:
        CanNotServe: the address can not be used, or plain text would leave this machine.
    """
    host, _, port_text = listen.rpartition(":")
    if not port_text.isdigit() or int(port_text) > 65535:
        raise CanNotServe(f"'{listen}' is not ADDRESS:PORT")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise CanNotServe(f"'{host}' is not an IP address") from None
    if not address.is_loopback and not tls_cert:
        raise CanNotServe("without --tls-cert and --tls-key, only loopback addresses are served")
    try:
        listener = socket.create_server(
            (str(address), int(port_text)),
            family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
        )
    except OSError as error:
        raise CanNotServe(f"can not listen on {listen}: {error.strerror}") from None
    # asyncio sets this only for sockets made with proto=IPPROTO_TCP, which create_server does not;
    # without it each answer on a kept connection waits 40 ms for a delayed ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sites, store = Sites(folder), Store(folder)
    uploads = Uploads(folder, store)
    delivery = Delivery(folder, sites, store, uploads)
    _ = sites.companies  # a broken file is an error now, not at the first request
    shown = f"[{address}]" if address.version == 6 else str(address)
    scheme = "https" if tls_cert else "http"
    line = f"Listening on {scheme}://{shown}:{listener.getsockname()[1]}/"

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        worker = asyncio.create_task(delivery.run())
        print(line, flush=True)  # the socket listens already: what connects now is served
        yield
        worker.cancel()
        await delivery.stop()
        store.close()

    config = uvicorn.Config(
        make_app(Cloud(sites, store, uploads), lifespan),
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[listener])
