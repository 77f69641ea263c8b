"""Quotas that are full."""

from __future__ import annotations

import pytest

from cirrus_cloudlet.errors import QuotaFull
from cirrus_cloudlet.inventory.inventory import Limits
from cirrus_cloudlet.storage.quotas import Amount, Full, Owner, Quotas


@pytest.mark.attacker("print key")
def test_looks_for_room_that_take_long() -> None:
    """Fill a quota with so much that it takes long to look for what can be removed: requests above
    the quota use at most a twentieth of the time for that."""
    now = 0.0
    looks = []

    def make_room(full: Full) -> bool:
        nonlocal now
        now += 2
        looks.append(full)
        return False

    quotas = Quotas(lambda: Limits(company_jobs=2), make_room, *[lambda: now] * 2)
    quotas.reserve(Owner("A", "k"), Amount(jobs=1))
    for _ in range(100):
        with pytest.raises(QuotaFull, match="key 'k' has no room for more jobs"):
            quotas.reserve(Owner("A", "k"), Amount(jobs=1))
        now += 1
    assert len(looks) == 3
    with pytest.raises(QuotaFull):  # another quota has its own looks
        quotas.reserve(Owner("B", "k"), Amount(jobs=2))
    assert len(looks) == 4
    quotas.release(Owner("A", "k"), Amount(jobs=1))
    quotas.reserve(Owner("A", "k"), Amount(jobs=1))
