"""Announce the server by DNS-SD (`_cirrusprint._tcp`, RFC 6763) on the networks it listens on.

A server on a loopback address is announced there alone. No failure here stops the server.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Iterator, Sequence

_SERVICE = "_cirrusprint._tcp.local."
_STOP_S = 2.0
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def announce_server(address: str, port: int, tls: bool, companies: Sequence[str]) -> Iterator[None]:
    """Announce the server while the block runs, and say goodbye at its end.

    The numeric `address` may be the unspecified address. If there is only one company,
    the announcement names the company.
    """
    ended = threading.Event()

    def announce() -> None:
        try:
            from zeroconf import InterfaceChoice, ServiceInfo, Zeroconf

            everywhere = ipaddress.ip_address(address).is_unspecified
            with Zeroconf(interfaces=InterfaceChoice.All if everywhere else [address]) as mdns:
                host = socket.gethostname().partition(".")[0]
                texts = {"path": "/api", "tls": "1" if tls else "0"}
                if len(companies) == 1:
                    texts["company"] = companies[0]
                info = ServiceInfo(
                    _SERVICE,
                    f"Cirrus Cloudlet at {host}, port {port}.{_SERVICE}",
                    parsed_addresses=_addresses() if everywhere else [address],
                    port=port,
                    properties=texts,
                    server=f"{host}.local.",
                )
                mdns.register_service(info, allow_name_change=True)
                ended.wait()
        except Exception as error:  # noqa: BLE001 - no fault of the network or zeroconf may stop the server
            _log.warning("cannot announce this server on the network: %r", error)

    work = threading.Thread(target=announce, daemon=True)
    work.start()  # in a thread: probing for the name takes almost a second (RFC 6762, 8.1)
    try:
        yield
    finally:
        ended.set()
        work.join(_STOP_S)


def _addresses() -> list[str]:
    import ifaddr  # a dependency of zeroconf

    ips = [str(ip.ip) for each in ifaddr.get_adapters() for ip in each.ips if ip.is_IPv4]
    return [ip for ip in ips if not ipaddress.ip_address(ip).is_loopback] or ["127.0.0.1"]
