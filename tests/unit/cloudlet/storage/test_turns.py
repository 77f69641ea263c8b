"""A lock that the companies get in turn."""

from __future__ import annotations

import threading

import pytest

from cirrus_cloudlet.storage.turns import Turns


@pytest.mark.attacker("print key")
def test_companies_take_turns() -> None:
    """Keep the database busy with all threads of a company: another company waits for one turn
    only."""
    turns = Turns()
    order: list[str] = []

    def work(company: str, name: str) -> None:
        with turns.turn(company):
            order.append(name)

    with turns.turn("A"):
        threads = []
        for company, name in (("A", "A1"), ("A", "A2"), ("A", "A3"), ("B", "B1"), ("B", "B2")):
            threads.append(threading.Thread(target=work, args=(company, name)))
            threads[-1].start()
            while turns.waiting < len(threads):
                pass
        assert not order
    for thread in threads:
        thread.join()
    assert order == ["A1", "B1", "A2", "B2", "A3"]
    with turns.turn("A"):  # the lock is free again
        pass


def test_an_error_passes_the_turn_on() -> None:
    """The lock is free after a block that raises."""
    turns = Turns()
    for _ in range(2):
        with pytest.raises(ValueError, match="x"), turns.turn("A"):
            raise ValueError("x")
