"""Who may use the printers."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from cirrus_bridge.config.accounts import ACCOUNTS, remove_account, set_account
from cirrus_bridge.ipp_server.access import (
    Accounts,
    AllowedNetworks,
    Guessers,
    TooManyGuesses,
    guesser_of,
)
from cirrus_bridge.ipp_server.interfaces import InterfaceAddress

CLIENT = "192.0.2.7"


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def time() -> Time:
    return Time()


def _interface(text: str) -> InterfaceAddress:
    made = ipaddress.ip_interface(text)
    return InterfaceAddress("eth0", 2, made.ip, made.network)


def _networks(*listed: str, time: Time, own: list[str] | None = None) -> AllowedNetworks:
    def addresses() -> list[InterfaceAddress]:
        return [_interface(text) for text in own or []]

    return AllowedNetworks(listed, time, addresses)


@pytest.mark.parametrize(
    ("client", "allowed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("192.0.2.200", True),
        ("::ffff:192.0.2.200", True),
        ("fe80::7%eth0", True),
        ("198.51.100.1", False),
        ("::ffff:198.51.100.1", False),
        ("2001:db8::1", False),
        ("", False),
        ("print.example.com", False),
    ],
)
def test_the_own_networks_by_default(client: str, allowed: bool, time: Time) -> None:
    """Without a list, clients on this machine and on the networks of its interfaces connect."""
    networks = _networks(time=time, own=["192.0.2.1/24", "fe80::1/64"])
    assert networks.allows(client) is allowed


def test_listed_networks(time: Time) -> None:
    """A list replaces the networks of the interfaces, but this machine always connects."""
    networks = _networks("198.51.100.0/25", "2001:db8::7", time=time, own=["192.0.2.1/24"])
    assert all(networks.allows(each) for each in ("127.0.0.1", "198.51.100.5", "2001:db8::7"))
    assert not any(networks.allows(each) for each in ("192.0.2.2", "198.51.100.200", "2001:db8::8"))


def test_a_machine_that_moves(time: Time) -> None:
    """A new network is noticed soon."""
    own = ["192.0.2.1/24"]
    networks = _networks(time=time, own=own)
    assert not networks.allows("198.51.100.1")
    own[:] = ["198.51.100.7/24"]
    time.s += 11
    assert networks.allows("198.51.100.1") and not networks.allows("192.0.2.2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the account jo."""
    path = tmp_path / ACCOUNTS
    set_account(path, "jo", "secret")
    return path


def test_names_and_passwords(path: Path, time: Time) -> None:
    """Only the account's own password signs in; case and unknown names count as wrong."""
    accounts = Accounts(path, time)
    assert accounts.verify("jo", "secret", CLIENT)
    assert not accounts.verify("jo", "Secret", CLIENT)
    assert not accounts.verify("Jo", "secret", CLIENT)
    assert not accounts.verify("ann", "", CLIENT)


def test_changes_take_effect_at_once(path: Path, time: Time) -> None:
    """An account that is removed cannot sign in, although its password was verified before."""
    accounts = Accounts(path, time)
    assert accounts.verify("jo", "secret", CLIENT)
    set_account(path, "jo", "other")
    assert not accounts.verify("jo", "secret", CLIENT)
    assert accounts.verify("jo", "other", CLIENT)
    remove_account(path, "jo")
    assert not accounts.verify("jo", "other", CLIENT)
    path.unlink()
    assert not accounts.verify("jo", "other", CLIENT)


def test_an_invalid_file_lets_nobody_in(path: Path, time: Time) -> None:
    """Without readable accounts, no password is right."""
    accounts = Accounts(path, time)
    assert accounts.verify("jo", "secret", CLIENT)
    path.write_text("[[account")
    assert not accounts.verify("jo", "secret", CLIENT)


def test_a_file_that_becomes_readable(path: Path, time: Time) -> None:
    """A corrected mode counts at once, although the content is the same."""
    accounts = Accounts(path, time)
    path.chmod(0o644)
    assert not accounts.verify("jo", "secret", CLIENT)
    path.chmod(0o640)
    assert accounts.verify("jo", "secret", CLIENT)


def test_guesses_are_slowed_per_client(path: Path, time: Time) -> None:
    """After some wrong passwords, a client waits, longer each time; other clients do not."""
    accounts = Accounts(path, time)
    for guess in range(5):
        assert not accounts.verify("jo", str(guess), CLIENT)
    with pytest.raises(TooManyGuesses) as caught:
        accounts.verify("jo", "secret", CLIENT)
    assert 0 < caught.value.wait_s <= 1
    assert accounts.verify("jo", "secret", "192.0.2.8")
    # what is known to be right needs no guess
    assert accounts.verify("jo", "secret", CLIENT)
    time.s += 1.1
    assert not accounts.verify("jo", "5", CLIENT)
    with pytest.raises(TooManyGuesses) as caught:
        accounts.verify("jo", "6", CLIENT)
    assert 1 < caught.value.wait_s <= 2


def test_a_verified_password_is_remembered_for_minutes(path: Path, time: Time) -> None:
    """Within five minutes, a client that may not guess any more still signs in; later it waits."""
    accounts = Accounts(path, time)
    assert accounts.verify("jo", "secret", CLIENT)
    for guess in range(5):
        accounts.verify("jo", str(guess), CLIENT)
    time.s += 0.5
    assert accounts.verify("jo", "secret", CLIENT)
    time.s += 400
    assert not accounts.verify("jo", "5", CLIENT)
    with pytest.raises(TooManyGuesses):
        accounts.verify("jo", "secret", CLIENT)


def test_waits_grow_to_a_limit_and_are_forgotten(time: Time) -> None:
    """No wait is longer than five minutes, and a quarter of an hour later all is forgotten."""
    guessers = Guessers(time)
    for _ in range(50):
        guessers.note("a")
    with pytest.raises(TooManyGuesses) as caught:
        guessers.check("a")
    assert caught.value.wait_s == 300
    time.s += 901
    guessers.note("a")
    guessers.check("a")


def test_memory_is_bounded(time: Time) -> None:
    """Of many clients, those that guessed first are forgotten."""
    guessers = Guessers(time)
    for at in range(20_000):
        for _ in range(5):
            guessers.note(str(at))
    guessers.check("0")
    with pytest.raises(TooManyGuesses):
        guessers.check("19999")


def test_a_network_is_one_guesser() -> None:
    """An IPv6 client has many addresses of its /64; an IPv4 client has one."""
    assert guesser_of("2001:db8::1") == guesser_of("2001:db8::ffff:1")
    assert guesser_of("2001:db8::1") != guesser_of("2001:db8:0:1::1")
    assert guesser_of("::ffff:192.0.2.1") == guesser_of("192.0.2.1") != guesser_of("192.0.2.2")
    assert guesser_of("unix") == ""
