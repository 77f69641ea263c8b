"""How many segments go at once: it grows, falls back, and learns of servers that take one."""

from __future__ import annotations

import random

import pytest

from cirrus_bridge.sending.concurrency import Crowd


def test_falls_back_to_one_and_grows_again() -> None:
    """One after a failure, then one more after each success, up to what is allowed."""
    crowd = Crowd(3)
    assert crowd.limit == 3
    crowd.sent(9)
    assert not crowd.failed(9, for_good=False)
    assert crowd.limit == 1
    limits = []
    for index in range(4):
        crowd.sent(index)
        crowd.worked(index)
        limits.append(crowd.limit)
    assert limits == [2, 3, 3, 3]


def test_one_refusal_among_others_is_enough() -> None:
    """Refused with company, taken alone: a server does not say no by chance."""
    crowd = Crowd(4)
    crowd.sent(0)
    crowd.sent(1)
    assert not crowd.worked(0)
    assert crowd.failed(1, for_good=True)
    crowd.sent(1)
    assert crowd.worked(1)
    assert crowd.limit == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_bad_line_is_not_taken_for_such_a_server(seed: int) -> None:
    """One in two hundred segments fails, whatever else is under way: four go at once to the end."""
    rng = random.Random(seed)
    crowd = Crowd(4)
    found = False
    waiting = list(range(2000))
    while waiting:
        sent, waiting = waiting[: crowd.limit], waiting[crowd.limit :]
        for index in sent:
            crowd.sent(index)
        for index in sent:
            if rng.random() < 0.005:
                crowd.failed(index, for_good=False)
                waiting.insert(0, index)
            else:
                found |= crowd.worked(index)
    assert not found


def test_an_outage_is_one_strike() -> None:
    """All that were under way failed together, and work one by one afterwards."""
    crowd = Crowd(4)
    for index in range(4):
        crowd.sent(index)
    for index in range(4):
        assert crowd.failed(index, for_good=False)
    for index in range(4):
        assert crowd.limit == 1
        crowd.sent(index)
        assert not crowd.worked(index)
    assert crowd.limit > 1


def test_a_server_with_one_thread_is_found() -> None:
    """One connection goes on and on, the other one is left waiting, each time."""
    crowd = Crowd(4)
    found = 0
    for start in (0, 100, 200):
        crowd.sent(start)
        found += crowd.worked(start)
        crowd.sent(start + 1)
        for index in range(start + 2, start + 20):
            crowd.sent(index)
            found += crowd.worked(index)
        crowd.failed(start + 1, for_good=False)
        crowd.sent(start + 1)
        found += crowd.worked(start + 1)
    assert found == 1


def test_a_server_that_fails_the_second_of_two_is_found() -> None:
    """One segment of each crowd works, and the others work when they come alone."""
    crowd = Crowd(4)
    found = 0
    waiting = list(range(60))
    while waiting:
        sent, waiting = waiting[: crowd.limit], waiting[crowd.limit :]
        for index in sent:
            crowd.sent(index)
        for index in sent[1:]:
            crowd.failed(index, for_good=False)
            waiting.insert(0, index)
        found += crowd.worked(sent[0])
    assert found == 1
    assert crowd.limit == 1
