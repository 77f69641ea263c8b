"""The interfaces on which a service is announced."""

from __future__ import annotations

import ipaddress

import pytest

from cirrus_bridge.ipp_server.interfaces import InterfaceAddress, interface_addresses, links


def _address(interface: str, index: int, text: str) -> InterfaceAddress:
    with_prefix = ipaddress.ip_interface(text)
    return InterfaceAddress(interface, index, with_prefix.ip, with_prefix.network)


EVERY_IPV4 = "0.0.0.0"  # noqa: S104 - nothing is bound
HERE = [
    _address("lo", 1, "127.0.0.1/8"),
    _address("lo", 1, "::1/128"),
    _address("eth0", 2, "192.0.2.1/24"),
    _address("eth0", 2, "192.0.2.9/24"),
    _address("eth0", 2, "fe80::1/64"),
    _address("eth0", 2, "2001:db8::1/64"),
    _address("wlan0", 3, "198.51.100.1/24"),
    _address("wlan0", 3, "fe80::2/64"),
]


@pytest.mark.parametrize(
    ("listen", "announced"),
    [
        ("127.0.0.1", {"lo": ["127.0.0.1"]}),
        ("::1", {"lo": ["::1"]}),
        ("192.0.2.9", {"eth0": ["192.0.2.9"]}),
        ("2001:db8::1", {"eth0": ["2001:db8::1"]}),
        ("203.0.113.1", {}),
        (EVERY_IPV4, {"eth0": ["192.0.2.1", "192.0.2.9"], "wlan0": ["198.51.100.1"]}),
        (
            "::",
            {
                "eth0": ["192.0.2.1", "192.0.2.9", "2001:db8::1"],
                "wlan0": ["198.51.100.1", "fe80::2"],
            },
        ),
    ],
)
def test_only_addresses_that_are_listened_on(listen: str, announced: dict[str, list[str]]) -> None:
    """Each interface has its own addresses; a link-local one is the last resort."""
    found = {name: list(link.addresses) for name, link in links(listen, HERE).items()}
    assert found == announced


def test_senders_of_both_families() -> None:
    """zeroconf takes IPv4 addresses, and indexes for IPv6."""
    assert links("::", HERE)["eth0"].senders == ("192.0.2.1", 2)
    assert links("::1", HERE)["lo"].senders == ("127.0.0.1",)


def test_a_machine_without_a_network() -> None:
    """A service on all addresses is announced on loopback, where it can be reached."""
    (link,) = links(EVERY_IPV4, HERE[:2]).values()
    assert link.is_loopback and link.addresses == ("127.0.0.1",)


def test_this_machine() -> None:
    """The system tells the addresses with their networks."""
    loopback = [each for each in interface_addresses() if str(each.address) == "127.0.0.1"]
    assert [str(each.network) for each in loopback] == ["127.0.0.0/8"]
