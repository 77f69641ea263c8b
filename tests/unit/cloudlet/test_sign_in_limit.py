"""How many wrong passwords are looked at."""

from __future__ import annotations

from cirrus_cloudlet.sign_in_limit import SignInLimit


def test_it_opens_again() -> None:
    """A quarter of an hour after the first of too many, for one more; other keys are their own."""
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


def test_it_does_not_grow_for_ever() -> None:
    """Who sends ever new names fills no memory."""
    limit = SignInLimit(1, lambda: 0.0)
    for number in range(10_001):
        limit.count(str(number))
    assert limit.wait_s("0") == 0
    assert limit.wait_s("1") == 900
