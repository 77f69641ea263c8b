"""Queues of several servers: names of devices cannot take another server's queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.base.errors import CirrusError, CupsNotPossible, Unreachable
from cirrus_bridge.base.model import Place
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.queues.plan import refuse_queue_of_another_entry
from cirrus_bridge.cirrusctl.queues.queues_file import QueueEntry, read_queues
from cirrus_bridge.cirrusctl.queues.wanted import declared_queues
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.cups.queues import IDLE, Mark, Queue

OURS, THEIRS = Place("ours", "Acme", "Paris"), Place("theirs", "Guest", "Far")
SERVERS = [Server(p.server, Secret("k"), p.company, (p.location,)) for p in (OURS, THEIRS)]
ONE = '[[queue]]\nserver = "ours"\nname = "laser"\ntargets = ["Paris:A"]\n'
ALL = '[[queue]]\nserver = "ours"\nname = "{device}"\ntargets = ["Paris:laser*"]\n'
GUESTS = '[[queue]]\nserver = "theirs"\nname = "las{device}"\ntargets = ["Far:*"]\n'
AWAY = Unreachable("It is away.")


class Declared:
    """The declarations of a file, while the device's name gives the queue `laser`."""

    def __init__(
        self, folder: Path, text: str, devices: dict[str, bool], error: CirrusError | None = None
    ) -> None:
        (folder / "queues.toml").write_text(text)
        ours = {name: {"IsInactive": not active} for name, active in devices.items()}
        self.answers = {
            OURS: LocationAnswer(OURS, {"Devices": ours}, error),
            THEIRS: LocationAnswer(THEIRS, {"Devices": {"er": {}}}),
        }
        self.entries: list[QueueEntry] = read_queues(folder, SERVERS)
        self.queues, self.problems = declared_queues(self.entries, self.answers, str)

    def check(self, queue: Queue) -> None:
        """Whether an entry may have a queue."""
        (theirs,) = self.queues
        refuse_queue_of_another_entry(theirs, queue, self.entries, self.answers)


def _queue(entry: str, device: str) -> Queue:
    uri = f"cirrus://ours/Acme/Paris:{device}"
    return Queue("laser", uri, IDLE, "", (), mark=Mark(entry))


def test_a_name_stays_taken_while_its_device_is_inactive(tmp_path: Path) -> None:
    """Neither device gets the queue, as if both were active."""
    declared = Declared(tmp_path, ONE + GUESTS, {"A": False})
    assert declared.queues == []
    assert {problem.name for problem in declared.problems} == {"laser"}


@pytest.mark.parametrize("error", [None, AWAY])
def test_a_queue_stays_its_entrys(tmp_path: Path, error: CirrusError | None) -> None:
    """A queue's name stays reserved while its device is inactive or its server away."""
    declared = Declared(tmp_path, ALL + GUESTS, {"laser": False} if error is None else {}, error)
    with pytest.raises(CupsNotPossible, match=r"laser belongs to the entry {device}, and "):
        declared.check(_queue("{device}", "laser"))


def test_a_queue_that_is_free(tmp_path: Path) -> None:
    """A queue is free if its device or entry is gone, or if the entry has another device."""
    Declared(tmp_path, ALL + GUESTS, {"other": True}).check(_queue("{device}", "laser"))
    Declared(tmp_path, ALL + GUESTS, {}, AWAY).check(_queue("{device}", "Old"))
    Declared(tmp_path, ALL + GUESTS, {}, AWAY).check(_queue("former", "laser"))
    Declared(tmp_path, GUESTS, {}, AWAY).check(_queue("las{device}", "laser"))
