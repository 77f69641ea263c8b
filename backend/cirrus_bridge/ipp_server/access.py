"""Access to the printers: by the network of a client, and by the account of a person.

The classes may be used by several threads. They take the time from an argument, in seconds of a
clock that cannot be set.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.config.accounts import PasswordHash, normal, read_accounts
from cirrus_bridge.ipp_server.interfaces import (
    LOOPBACK_NETWORKS,
    Address,
    InterfaceAddress,
    Network,
    interface_addresses,
)

_OWN_NETWORKS_S = 10.0  # how long the networks of the interfaces are remembered
_VERIFIED_S = 300.0  # how long a password needs no new scrypt
_MOST_VERIFIED = 1000
_FREE_GUESSES = 5  # typing errors
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 300.0
_FORGOTTEN_AFTER_S = 900.0
_MOST_GUESSERS = 10_000
_MOST_HASHES_AT_ONCE = 2  # each uses 16 MiB
_log = logging.getLogger(__name__)


class AllowedNetworks:
    """The networks from which clients may connect."""

    def __init__(
        self,
        networks: Sequence[str],
        now_s: Callable[[], float],
        addresses: Callable[[], Sequence[InterfaceAddress]] = interface_addresses,
    ) -> None:
        """Take the networks of `[printers]`; without any, loopback and the interfaces' networks."""
        self._now_s, self._addresses = now_s, addresses
        self._listed = tuple(ipaddress.ip_network(each, strict=False) for each in networks)
        self._own: tuple[Network, ...] = ()
        self._own_until_s = float("-inf")
        self._lock = threading.Lock()

    def allows(self, client: str) -> bool:
        """Whether a client with this numeric address may connect."""
        try:
            address = plain_address(client)
        except ValueError:
            return False
        if any(address in each for each in LOOPBACK_NETWORKS):
            return True
        return any(address in each for each in self._listed or self._own_networks())

    def _own_networks(self) -> tuple[Network, ...]:
        with self._lock:
            if self._now_s() >= self._own_until_s:
                self._own_until_s = self._now_s() + _OWN_NETWORKS_S
                try:
                    self._own = tuple(each.network for each in self._addresses())
                except OSError as error:
                    _log.warning("cannot read the addresses of this machine: %s", error)
            return self._own


def plain_address(text: str) -> Address:
    """An address without its zone; IPv4 addresses that IPv6 sockets report are IPv4 addresses.
    Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def guesser_of(client: str) -> str:
    """The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = plain_address(client)
    except ValueError:
        return ""
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), False))


class TooManyGuesses(Exception):
    """A client guessed too often. `wait_s` is the time until its next guess counts."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


@dataclass(slots=True)
class _Guesses:
    failures: int = 0
    wait_until_s: float = 0.0
    last_s: float = 0.0


class Guessers:
    """The clients whose passwords were wrong. Each further wrong guess doubles the wait."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._clients: OrderedDict[str, _Guesses] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, guesser: str) -> None:
        """Raise TooManyGuesses if a client has to wait."""
        with self._lock:
            guesses = self._clients.get(guesser)
            if guesses and (wait_s := guesses.wait_until_s - self._now_s()) > 0:
                raise TooManyGuesses(wait_s)

    def note(self, guesser: str) -> None:
        """Count a wrong guess. The clients that guessed last are remembered."""
        with self._lock:
            now_s = self._now_s()
            guesses = self._clients.pop(guesser, _Guesses())
            if now_s - guesses.last_s > _FORGOTTEN_AFTER_S:
                guesses = _Guesses()
            guesses.failures += 1
            guesses.last_s = now_s
            if (more := guesses.failures - _FREE_GUESSES) >= 0:
                wait_s = min(_FIRST_WAIT_S * 2 ** min(more, 20), _LONGEST_WAIT_S)
                guesses.wait_until_s = now_s + wait_s
            self._clients[guesser] = guesses
            while len(self._clients) > _MOST_GUESSERS:
                self._clients.popitem(last=False)


class Accounts:
    """The accounts of a file (`config/accounts`), which is read again when it has changed."""

    def __init__(self, path: Path, now_s: Callable[[], float]) -> None:
        self._path, self._now_s = path, now_s
        self._guessers = Guessers(now_s)
        self._accounts: Mapping[str, PasswordHash] = {}
        self._version: tuple[int, ...] | None = ()  # of the file; () before it is read
        self._key = os.urandom(32)
        self._verified: OrderedDict[bytes, float] = OrderedDict()  # → when it ends
        self._lock = threading.Lock()
        self._hashing = threading.BoundedSemaphore(_MOST_HASHES_AT_ONCE)
        self._nobody = PasswordHash.of(os.urandom(16).hex())

    def verify(self, name: str, password: str, client: str) -> bool:
        """Whether a client's name and password are those of an account. This takes 0.2 s if the
        password is wrong or new, so an event loop calls this in a thread.

        Args:
            client: the client's numeric address.

        Raises:
            TooManyGuesses: the client guessed too often; the password was not looked at.
        """
        name = normal(name)
        known = self._current().get(name)
        mark = self._mark(name, password, known or self._nobody)
        if known and self._is_verified(mark):
            return True
        guesser = guesser_of(client)
        self._guessers.check(guesser)
        with self._hashing:
            self._guessers.check(guesser)  # guesses that waited together do not count as one
            matches = (known or self._nobody).matches(password)  # unknown names cost the same
            if not (known and matches):
                self._guessers.note(guesser)
                return False
        self._remember(mark)
        return True

    def _current(self) -> Mapping[str, PasswordHash]:
        try:
            status = self._path.stat()
            # the time of change also tells of a new mode, by which the file becomes readable
            version: tuple[int, ...] | None = (status.st_ino, status.st_ctime_ns, status.st_size)
        except OSError:
            version = None
        with self._lock:
            if version != self._version:
                self._version = version
                try:
                    self._accounts = read_accounts(self._path)
                except BadConfiguration as error:
                    _log.error("nobody can sign in: %s", error)
                    self._accounts = {}
            return self._accounts

    def _mark(self, name: str, password: str, known: PasswordHash) -> bytes:
        """The mark of a verified password, from which nobody can guess the password."""
        texts = (name, normal(password), str(known))
        data = b"".join(
            hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts
        )
        return hmac.digest(self._key, data, "sha256")

    def _is_verified(self, mark: bytes) -> bool:
        with self._lock:
            return self._now_s() < self._verified.get(mark, float("-inf"))

    def _remember(self, mark: bytes) -> None:
        with self._lock:
            self._verified[mark] = self._now_s() + _VERIFIED_S
            self._verified.move_to_end(mark)
            while len(self._verified) > _MOST_VERIFIED:
                self._verified.popitem(last=False)
