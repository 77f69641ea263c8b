"""How clients share the places for jobs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.ipp_server.shares import has_room

Taken = Counter[tuple[str, str]]


def _fill(taken: Taken, host: str, users: list[str], places: int) -> int:
    """Take places until there are none for these users; return the number of the host's places."""
    is_full = False
    while not is_full:
        is_full = True
        for user in users:
            if has_room(taken, host, user, places):
                taken[host, user] += 1
                is_full = False
    return sum(count for (other, _), count in taken.items() if other == host)


@pytest.mark.attacker("network")
def test_a_client_that_takes_all_it_gets() -> None:
    """Create jobs without documents, under any number of names: a network gets at most half of the
    places for jobs, and other networks get theirs."""
    taken: Taken = Counter()
    assert _fill(taken, "192.0.2.1", [f"user{number}" for number in range(600)], 500) == 250
    assert _fill(taken, "192.0.2.2", ["bob"], 500) > 100
    assert _fill(taken, "2001:db8::1", ["bob"], 500) > 50
    assert _fill(taken, "2001:db8::2", ["eve"], 500) < 10  # the same network


@pytest.mark.attacker("local account")
def test_users_of_a_machine() -> None:
    """Create jobs without documents: other users of the machine can still print."""
    taken: Taken = Counter()
    assert _fill(taken, "127.0.0.1", ["eve"], 500) > 200
    assert _fill(taken, "::1", ["ann"], 500) > 20
    assert has_room(taken, "127.0.0.1", "bob", 500)


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 100))
def test_places_are_never_exceeded(wishes: list[int], places: int) -> None:
    """A newcomer gets a place unless all are taken."""
    taken: Taken = Counter()
    for number, wished in enumerate(wishes):
        host = f"192.0.2.{number}"
        assert has_room(taken, host, "ann", places) == (taken.total() < places)
        for _ in range(wished):
            taken[host, "ann"] += has_room(taken, host, "ann", places)
        assert taken.total() <= places
