"""The addresses that count as one client, because one person may use all of them."""

from __future__ import annotations

import functools
import ipaddress

LOOPBACK = "loopback"  # 127.0.0.0/8 and ::1, which everyone on this machine may use
SUBSCRIBER_BITS = 64  # the smallest IPv6 network of a subscriber (RFC 6177, section 2)
SITE_BITS = 48  # the largest network that is usual for a site (RFC 6177, section 1)


@functools.lru_cache(maxsize=1024)  # each connection needs one
def network(address: str, ipv6_bits: int = SUBSCRIBER_BITS) -> str:
    """Return an IPv4 address, the network of an IPv6 address, or LOOPBACK.

    An IPv4-mapped IPv6 address is the IPv4 address. Any other text is returned as it is.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return LOOPBACK
    bits = ipv6_bits if found.version == 6 else found.max_prefixlen
    return str(ipaddress.ip_network((found, bits), strict=False))
