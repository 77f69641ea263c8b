"""The limit of segments at once: it grows, shrinks, and detects servers that take one at a time."""

from __future__ import annotations

import random

import pytest

from cirrus_bridge.sending.concurrency import LEAST, STRIKES, SegmentLimit


def test_halves_and_grows_again() -> None:
    """The limit is halved after a failure, and grows by one after each success, up to its
    maximum."""
    limit = SegmentLimit(6)
    assert limit.now == 6
    limit.begin(9)
    assert not limit.has_company(9)
    limit.fail([9], refused=False)
    assert limit.now == 3
    seen = []
    for index in range(4):
        limit.begin(index)
        limit.succeed(index)
        seen.append(limit.now)
    assert seen == [4, 5, 6, 6]


def test_never_less_than_one() -> None:
    """The limit stays at least one after any number of failures."""
    limit = SegmentLimit(4)
    for expected in (2, 1, 1):
        limit.begin(0)
        limit.fail([0], refused=False)
        assert limit.now == expected


def test_one_refusal_among_others_is_enough() -> None:
    """A segment that is refused in company and taken alone proves that the server takes one at a
    time."""
    limit = SegmentLimit(4)
    limit.begin(0)
    limit.begin(1)
    assert not limit.succeed(0)
    assert limit.has_company(1)
    limit.fail([1], refused=True)
    limit.begin(1)
    assert limit.succeed(1)
    assert limit.now == 1


def test_a_refusal_that_stays_proves_nothing() -> None:
    """A segment that is refused alone as well proves nothing. The next refusal counts."""
    limit = SegmentLimit(2)
    limit.begin(0)
    limit.begin(1)
    limit.succeed(0)
    limit.fail([1], refused=True)
    assert limit.now == 1
    limit.begin(1)
    assert not limit.has_company(1)


@pytest.mark.parametrize("seed", range(20))
def test_a_bad_line_is_not_taken_for_such_a_server(seed: int) -> None:
    """If one segment in two hundred fails at random, four segments go at once to the end."""
    rng = random.Random(seed)
    limit = SegmentLimit(4)
    found = False
    waiting = list(range(2000))
    while waiting:
        sent, waiting = waiting[: limit.now], waiting[limit.now :]
        failed = []
        for index in sent:
            limit.begin(index)
        for index in sent:
            if rng.random() < 0.005:
                failed.append(index)
            else:
                found |= limit.succeed(index)
        if failed:
            limit.fail(failed, refused=False)
        waiting = failed + waiting
    assert not found


def test_an_outage_is_not_a_strike() -> None:
    """Segments that fail together in several outages, and work one by one afterwards, prove
    nothing."""
    limit = SegmentLimit(2 ** (STRIKES + 1))
    for _ in range(STRIKES + 1):
        under_way = range(limit.now)
        for index in under_way:
            limit.begin(index)
        assert all(limit.has_company(index) for index in under_way)
        limit.fail(under_way, refused=False)
    assert limit.now == 1
    for index in range(4):
        limit.begin(index)
        assert not limit.succeed(index)
    assert limit.now > 1


def test_a_server_with_one_thread_is_found() -> None:
    """A server that serves one connection and lets the other one wait is detected."""
    limit = SegmentLimit(4)
    found = 0
    for start in range(0, 100 * STRIKES, 100):
        limit.begin(start)
        found += limit.succeed(start)
        limit.begin(start + 1)
        for index in range(start + 2, start + 20):
            limit.begin(index)
            found += limit.succeed(index)
        limit.fail([start + 1], refused=False)
        limit.begin(start + 1)
        found += limit.succeed(start + 1)
    assert found == 1


def test_a_server_that_fails_the_second_of_two_is_found() -> None:
    """A server that takes one of several segments, and each of the others alone, is detected."""
    limit = SegmentLimit(4)
    found = 0
    waiting = list(range(60))
    while waiting:
        sent, waiting = waiting[: limit.now], waiting[limit.now :]
        for index in sent:
            limit.begin(index)
        found += limit.succeed(sent[0])
        if len(sent) > 1:
            limit.fail(sent[1:], refused=False)
            waiting = sent[1:] + waiting
    assert found == 1
    assert limit.now == 1


def test_a_server_that_takes_two_is_not_taken_for_one() -> None:
    """A server that takes two of four segments each time is not detected."""
    limit = SegmentLimit(4)
    waiting = list(range(60))
    while waiting:
        sent, waiting = waiting[: limit.now], waiting[limit.now :]
        for index in sent:
            limit.begin(index)
        for index in sent[:2]:
            assert not limit.succeed(index)
        if failed := sent[2:]:
            limit.fail(failed, refused=False)
            waiting = failed + waiting


def test_a_slow_line_gets_fewer() -> None:
    """Slow successes lower the limit to LEAST, and quick ones raise it again."""
    limit = SegmentLimit(LEAST + 3)
    seen = []
    for index, slow in enumerate([True] * 5 + [False] * 4):
        limit.begin(index)
        assert not limit.succeed(index, slow=slow)
        seen.append(limit.now - LEAST)
    assert seen == [2, 1, 0, 0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize("most", [1, 2])
def test_a_slow_line_keeps_the_limit_of_the_administrator(most: int) -> None:
    """Slow successes do not raise a limit that is lower than LEAST, nor lower it further."""
    limit = SegmentLimit(most)
    limit.begin(0)
    limit.succeed(0, slow=True)
    assert limit.now == most
