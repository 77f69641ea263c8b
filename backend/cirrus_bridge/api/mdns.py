"""Servers of the local network, by DNS-SD (RFC 6763): who announces `_cirrusprint._tcp`.

The only module that speaks mDNS. An announcement is anybody's word: it is shown to people, and
neither a key nor a job is ever sent to a server because of it. Trouble with the network is the same
as nobody there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.text import one_line

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

SERVICE = "_cirrusprint._tcp.local."
BROWSE_S = 0.5  # announcers answer within 0.12 s (RFC 6762, 6)
MOST_SERVERS = 50


@dataclass(frozen=True, slots=True)
class LanServer:
    """An announcement.

    Attributes:
        name: for people, as all texts here on one line and without control characters.
        hosts: its host name and addresses, any of which servers.d may have.
        company: empty where it does not say.
    """

    name: str
    hosts: tuple[str, ...]
    port: int
    tls: bool
    company: str

    def is_called(self, server: str) -> bool:
        """Whether `server` ("HOST" or "HOST:PORT", as in servers.d) is this one."""
        host, _, port = server.rpartition(":") if ":" in server else (server, "", "443")
        return port == str(self.port) and host.strip("[]").lower() in self.hosts


def servers_on_lan(clock: Clock, limit_s: float = BROWSE_S) -> list[LanServer]:
    """Who announces itself within `limit_s` seconds."""
    try:
        from zeroconf import Error, ServiceBrowser, ServiceInfo, Zeroconf
    except ImportError:
        return []  # a library that only this needs
    names: list[str] = []

    def seen(name: str, **_: object) -> None:
        if name not in names and len(names) < MOST_SERVERS:
            names.append(name)

    found = []
    try:
        with Zeroconf() as mdns:
            browser = ServiceBrowser(mdns, SERVICE, handlers=[seen])
            clock.sleep(limit_s)
            browser.cancel()
            for name in names:
                with contextlib.suppress(Error):  # a name that none may have
                    info = ServiceInfo(SERVICE, name)
                    if info.load_from_cache(mdns) and info.port:
                        found.append(_server(info, info.port))
    except (OSError, RuntimeError, Error):  # RuntimeError: no network adapter
        return found
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
