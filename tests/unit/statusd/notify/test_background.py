"""Changes are handled in a thread: in order, within bounds, and with few lines in the log."""

from __future__ import annotations

import threading

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.statusd.notify.background import MOST_WAITING, BackgroundWorker


def test_order_is_kept() -> None:
    """The first change is handled first, and all are handled by the end."""
    told: list[Change] = []
    aside = BackgroundWorker("late", told.append, told.append, Clock())
    changes = [Change("x", str(number)) for number in range(100)]
    for change in changes:
        aside(change)
    aside.finish(10)
    assert told == changes


def test_the_oldest_are_dropped() -> None:
    """A stuck sink costs bounded memory and one line in the log; the newest changes are handled."""
    told: list[str] = []
    log: list[Change] = []
    at_work, go_on = threading.Event(), threading.Event()

    def act(change: Change) -> None:
        at_work.set()
        go_on.wait(60)
        told.append(change.text)

    aside = BackgroundWorker("late", act, log.append, Clock())
    aside(Change("x", "first"))
    at_work.wait(60)
    for number in range(MOST_WAITING + 5):
        aside(Change("x", str(number)))
    go_on.set()
    aside.finish(10)
    assert told == ["first", *(str(number) for number in range(5, MOST_WAITING + 5))]
    assert [(change.event, "dropped" in change.text) for change in log] == [("late", True)]


def test_a_fault_is_not_the_end() -> None:
    """A change that breaks the sink is logged, and the next one is handled."""
    told: list[str] = []
    log: list[Change] = []

    def act(change: Change) -> None:
        told.append(change.text)
        if len(told) < 3:
            raise ZeroDivisionError

    aside = BackgroundWorker("late", act, log.append, Clock())
    for text in ("a", "b", "c"):
        aside(Change("x", text))
    aside.finish(10)
    assert told == ["a", "b", "c"]
    assert len(log) == 1 and "ZeroDivisionError" in log[0].text


def test_a_stuck_sink_does_not_keep_the_program() -> None:
    """The sink is abandoned at the end, with a line in the log."""
    log: list[Change] = []
    go_on = threading.Event()

    def act(change: Change) -> None:
        go_on.wait(60)

    aside = BackgroundWorker("late", act, log.append, Clock())
    aside(Change("x", ""))
    aside.close(0.01)
    go_on.set()
    assert [change.event for change in log] == ["late"]
