"""The network interfaces of this machine, with their addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
LOOPBACK = ipaddress.ip_address("127.0.0.1")
LOOPBACK_NETWORKS: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of an interface, and the network around the address."""

    interface: str
    index: int
    address: Address
    network: Network


@dataclass(frozen=True, slots=True)
class Link:
    """An interface on which printers are announced.

    Attributes:
        interface: its name.
        senders: for zeroconf: IPv4 addresses, and the interface's index for IPv6.
        addresses: the addresses on which the service is reachable there.
        is_loopback: whether only programs on this machine hear the announcements.
    """

    interface: str
    senders: tuple[str | int, ...]
    addresses: tuple[str, ...]
    is_loopback: bool = False


def interface_addresses() -> list[InterfaceAddress]:
    """All addresses of this machine. Raises OSError if the system does not tell them."""
    import ifaddr  # a dependency of zeroconf

    return [
        _address(adapter.name, adapter.index or 0, ip.ip, ip.network_prefix)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]


def _address(
    name: str, index: int, ip: str | tuple[str, int, int], prefix: int
) -> InterfaceAddress:
    text = ip if isinstance(ip, str) else ip[0].partition("%")[0]
    network = ipaddress.ip_network(f"{text}/{prefix}", strict=False)
    return InterfaceAddress(name, index, ipaddress.ip_address(text), network)


def links(listen: str, addresses: Iterable[InterfaceAddress]) -> Mapping[str, Link]:
    """The interfaces on which clients can reach a service that listens on `listen`.

    A service on loopback is announced on loopback alone. A service on a network is not announced
    on loopback, because programs on this machine hear the announcements on the network.
    """
    address = ipaddress.ip_address(listen)
    if address.is_loopback:
        return {"lo": Link("lo", (str(LOOPBACK),), (str(address),), is_loopback=True)}
    found: dict[str, list[InterfaceAddress]] = {}
    for each in addresses:
        if not each.address.is_loopback and _listens(address, each.address):
            found.setdefault(each.interface, []).append(each)
    if not found and address == ipaddress.ip_address("0.0.0.0"):  # noqa: S104 - compared alone
        return links(str(LOOPBACK), ())
    return {name: _link(name, there) for name, there in found.items()}


def _listens(listen: Address, address: Address) -> bool:
    if listen.is_unspecified:  # a service on [::] also gets IPv4
        return listen.version == 6 or address.version == 4
    return listen == address


def _link(name: str, there: list[InterfaceAddress]) -> Link:
    v4 = [each for each in there if each.address.version == 4]
    v6 = [each for each in there if each.address.version == 6]
    # A link-local address needs the client's own interface, so such addresses are the last resort.
    v6 = [each for each in v6 if not each.address.is_link_local] or v6
    senders: list[str | int] = [str(each.address) for each in v4[:1]]
    senders += [each.index for each in v6[:1]]
    return Link(name, tuple(senders), tuple(str(each.address) for each in (*v4, *v6)))
