"""The poller's outlet: the part that shows the news of documents, for each program its own."""

from __future__ import annotations

from typing import Protocol

from cirrus_bridge.polling.watched import WatchedDocument


class Publisher(Protocol):
    """Shows where people look what became of documents, and closes settled documents.

    The journal has each change before the publisher learns of the change. Documents that need no
    more news leave the watch list. Methods raise JournalError if the journal cannot be used.
    """

    @property
    def due_s(self) -> float:
        """When `step` is to be called at the latest (monotonic seconds)."""
        ...

    def note(self, watched: WatchedDocument, *, fails: bool = False) -> None:
        """Note a new or changed document; `fails` tells that its location has begun to report an
        error. `step` does the work."""
        ...

    def soon(self) -> None:
        """Bring the next update forward: there is news."""
        ...

    def step(self, now_s: float) -> None:
        """Do what is due at this time (monotonic seconds). The poller calls this in each turn."""
        ...

    def run_once(self) -> None:
        """Show everything, for a poller that makes one round."""
        ...
