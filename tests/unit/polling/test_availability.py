"""Troubles of servers and silence of locations."""

from __future__ import annotations

import pytest

from cirrus_bridge.base.model import Place
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.delivery.messages import OFFLINE_AFTER_S
from cirrus_bridge.polling.availability import Availability

QUEUE, SIBLING = (parse_queue_uri(f"cirrus://h/{company}/Paris:L1") for company in "CD")
PARIS, ROME = (Place("h", "C", location) for location in ("Paris", "Rome"))


def test_a_trouble_of_a_server() -> None:
    """It is news once, concerns all companies, and one answer ends it."""
    known = Availability()
    assert known.has_trouble(QUEUE, "Away.", of_company=False)
    assert not known.has_trouble(SIBLING, "Still away.", of_company=False)
    assert known.trouble_of(QUEUE) == known.trouble_of(SIBLING) == "Still away."
    assert known.trouble_is_over(SIBLING)
    assert not known.trouble_is_over(QUEUE)
    assert known.trouble_of(QUEUE) == ""


def test_a_trouble_of_a_company() -> None:
    """Others at the same server do not have the trouble, and their answers do not end it."""
    known = Availability()
    assert known.has_trouble(QUEUE, "Wrong key.", of_company=True)
    assert known.trouble_of(SIBLING) == ""
    assert not known.trouble_is_over(SIBLING)
    assert known.trouble_of(QUEUE) == "Wrong key."
    assert known.trouble_is_over(QUEUE)


@pytest.mark.parametrize("sign_s", [0.0, 1000.0])
def test_a_location_that_ignores_its_jobs(sign_s: float) -> None:
    """It is offline since its last sign of life, or since its oldest job came."""
    known = Availability({PARIS: sign_s})
    since_s = max(900.0, sign_s)
    waiting_s = {PARIS: 900.0, ROME: since_s + 1}
    assert not known.offline(waiting_s, since_s + OFFLINE_AFTER_S)
    offline = known.offline(waiting_s, since_s + OFFLINE_AFTER_S + 1)
    assert offline == {("h", "C"): {"Paris": since_s}}
