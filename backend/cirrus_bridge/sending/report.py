"""The report that people and the log get while a document is sent and followed."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Takes texts for people (`tr`), and debug lines for the log."""

    def debug(self, text: str) -> None: ...
    def info(self, text: str) -> None: ...

    def progress(self, percent: int) -> None:
        """Report how much of the document was sent, from 0 to 100."""

    def server_away(self, text: str) -> None:
        """Report why the server cannot be used now."""

    def server_back(self) -> None:
        """Report that the server works, if it was away before."""
