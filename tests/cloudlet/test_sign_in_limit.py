"""The limit on wrong passwords."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from cirrus_cloudlet.storage.access import Accounts
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.web.sign_in import SignInLimit, WrongPasswords
from cirrus_http.networks import SITE_BITS, network

TESTER = Actor("root", Origin.CLI)


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
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("127.0.0.1", "127.9.8.7", True),
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "::ffff:127.0.0.2", True),
        ("", "", True),
    ],
)
def test_networks(one: str, other: str, is_same: bool) -> None:
    """All addresses of an IPv6 /64 are counted together, and so are those of loopback."""
    assert (network(one) == network(other)) is is_same


def test_sites() -> None:
    """An IPv6 site is its /48; an IPv4 address stands for itself."""
    assert network("2001:db8:1:2::3", SITE_BITS) == network("2001:db8:1:4::5", SITE_BITS)
    assert network("2001:db8:1:2::3", SITE_BITS) != network("2001:db8:2:2::3", SITE_BITS)
    assert network("192.0.2.1", SITE_BITS) != network("192.0.2.2", SITE_BITS)


@pytest.mark.parametrize(
    ("attackers", "person"),
    [
        (["192.0.2.1"], "192.0.2.2"),
        (["2001:db8:1:1::1"], "2001:db8:1:2::1"),
        ([f"2001:db8:1:{number:x}::1" for number in range(1000)], "2001:db8:2:1::1"),
        (["127.0.0.1", "127.0.0.2", "::1"], "192.0.2.2"),
    ],
    ids=["IPv4", "IPv6", "IPv6 site", "loopback"],
)
@pytest.mark.attacker("network")
def test_nobody_is_locked_out_elsewhere(attackers: list[str], person: str) -> None:
    """Guess a person's password from other networks until they are blocked: the person can still
    sign in."""
    wrong = WrongPasswords(lambda: 0.0)
    for address in attackers:
        for _ in range(10):
            if not wrong.wait_s("anna", address):
                wrong.count("anna", address)
        assert wrong.wait_s("anna", address)
    assert not wrong.wait_s("anna", person)


@pytest.mark.parametrize(
    ("addresses", "guesses"),
    [
        ([f"127.0.{number >> 8}.{number & 255}" for number in range(1000)], 10),
        ([f"::ffff:127.0.0.{number}" for number in range(256)], 10),
        ([f"2001:db8::{number:x}" for number in range(1000)], 10),
        ([f"2001:db8:0:{number:x}::1" for number in range(1000)], 100),
    ],
    ids=["loopback", "mapped", "IPv6 network", "IPv6 site"],
)
@pytest.mark.attacker("network")
def test_many_addresses_are_one_guesser(addresses: list[str], guesses: int) -> None:
    """Guess a password from all addresses of a network: ten guesses in 15 minutes, or 100 for an
    IPv6 /48."""
    wrong = WrongPasswords(lambda: 0.0)
    allowed = 0
    for address in addresses:
        if not wrong.wait_s("anna", address):
            wrong.count("anna", address)
            allowed += 1
    assert allowed == guesses


@pytest.mark.parametrize("command", ["password", "remove", "disable"])
@pytest.mark.attacker("page account")
def test_a_password_that_changes_during_the_sign_in(tmp_path: Path, command: str) -> None:
    """Sign in with an old password while the password changes: no session begins."""
    with open_store(tmp_path) as store:
        accounts = Accounts(store)
        accounts.add("anna", "ACME", None, "an old password", TESTER)
        verified = accounts.verify("anna", "an old password")
        assert verified
        assert accounts.begin_session("anna", verified)
        if command == "password":
            accounts.set_password("anna", "a new password", TESTER)
        elif command == "remove":
            accounts.remove("anna", TESTER)
        else:
            accounts.disable("anna", TESTER)
        assert accounts.begin_session("anna", verified) is None
        assert not store.execute("SELECT * FROM session")
