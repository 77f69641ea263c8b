"""Announce the server on the networks it listens on, by DNS-SD (`_cirrusprint._tcp`, RFC 6763).

A server on a loopback address is announced there alone. Nothing that goes wrong here keeps the
server from serving.
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
def announced(address: str, port: int, *, tls: bool, companies: Sequence[str]) -> Iterator[None]:
    """Announce while the block runs; a goodbye is sent at its end.

    Args:
        address: the numeric address that is listened on, which may be the unspecified one.
        companies: named where there is just one, since a server has one announcement.
    """
    ended = threading.Event()
    work = threading.Thread(
        target=_announce, args=(address, port, tls, companies, ended), daemon=True
    )
    work.start()  # it takes a second until nobody has objected to the name
    try:
        yield
    finally:
        ended.set()
        work.join(_STOP_S)


def _announce(
    address: str, port: int, tls: bool, companies: Sequence[str], ended: threading.Event
) -> None:
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
    except Exception as error:  # noqa: BLE001 - whatever a network or library does: serving goes on
        _log.warning("this server is not announced on the network: %r", error)


def _addresses() -> list[str]:
    import ifaddr  # of zeroconf

    addresses = [ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    found = [ipaddress.ip_address(str(each.ip)) for each in addresses]
    return [str(each) for each in found if not each.is_loopback] or ["127.0.0.1"]
