"""The states of a document, every transition of them, and the picture in CONTRIBUTING."""

from __future__ import annotations

import re

import pytest

from cirrus_bridge.journal.lifecycle import (
    ACCEPTED,
    IN_DOUBT,
    MOST_TELLING,
    OVER,
    TRANSITIONS,
    UNSENT,
    Event,
    ImpossibleTransition,
    State,
    next_state,
)
from paths import REPO

S, E = State, Event
# the table again, in the order in which people read it: events by state
EXPECTED: dict[State, dict[Event, State]] = {
    S.SENDING: {E.RUN: S.SENDING, E.WAIT: S.WAITING, E.SUBMIT: S.SUBMITTING,
                E.FORGET: S.UNANSWERED, E.ABANDON: S.ABANDONED},
    S.WAITING: {E.RUN: S.SENDING, E.ABANDON: S.ABANDONED},
    S.REPRINT: {E.RUN: S.SENDING, E.ABANDON: S.ABANDONED},
    S.ABANDONED: {E.RUN: S.SENDING},
    S.SUBMITTING: {E.RUN: S.SUBMITTING, E.WAIT: S.WAITING_IN_DOUBT, E.SUBMIT: S.SUBMITTING,
                   E.REFUSE: S.SENDING, E.LOSE_ANSWER: S.UNANSWERED, E.DROP: S.DROPPED,
                   E.ACCEPT: S.FOLLOWED, E.ABANDON: S.ABANDONED_IN_DOUBT},
    S.WAITING_IN_DOUBT: {E.RUN: S.SUBMITTING, E.LOSE_ANSWER: S.UNANSWERED, E.DROP: S.DROPPED,
                         E.ABANDON: S.ABANDONED_IN_DOUBT},
    S.UNANSWERED: {E.RUN: S.SENDING, E.ABANDON: S.ABANDONED_IN_DOUBT},
    S.ABANDONED_IN_DOUBT: {E.RUN: S.SUBMITTING, E.LOSE_ANSWER: S.UNANSWERED, E.DROP: S.DROPPED},
    S.DROPPED: {E.RUN: S.SUBMITTING},
    S.FOLLOWED: {E.RUN: S.FOLLOWED, E.HOLD: S.HELD, E.LEAVE: S.LEFT, E.TAKE_BACK: S.FOLLOWED,
                 E.CLOSE: S.CLOSED},
    S.HELD: {E.RUN: S.HELD, E.HOLD: S.HELD, E.LEAVE: S.LEFT, E.TAKE_BACK: S.FOLLOWED,
             E.FAIL: S.REPRINT, E.CLOSE: S.CLOSED},
    S.LEFT: {E.RUN: S.LEFT, E.HOLD: S.HELD, E.LEAVE: S.LEFT, E.TAKE_BACK: S.FOLLOWED,
             E.FAIL: S.REPRINT, E.CLOSE: S.CLOSED},
    S.CLOSED: {E.RUN: S.CLOSED, E.HOLD: S.CLOSED, E.LEAVE: S.CLOSED, E.TAKE_BACK: S.CLOSED,
               E.CLOSE: S.CLOSED},
}  # fmt: skip


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_transition(state: State, event: Event) -> None:
    """Each pair of state and event has a next state, or is impossible."""
    after = EXPECTED[state].get(event)
    if after is None:
        with pytest.raises(ImpossibleTransition):
            next_state(state, event)
    else:
        assert next_state(state, event) is after


def test_doubt_stays_until_somebody_knows() -> None:
    """Only a certain refusal or a person's decision leads from doubt to a new submit."""
    for event, table in TRANSITIONS.items():
        for state, after in table.items():
            if state in IN_DOUBT and after in UNSENT:
                assert (state, event) in {(S.SUBMITTING, E.REFUSE), (S.UNANSWERED, E.RUN)}


def test_only_a_failed_delivery_leads_to_a_reprint() -> None:
    """No other event leads from acceptance to another submit."""
    for event, table in TRANSITIONS.items():
        for state, after in table.items():
            if state in ACCEPTED and after not in ACCEPTED:
                assert (event, after) == (E.FAIL, S.REPRINT)


def test_groups() -> None:
    """Each state is in one group, and has its place among members of a class."""
    assert sorted([*UNSENT, *IN_DOUBT, *ACCEPTED]) == sorted(State)
    assert sorted(MOST_TELLING) == sorted(State)
    assert not OVER - frozenset(State)


def test_contributing_has_the_picture() -> None:
    """The picture has all states and events, and no others."""
    text = (REPO / "CONTRIBUTING.md").read_text()
    (picture,) = re.findall(r"(?s)<!-- lifecycle -->\n```\n(.*?)```", text)
    words = set(re.findall(r"[a-z_-]{4,}", picture))
    assert words >= {state.value for state in State}
    assert set(re.findall(r"[A-Z_]{3,}", picture)) == {event.name for event in Event}
