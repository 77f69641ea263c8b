"""The mDNS responder of one interface, by python-zeroconf: services with subtypes (RFC 6763, 7.1).

All methods belong to the event loop in which the responder was opened.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cirrus_bridge.ipp_server.interfaces import Link

if TYPE_CHECKING:
    from zeroconf import (
        RecordUpdate,
        RecordUpdateListener,
        ServiceInfo,
        ServiceStateChange,
        Zeroconf,
    )
    from zeroconf.asyncio import AsyncZeroconf

Key = tuple[str, str]  # a printer's name, and a type of service
_SUBTYPES = ("", "_universal._sub.", "_print._sub.")  # AirPrint; PWG 5100.14, 4.2.1
# Receivers have buffers for some hundred messages, so the messages for many services are spread.
_SPREAD_S = 0.01


class Responder:
    """The services that are announced on one interface.

    Attributes:
        link: the interface and its addresses.
        heard: the names of all services of our types there, ours included, in lower case.
    """

    def __init__(self, link: Link, zeroconf: AsyncZeroconf) -> None:
        """Use `Responder.opened`."""
        self.link = link
        self.heard: set[str] = set()
        self._zeroconf = zeroconf
        self._services: dict[Key, ServiceInfo] = {}
        self._sending: dict[str, list[asyncio.Future[Any]]] = {}  # by the name of the service

    @classmethod
    async def opened(
        cls, link: Link, types: Iterable[str], conflict: Callable[[str, str], None]
    ) -> Responder:
        """Open the sockets. Raises OSError, RuntimeError or zeroconf's Error if that fails.

        Args:
            types: the types of services that are ours.
            conflict: called with the name and the host of each service that is heard, that has the
                name of one of ours, and to which ours has to give way. Of two services with one
                name, the one with the greater host and port keeps the name (RFC 6762, 9).
        """
        from zeroconf import IPVersion
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

        version = IPVersion.All if len({type(each) for each in link.senders}) > 1 else None
        zeroconf = AsyncZeroconf(interfaces=list(link.senders), ip_version=version)
        made = cls(link, zeroconf)
        try:
            await zeroconf.zeroconf.async_wait_for_start()
            _hear_own_interface_only(zeroconf.zeroconf, link.interface)
            zeroconf.zeroconf.async_add_listener(_services_heard(made._heard(conflict)), None)
            AsyncServiceBrowser(zeroconf.zeroconf, list(types), handlers=[_noting(made.heard)])
        except BaseException:
            await zeroconf.async_close()
            raise
        return made

    async def announce(self, services: Mapping[Key, ServiceInfo], lost: set[str]) -> None:
        """Announce these services alone: new ones, changed ones, and goodbyes for the others.

        There is no goodbye for a name, in lower case, among those `lost` to another machine: its
        service would seem to go, too.
        """
        self._sending = {
            name: tasks
            for name, tasks in self._sending.items()
            if not all(task.done() for task in tasks)
        }
        for key, info in list(self._services.items()):
            if key not in services or services[key].name != info.name:
                del self._services[key]
                if info.get_name().lower() in lost:
                    await self._send(info, self._forget)
                else:
                    await self._send(info, self._zeroconf.async_unregister_service)
        for key, info in services.items():
            before = self._services.get(key)
            if before and before.text == info.text:
                continue
            self._services[key] = info
            send = self._zeroconf.async_update_service if before else self._add
            await self._send(info, send)
            await asyncio.sleep(_SPREAD_S)

    async def close(self) -> None:
        """Say goodbye for all services, and close the sockets."""
        self._stop_sending(*self._sending)
        await self._zeroconf.async_remove_all_service_listeners()
        await self._zeroconf.async_unregister_all_services()
        await self._zeroconf.async_close()

    async def _send(self, info: ServiceInfo, send: Callable[[ServiceInfo], Any]) -> None:
        """Send a service under its type and its subtypes; the repetitions follow by themselves."""
        self._stop_sending(info.name)
        made = [_with_subtype(info, subtype) for subtype in _SUBTYPES]
        self._sending[info.name] = [asyncio.ensure_future(await send(each)) for each in made]

    def _stop_sending(self, *names: str) -> None:
        """Stop repetitions, which would contradict what is sent next."""
        for name in names:
            for task in self._sending.pop(name, ()):
                task.cancel()

    async def _add(self, info: ServiceInfo) -> Any:
        # The name is known to be free. For each service, zeroconf's own probe would have all others
        # in the answers.
        return await self._zeroconf.async_register_service(info, cooperating_responders=True)

    async def _forget(self, info: ServiceInfo) -> Any:
        self._zeroconf.zeroconf.registry.async_remove(info)
        return asyncio.sleep(0)

    def _heard(self, conflict: Callable[[str, str], None]) -> Callable[[str, str, int], None]:
        def heard(name: str, host: str, port: int) -> None:
            for info in self._services.values():
                ours = ((info.server or "").lower(), info.port or 0)
                if info.name.lower() == name.lower() and ours < (host.lower(), port):
                    conflict(info.get_name(), host)

        return heard


def _with_subtype(info: ServiceInfo, subtype: str) -> ServiceInfo:
    """The same service under a subtype. zeroconf finds a service by its `key`, and so the same
    instance under another type needs another key."""
    if not subtype:
        return info
    from zeroconf import ServiceInfo

    made = ServiceInfo(
        subtype + info.type,
        info.name,
        port=info.port,
        properties=info.text,
        server=info.server,
        parsed_addresses=info.parsed_addresses(),
    )
    made.key = subtype + made.key
    return made


def _hear_own_interface_only(zeroconf: Zeroconf, interface: str) -> None:
    """Ignore the messages of other interfaces, so that a service on loopback never answers the
    network. Raises OSError if the interface has gone.

    The membership of one interface is no such limit: Linux gives a socket that is bound to all
    addresses the messages of other interfaces, too, now and then even without IP_MULTICAST_ALL
    (ip(7)). Sockets with an address of their own get no multicast messages, and they need what
    programs on this machine send to that address.
    """
    senders = {sender.sock.fileno() for sender in zeroconf.engine.senders}
    device = interface.partition(":")[0].encode()  # `eth0:1` is the label of an address
    for reader in zeroconf.engine.readers:
        if reader.sock.fileno() not in senders:
            reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)


def _noting(names: set[str]) -> Callable[..., None]:
    """Make a handler of a browser that keeps a set of names."""
    from zeroconf import ServiceStateChange

    def note(name: str, service_type: str, state_change: ServiceStateChange, **_: object) -> None:
        label = name.removesuffix(f".{service_type}").lower()
        (names.discard if state_change is ServiceStateChange.Removed else names.add)(label)

    return note


def _services_heard(heard: Callable[[str, str, int], None]) -> RecordUpdateListener:
    """Make a listener that tells name, host and port of each service that is announced."""
    from zeroconf import RecordUpdateListener

    class Listener(RecordUpdateListener):
        def async_update_records(
            self, zc: Zeroconf, now: float, records: list[RecordUpdate]
        ) -> None:
            for update in records:
                record: Any = update.new
                if hasattr(record, "server") and record.ttl:  # only SRV records have a server
                    heard(record.name, record.server, record.port)

    return Listener()
