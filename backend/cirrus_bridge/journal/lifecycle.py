"""The life of a document: its states, its events and the transitions. Pure.

The journal keeps one state for each document and changes the state by `next_state` alone. After a
crash, the state answers the question whether the document may have been printed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.StrEnum):
    """The progress of a document, and who acts next."""

    # The document was not printed.
    SENDING = "sending"  # this run or the next one uploads the document
    WAITING = "waiting"  # CUPS holds the job; the poller releases it when the server works again
    REPRINT = "reprint"  # the cloud did not deliver; the next run submits again
    ABANDONED = "abandoned"  # CUPS ended the job first
    # The document may have been printed.
    SUBMITTING = "submitting"  # a submit was, or will be, sent; its answer is unknown
    WAITING_IN_DOUBT = "waiting-in-doubt"  # as SUBMITTING, while CUPS holds the job
    UNANSWERED = "unanswered"  # CUPS holds the job until a person decides
    ABANDONED_IN_DOUBT = "abandoned-in-doubt"  # CUPS ended the job first
    DROPPED = "dropped"  # given up, as the queue's onambiguous=drop asks
    # The cloud has the document.
    FOLLOWED = "followed"  # the backend follows the document
    HELD = "held"  # the poller follows the document, and CUPS holds the job
    LEFT = "left"  # the poller follows the document; CUPS ended the job
    CLOSED = "closed"  # the outcome is known and reported


class Event(enum.Enum):
    """An event in the life of a document."""

    RUN = enum.auto()  # CUPS starts the backend for the document
    WAIT = enum.auto()  # the server does not work; the job is left to the poller
    SUBMIT = enum.auto()  # the next step is the submit
    REFUSE = enum.auto()  # no submit of the document can have been accepted
    LOSE_ANSWER = enum.auto()  # a person is told that the document may be printed
    FORGET = enum.auto()  # an earlier journal is lost, which may have known of a submit
    DROP = enum.auto()  # as LOSE_ANSWER, but the queue has onambiguous=drop
    ACCEPT = enum.auto()  # the server answered with job ids
    HOLD = enum.auto()  # handed over to the poller, with a held job
    LEAVE = enum.auto()  # handed over to the poller, and CUPS ends the job
    TAKE_BACK = enum.auto()  # a backend follows the document again
    FAIL = enum.auto()  # the cloud did not deliver; the queue's onfailure prints again
    CLOSE = enum.auto()  # nothing is left to do
    ABANDON = enum.auto()  # CUPS ended the job before the server accepted the document


UNSENT = frozenset({State.SENDING, State.WAITING, State.REPRINT, State.ABANDONED})
_UNDECIDED = frozenset({State.SUBMITTING, State.WAITING_IN_DOUBT, State.ABANDONED_IN_DOUBT})
IN_DOUBT = _UNDECIDED | {State.UNANSWERED, State.DROPPED}
WITH_POLLER = frozenset({State.HELD, State.LEFT})
ACCEPTED = WITH_POLLER | {State.FOLLOWED, State.CLOSED}
WAITS = frozenset({State.WAITING, State.WAITING_IN_DOUBT})
OVER = frozenset({State.CLOSED, State.DROPPED, State.ABANDONED, State.ABANDONED_IN_DOUBT})
# For a class: the members' states, from "has the document" through "may have it" to "has it not".
MOST_TELLING = (
    *(State.FOLLOWED, State.HELD, State.LEFT, State.CLOSED),
    *(State.SUBMITTING, State.WAITING_IN_DOUBT, State.ABANDONED_IN_DOUBT, State.DROPPED),
    *(State.UNANSWERED, State.REPRINT, State.SENDING, State.WAITING, State.ABANDONED),
)

# a job may be held, left or taken back for another of its documents
_IF_CLOSED = {State.CLOSED: State.CLOSED}
TRANSITIONS: Mapping[Event, Mapping[State, State]] = {
    Event.RUN: {
        # a person who releases an unanswered job asks to print it
        **dict.fromkeys(UNSENT | {State.UNANSWERED}, State.SENDING),
        **dict.fromkeys(_UNDECIDED | {State.DROPPED}, State.SUBMITTING),
        **{state: state for state in ACCEPTED},
    },
    Event.WAIT: {State.SENDING: State.WAITING, State.SUBMITTING: State.WAITING_IN_DOUBT},
    Event.SUBMIT: dict.fromkeys((State.SENDING, State.SUBMITTING), State.SUBMITTING),
    Event.REFUSE: {State.SUBMITTING: State.SENDING},
    Event.LOSE_ANSWER: dict.fromkeys(_UNDECIDED, State.UNANSWERED),
    Event.FORGET: {State.SENDING: State.UNANSWERED},
    Event.DROP: dict.fromkeys(_UNDECIDED, State.DROPPED),
    Event.ACCEPT: {State.SUBMITTING: State.FOLLOWED},
    Event.HOLD: dict.fromkeys(ACCEPTED, State.HELD) | _IF_CLOSED,
    Event.LEAVE: dict.fromkeys(ACCEPTED, State.LEFT) | _IF_CLOSED,
    Event.TAKE_BACK: dict.fromkeys(ACCEPTED, State.FOLLOWED) | _IF_CLOSED,
    Event.FAIL: dict.fromkeys(WITH_POLLER, State.REPRINT),
    Event.CLOSE: dict.fromkeys(ACCEPTED, State.CLOSED),
    Event.ABANDON: {
        **dict.fromkeys(UNSENT - OVER, State.ABANDONED),
        **dict.fromkeys(IN_DOUBT - OVER, State.ABANDONED_IN_DOUBT),
    },
}


class ImpossibleTransition(Exception):
    """The program tried to change a document's state in a way that the table does not allow."""


def next_state(state: State, event: Event) -> State:
    """The state that follows `state` after `event`.

    Raises:
        ImpossibleTransition: TRANSITIONS has no next state.
    """
    try:
        return TRANSITIONS[event][state]
    except KeyError:
        raise ImpossibleTransition(f"{event.name} does not apply to {state}") from None


def sql_list(states: frozenset[State]) -> str:
    """States as a list for SQL's `state IN (…)`."""
    return f"({', '.join(repr(str(state)) for state in sorted(states))})"
