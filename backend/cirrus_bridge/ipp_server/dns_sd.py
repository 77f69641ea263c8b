"""Announce the printers by DNS-SD (RFC 6763), beside other mDNS responders of this machine.

The printers are found as `_ipp._tcp` and `_ipps._tcp`. Each interface has a responder of its own,
which announces the addresses of that interface alone. No failure here stops the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cirrus_bridge.ipp_server.interfaces import (
    InterfaceAddress,
    Link,
    interface_addresses,
    links,
)
from cirrus_bridge.ipp_server.mdns_responder import Key, Responder
from cirrus_bridge.ipp_server.txt_record import (
    LABEL_BYTES,
    AnnouncedPrinter,
    instance_name,
    other_name,
    txt_record,
)

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

_IPP, _IPPS = "_ipp._tcp.local.", "_ipps._tcp.local."
# A name is free if no service of that name is heard for this time (RFC 6762, 8.1: 750 ms).
_PROBE_S = 0.8
_INTERFACES_S = 15.0  # how soon a new interface or address is noticed
_CLOSE_S = 3.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports that clients on the announced interfaces can use; 0 for none."""

    plain: int
    tls: int

    @property
    def by_type(self) -> dict[str, int]:
        """The ports of the types of services that are announced."""
        return {kind: port for kind, port in ((_IPP, self.plain), (_IPPS, self.tls)) if port}


def announced_host() -> str:
    """The host name in announcements, without a dot at the end, such as `print-3f2a9c.local`.

    It is another name than the one that Avahi or systemd-resolved announces for this machine, with
    other addresses. Two programs cannot announce one name.
    """
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    # machine-id(5) asks that the id itself stays secret
    digest = hashlib.sha256(f"cirrus-printers {machine or uuid.getnode()}".encode()).hexdigest()[:6]
    host = re.sub("[^a-z0-9-]+", "-", socket.gethostname().partition(".")[0].lower())
    return f"{host[: LABEL_BYTES - len(digest) - 1].strip('-') or 'printers'}-{digest}.local"


class Announcements:
    """The printers as this machine announces them, in a thread of their own."""

    def __init__(
        self,
        listen: str,
        ports: Ports,
        addresses: Callable[[], Sequence[InterfaceAddress]] = interface_addresses,
    ) -> None:
        """Start the thread.

        Args:
            listen: the address on which the service listens.
            addresses: tells the addresses of this machine.
        """
        self._listen, self._ports, self._addresses = listen, ports, addresses
        self._wanted: tuple[AnnouncedPrinter, ...] = ()
        self._names: dict[str, str] = {}  # printer → instance name
        self._texts: dict[str, str] = {}  # printer → the text of which its name is made
        self._ours: set[str] = set()  # all names that were announced, in lower case
        self._lost: set[str] = set()  # names that another machine has as well, in lower case
        self._responders: dict[str, Responder] = {}
        self._trouble = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._is_closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="dns-sd", daemon=True)
        self._thread.start()

    def update(self, printers: Iterable[AnnouncedPrinter]) -> None:
        """Announce these printers from now on, and no others. Any thread may call this."""
        with self._lock:
            self._wanted = tuple(printers)
        self._wake()

    def names(self) -> dict[str, str]:
        """The instance names of the announced printers, by the printers' names."""
        with self._lock:
            return dict(self._names)

    def close(self) -> None:
        """Say goodbye, so that clients forget the printers at once."""
        self._is_closed = True
        self._wake()
        self._thread.join(_CLOSE_S)

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(RuntimeError):  # the loop has ended
            if self._loop:
                self._loop.call_soon_threadsafe(self._news.set)

    def _run(self) -> None:
        asyncio.run(self._announce())

    async def _announce(self) -> None:
        with self._lock:
            self._loop = asyncio.get_running_loop()
        while not self._is_closed:
            self._news.clear()
            try:
                await self._reconcile()
                self._trouble = ""
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                self._warn(repr(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _INTERFACES_S)
        await self._leave(list(self._responders))

    def _warn(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.warning("cannot announce the printers on the network: %s", trouble)
        self._trouble = trouble

    async def _reconcile(self) -> None:
        with self._lock:
            wanted = self._wanted
        now = links(self._listen, self._addresses()) if wanted else {}
        await self._leave([n for n, each in self._responders.items() if now.get(n) != each.link])
        new = [link for name, link in now.items() if name not in self._responders]
        for link in new:
            try:
                opened = await Responder.opened(link, self._ports.by_type, self._conflict)
            except (OSError, RuntimeError) as error:  # other interfaces may work
                _log.info("cannot announce printers on %s: %r", link.interface, error)
            else:
                self._responders[link.interface] = opened
        if new:
            await asyncio.sleep(_PROBE_S)
        self._choose_names(wanted)
        lost = set(self._lost)
        for responder in self._responders.values():
            await responder.announce(self._services(responder.link, wanted), lost)

    async def _leave(self, interfaces: Iterable[str]) -> None:
        responders = [self._responders.pop(name) for name in interfaces]
        await asyncio.gather(*(each.close() for each in responders), return_exceptions=True)

    def _choose_names(self, wanted: Sequence[AnnouncedPrinter]) -> None:
        """Keep the names of printers, and give new printers names that are free everywhere."""
        texts = {each.printer.name: each.printer.info for each in wanted}
        kept = {
            name: each
            for name, each in self._names.items()
            if texts.get(name) == self._texts[name] and each.lower() not in self._lost
        }
        taken = {each.lower() for each in kept.values()}
        heard = set[str]().union(*(each.heard for each in self._responders.values()))
        others = (heard - self._ours) | (self._lost & heard)
        for name, text in texts.items():
            if name not in kept:
                kept[name] = _free_name(instance_name(text), taken | others)
                taken.add(kept[name].lower())
        with self._lock:
            self._names, self._texts = kept, texts
        self._ours |= taken
        self._lost -= taken

    def _conflict(self, name: str, host: str) -> None:
        _log.info("%s announces another printer with the name %r", host, name)
        self._lost.add(name.lower())
        self._news.set()

    def _services(self, link: Link, wanted: Sequence[AnnouncedPrinter]) -> dict[Key, ServiceInfo]:
        from zeroconf import ServiceInfo

        # Every program on this machine can resolve `localhost`, even without nss-mdns.
        host = "localhost" if link.is_loopback else announced_host()
        made = {}
        for each in wanted:
            for kind, port in self._ports.by_type.items():
                tls = kind == _IPPS
                origin = f"http{'s' if tls else ''}://{host}:{port}"
                made[each.printer.name, kind] = ServiceInfo(
                    kind,
                    f"{self._names[each.printer.name]}.{kind}",
                    port=port,
                    properties=txt_record(each, origin, tls=tls),
                    server=f"{host}.",
                    parsed_addresses=list(link.addresses),
                )
        return made


def _free_name(name: str, taken: set[str]) -> str:
    number, chosen = 1, name
    while chosen.lower() in taken:
        number += 1
        chosen = other_name(name, number)
    return chosen
