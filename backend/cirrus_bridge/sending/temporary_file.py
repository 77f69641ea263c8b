"""The server's temporary file of one upload: its confirmed segments, and how long to trust them.

CONTRIBUTING.md, "The offset of an upload", has the reasons. A server that was restored from a
backup is rarely back within TRUSTED_S. An unchanged `Server-Instance` shows that the server has run
all the time. The size that the server reports after the submit reveals other faults (`tracking`).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import Refused, StartOver, UploadNeverEnds
from cirrus_bridge.base.model import Segment
from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.submissions import ConfirmedSegment, UploadProgress
from cirrus_bridge.sending.patience import Patience

TRUSTED_S = 600.0
MOST_START_OVERS = 3


class TemporaryFile:
    """The temporary file of a document.

    Attributes:
        name: the file's name at the server; empty before `create`.
        earlier: the segments that an earlier run has uploaded, by their index.

    Raises (every method):
        StartOver: the file cannot be trusted, or has other data. The next run starts over.
        UploadNeverEnds: MOST_START_OVERS runs in a row found other data in the file.
        JournalError: the journal cannot be read or written.
    """

    def __init__(self, api: CloudApi, patience: Patience) -> None:
        self._api, self._patience = api, patience
        self._journal, self._key, self._clock = patience.journal, patience.key, patience.clock
        known = self._journal.upload(self._key) or UploadProgress("", {}, 0.0, "")
        self.name, self.earlier = known.temp_file, known.segments
        self._instance, self._confirmed_s = known.server_instance, known.at_s
        self._has_doubts, self._start_overs = False, 0

    def create(self, first: Callable[[], str]) -> None:
        """Get a new file from the server; `first` is the first request for it."""
        requests = itertools.chain([first], itertools.repeat(self._api.temp_file))
        self.name = self._patience.insist(lambda: next(requests)())
        self._instance, self._confirmed_s = self._api.server_instance, self._clock.wall_s()
        self._journal.uploading(self._key, self.name, self._instance, now_s=self._confirmed_s)

    def resume(self) -> None:
        """Check that an earlier run's file can be trusted."""
        if self._instance:
            self._patience.insist(self._api.version)
        self.check()
        self._patience.report.debug(f"the upload continues: {len(self.earlier)} segments are there")

    def check(self) -> None:
        """Check after an outage or an earlier run that the file can still be trusted."""
        self._has_doubts = True
        now_s = self._clock.wall_s()
        if not 0 <= now_s - self._confirmed_s <= TRUSTED_S:
            if not self._instance:
                raise self._start_over("the last confirmed segment is too old")
            self._patience.insist(self._api.version)
            self._confirmed_s = now_s
        self._check_instance()

    def has(self, segment: Segment) -> bool:
        """Whether an earlier run has uploaded this segment, and no other data there."""
        known = self.earlier.get(segment.index)
        if known is not None and known != _confirmed(segment):
            raise self.useless_error()
        return known is not None

    def confirm(self, segment: Segment) -> None:
        """Journal a segment that the server has taken, unless the server was replaced meanwhile."""
        self._check_instance()
        self._confirmed_s = self._clock.wall_s()
        sent, now_s = _confirmed(segment), self._confirmed_s
        self._journal.confirmed(
            self._key, position=segment.index, length=sent.length, sha256=sent.sha256, now_s=now_s
        )

    def check_end(self, size_bytes: int) -> None:
        """Check that no earlier run has uploaded data beyond `size_bytes`, the document's end. The
        server would print that data."""
        if any(start + each.length > size_bytes for start, each in self.earlier.items()):
            raise self.useless_error()

    def useless_error(self, error: Refused | None = None) -> Exception:
        """Choose the error for a file that is refused (`error`) or has other data (None).

        Returns:
            StartOver after an earlier run or an outage, because a new file may work. Otherwise, or
            after MOST_START_OVERS: `error`, or UploadNeverEnds for other data.
        """
        if not self._has_doubts:
            return error or AssertionError("only an earlier run leaves something useless")
        again = self._start_over(str(error or "the data has changed"))
        if self._start_overs < MOST_START_OVERS:
            return again
        self._journal.start_overs_told(self._key, now_s=self._clock.wall_s())
        return error or UploadNeverEnds(
            tr(
                "The document cannot be uploaded within the time that CUPS allows "
                "(MaxJobTime). Its upload cannot be resumed, because the document "
                "changes in each attempt."
            ),
            tr("Ask your administrator to allow more time, then release the job."),
        )

    def _check_instance(self) -> None:
        if self._api.server_instance != self._instance:
            raise self._start_over("the server was restarted or replaced")

    def _start_over(self, detail: str) -> StartOver:
        self._start_overs = self._journal.forget_upload(self._key)
        text = tr(
            "The earlier upload cannot be resumed, so the upload starts again from the beginning."
        )
        return StartOver(text, detail=detail)


def _confirmed(segment: Segment) -> ConfirmedSegment:
    return ConfirmedSegment(len(segment.data), hashlib.sha256(segment.data).hexdigest())
