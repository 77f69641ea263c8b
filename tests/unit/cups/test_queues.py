"""Changes to a queue to which other programs write as well."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cirrus_bridge.base.errors import CupsAway
from cirrus_bridge.config.defaults import OFFLINE_REASON
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.queues import IDLE, MESSAGE_PREFIX, STOPPED, CupsQueues, QueuePapers
from cirrus_bridge.ipp.message import Attribute, Attributes, Group, Message, Operation
from cirrus_bridge.ipp.values import Value


class _Server(CupsServer):
    """A cupsd with one queue that accepts all changes."""

    def __init__(self, state: int, message: str, *reasons: str) -> None:
        super().__init__("/nowhere")
        self.queue: dict[str, tuple[Value, ...]] = {
            "printer-name": ("q",),
            "printer-state": (state,),
            "printer-state-message": (message,),
            "printer-state-reasons": reasons or ("none",),
        }

    def request(
        self,
        operation: int,
        path: str,
        *about: Attribute,
        group: Group = Group.JOB,
        changes: Sequence[Attribute] = (),
        data: bytes = b"",
        language: str = "en",
    ) -> Message:
        if operation == Operation.CUPS_ADD_MODIFY_PRINTER:
            self.queue |= {change.name: tuple(change.values) for change in changes}
        return Message(0, ((Group.PRINTER, Attributes(self.queue)),))


OURS = f"{MESSAGE_PREFIX}1 job waiting at Paris"


@pytest.mark.parametrize(
    ("state", "before", "after"),
    [
        (IDLE, "", OURS),
        (IDLE, f"{MESSAGE_PREFIX}2 jobs waiting at Paris", OURS),
        (IDLE, "Cannot reach h. The job is held. (CB-434)", OURS),
        (IDLE, "There is nothing to print. (CB-302)", "There is nothing to print. (CB-302)"),
        (IDLE, "Out of toner", "Out of toner"),
        (STOPPED, "", ""),
    ],
)
def test_whose_message_it_is(state: int, before: str, after: str) -> None:
    """The message of another program and the message of a stopped queue stay."""
    server = _Server(state, before)
    CupsQueues(server).tell_queue("q", (), "1 job waiting at Paris")
    assert server.queue["printer-state-message"] == (after,)


def test_the_message_of_another_is_not_taken_away() -> None:
    """An empty message removes only our own."""
    theirs, ours = _Server(IDLE, "Out of toner"), _Server(IDLE, OURS)
    waiting = _Server(IDLE, "Cannot reach h. The job is held. (CB-434)")
    for server in (theirs, ours, waiting):
        CupsQueues(server).tell_queue("q", (), "")
    assert theirs.queue["printer-state-message"] == ("Out of toner",)
    assert ours.queue["printer-state-message"] == ("",)
    assert waiting.queue["printer-state-message"] == ("",)


def test_the_reasons_of_others_stay() -> None:
    """Foreign reasons stay while ours are added and removed, because CUPS replaces all reasons
    at once. Those of an earlier version go."""
    server = _Server(IDLE, "", "toner-low", "cirrus-delivery-unasked-warning")
    CupsQueues(server).tell_queue("q", {OFFLINE_REASON}, "")
    reasons = server.queue["printer-state-reasons"]
    assert set(reasons) == {"toner-low", OFFLINE_REASON}


class _Answers(CupsServer):
    """A cupsd that answers with these groups."""

    def __init__(self, *groups: tuple[int, dict[str, tuple[Value, ...]]]) -> None:
        super().__init__("/nowhere")
        self.response = Message(0, tuple((tag, Attributes(values)) for tag, values in groups))

    def request(self, *args: object, **settings: object) -> Message:
        return self.response


@pytest.mark.parametrize("count", [0, 2])
def test_an_answer_that_is_not_about_one(count: int) -> None:
    """An answer about no job or several counts as no answer, so the poller asks again."""
    jobs, queues = (_Answers(*[(group, {})] * count) for group in (Group.JOB, Group.PRINTER))
    for ask in (lambda: CupsQueues(jobs).job(1), lambda: CupsQueues(queues).queue("q")):
        with pytest.raises(CupsAway):
            ask()


def test_a_queue_without_values() -> None:
    """`no-value` and values of another kind count as missing."""
    strange: dict[str, tuple[Value, ...]] = {
        "printer-name": ("q",),
        "printer-state": (),
        "printer-type": (b"\x01",),
        "queued-job-count": ("many",),
    }
    queue = CupsQueues(_Answers((Group.PRINTER, strange))).queue("q")
    assert (queue.name, queue.state, queue.is_class, queue.jobs) == ("q", 0, False, 0)
    assert (queue.mark, queue.cancel_after_s, queue.reasons) == (None, None, ())


@pytest.mark.parametrize(
    ("version", "count"), [("2.3.3op2", 0), ("", 0), ("2.4.2", 1), ("2.10.0", 1), ("2.5b1", 1)]
)
def test_loaded_papers_are_known_since_cups_2_4(version: str, count: int) -> None:
    """Before, no queue reports a loaded paper, and cupsd.conf cannot change that."""
    label = "om_62x29mm_62x29mm"
    queue: dict[str, tuple[Value, ...]] = {
        "printer-name": ("labels",),
        "printer-is-shared": (True,),
        "server-is-sharing-printers": (True,),
        "media-default": (label,),
        "media-supported": (label,),
        "cups-version": (version,),
    }
    found = CupsQueues(_Answers((Group.PRINTER, queue))).papers()
    assert found == [QueuePapers("labels", True, label, (), (label,))] * count
