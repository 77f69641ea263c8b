"""Servers on the local network that announce `_cirrusprint._tcp` by DNS-SD (RFC 6763).

Only this module uses mDNS. Anyone can announce a server, so announcements are only shown to people:
neither keys nor jobs are sent because of them. A network fault counts as an empty network.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.text import one_line
from cirrus_bridge.config.queue_uri import parse_server

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

SERVICE = "_cirrusprint._tcp.local."
BROWSE_S = 0.5  # announcers answer within 0.12 s (RFC 6762, 6)
MOST_SERVERS = 50


@dataclass(frozen=True, slots=True)
class LanServer:
    """An announcement. All texts are on one line and without control characters. `hosts` are the
    host name and addresses; servers.d may have any of these. `company` may be empty."""

    name: str
    hosts: tuple[str, ...]
    port: int
    tls: bool
    company: str

    def is_called(self, server: str) -> bool:
        """Whether `server` ("HOST" or "HOST:PORT", as in servers.d) is this server."""
        host, port = parse_server(server)
        return (port or 443) == self.port and host.strip("[]").lower() in self.hosts


def servers_on_lan(clock: Clock) -> list[LanServer]:
    """The servers that answer within BROWSE_S."""
    try:
        from zeroconf import Error, ServiceBrowser, ServiceInfo, Zeroconf
    except ImportError:
        return []  # zeroconf is optional
    names: list[str] = []

    def seen(name: str, **_: object) -> None:
        if name not in names and len(names) < MOST_SERVERS:
            names.append(name)

    found = []
    # RuntimeError: no network adapter
    with contextlib.suppress(OSError, RuntimeError, Error), Zeroconf() as mdns:
        browser = ServiceBrowser(mdns, SERVICE, handlers=[seen])
        clock.sleep(BROWSE_S)
        browser.cancel()
        for name in names:
            with contextlib.suppress(Error):  # an invalid name
                info = ServiceInfo(SERVICE, name)
                if info.load_from_cache(mdns) and info.port:
                    found.append(_server(info, info.port))
    return found


def _server(info: ServiceInfo, port: int) -> LanServer:
    said = {
        key.decode("utf-8", "replace").lower(): one_line((value or b"").decode("utf-8", "replace"))
        for key, value in info.properties.items()
    }
    host = one_line(info.server or "").rstrip(".").lower()
    return LanServer(
        name=one_line(info.get_name()),
        hosts=(host, host.removesuffix(".local"), *info.parsed_addresses()),
        port=port,
        tls=said.get("tls") != "0",
        company=said.get("company", ""),
    )
