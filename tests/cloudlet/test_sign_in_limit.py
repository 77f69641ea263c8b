"""The limit on wrong passwords."""

from __future__ import annotations

import tracemalloc

import pytest

from cirrus_cloudlet.web.sign_in import SignInLimit, network


def test_the_limit_ends() -> None:
    """15 minutes after the oldest wrong password, one more is allowed; keys count alone."""
    now = [1000.0]
    limit = SignInLimit(2, lambda: now[0])
    limit.count("anna")
    now[0] += 100
    assert limit.wait_s("anna") == 0
    limit.count("anna")
    assert limit.wait_s("anna") == 800
    assert limit.wait_s("berta") == 0
    now[0] += 800.5
    assert limit.wait_s("anna") == 0
    limit.count("anna")
    assert limit.wait_s("anna") == 100


def test_the_number_of_keys_is_limited() -> None:
    """New names do not fill the memory: the oldest key is forgotten."""
    limit = SignInLimit(1, lambda: 0.0)
    for number in range(10_001):
        limit.count(str(number))
    assert limit.wait_s("0") == 0
    assert limit.wait_s("1") == 900


def test_long_names_are_not_kept() -> None:
    """Long names do not fill the memory: only digests are kept."""
    limit = SignInLimit(1, lambda: 0.0)
    tracemalloc.start()
    try:
        for number in range(50):
            limit.count(f"{number}{'x' * 100_000}")
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_ipv6_networks(one: str, other: str, is_same: bool) -> None:
    """All addresses of an IPv6 /64 are counted together."""
    assert (network(one) == network(other)) is is_same
