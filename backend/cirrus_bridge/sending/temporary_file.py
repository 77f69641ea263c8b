"""The server's temporary file of one upload: its confirmed segments, and how long to trust them.

The API cannot be asked what is in a temporary file. A server that was restored from a backup may
have lost confirmed segments, or have given the file's name to someone else. So a file is trusted
for TRUSTED_S after the last confirmed segment: a restored server is rarely back so soon. Within
that time, a backend that was killed or timed out resumes where it stopped. Later, everything goes
into a new file. If `Server-Instance` is unchanged, the server has run all the time,
and the file is trusted without a limit. If `Server-Instance` has changed, the file is not trusted
at all. The size that the server reports after the submit reveals any remaining fault
(`verification`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import Refused, StartOver, UploadNeverEnds
from cirrus_bridge.base.model import DocumentKey, Segment
from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.submissions import ConfirmedSegment, Journal
from cirrus_bridge.sending.patience import Patience

TRUSTED_S = 600.0
MOST_START_OVERS = 3


@dataclass(slots=True)
class TemporaryFile:
    """The temporary file of a document.

    Attributes:
        name: the file's name at the server; empty before `prepare`.
        earlier: the segments that an earlier run has uploaded, by their index.
    """

    api: CloudApi
    journal: Journal
    key: DocumentKey
    clock: Clock
    patience: Patience
    name: str = ""
    earlier: Mapping[int, ConfirmedSegment] = field(default_factory=dict)
    _instance: str = ""
    _confirmed_s: float = 0.0
    _has_doubts: bool = False
    _start_overs: int = 0

    def __post_init__(self) -> None:
        if known := self.journal.upload(self.key):
            self.name, self.earlier = known.temp_file, known.segments
            self._instance, self._confirmed_s = known.server_instance, known.at_s

    def prepare(self) -> None:
        """Get a new file from the server, or check that an earlier run's file can be trusted.

        Raises:
            StartOver: the file cannot be trusted; the next run starts over.
            CirrusError: the server provides no file.
        """
        if not self.earlier:
            self.name = self.patience.insist(self.api.temp_file)
            self._instance, self._confirmed_s = self.api.server_instance, self.clock.wall_s()
            self.journal.uploading(self.key, self.name, self._instance, now_s=self._confirmed_s)
            return
        if self._instance:
            self.patience.insist(self.api.version)
        self.check()
        self.patience.report.debug(f"the upload continues: {len(self.earlier)} segments are there")

    def check(self) -> None:
        """Check after an outage or an earlier run that the file can still be trusted.

        Raises:
            StartOver: it cannot; the next run starts over.
        """
        self._has_doubts = True
        now_s = self.clock.wall_s()
        if 0 <= now_s - self._confirmed_s <= TRUSTED_S:
            self._check_instance()
        elif not self._instance:
            raise self._start_over("the last confirmed segment is too old")
        else:
            self.patience.insist(self.api.version)
            self._check_instance()
            self._confirmed_s = now_s

    def has(self, segment: Segment) -> bool:
        """Whether an earlier run has uploaded this segment.

        Raises:
            StartOver, UploadNeverEnds: the earlier run has uploaded other data there.
        """
        known = self.earlier.get(segment.index)
        if known is not None and known != _confirmed(segment):
            raise self.useless_error(None)
        return known is not None

    def confirm(self, segment: Segment) -> None:
        """Journal a segment that the server has taken.

        Raises:
            StartOver: the server was restarted or replaced meanwhile.
            JournalError: the segment cannot be written.
        """
        self._check_instance()
        self._confirmed_s = self.clock.wall_s()
        confirmed = _confirmed(segment)
        self.journal.confirmed(
            self.key,
            position=segment.index,
            length=confirmed.length,
            sha256=confirmed.sha256,
            now_s=self._confirmed_s,
        )

    def check_end(self, size_bytes: int) -> None:
        """Check that no earlier run has uploaded data beyond `size_bytes`.

        Raises:
            StartOver, UploadNeverEnds: the server would print data beyond the document's end.
        """
        if any(start + each.length > size_bytes for start, each in self.earlier.items()):
            raise self.useless_error(None)

    def useless_error(self, error: Refused | None) -> Exception:
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
        self.journal.start_overs_told(self.key, now_s=self.clock.wall_s())
        return error or UploadNeverEnds(
            tr(
                "The document cannot be uploaded within the time that CUPS allows "
                "(MaxJobTime). Its upload cannot be resumed, because the document "
                "changes in each attempt."
            ),
            tr("Ask your administrator to allow more time, then release the job."),
        )

    def _check_instance(self) -> None:
        if self.api.server_instance != self._instance:
            raise self._start_over("the server was restarted or replaced")

    def _start_over(self, detail: str) -> StartOver:
        self._start_overs = self.journal.forget_upload(self.key)
        text = tr(
            "The earlier upload cannot be resumed, so the upload starts again from the beginning."
        )
        return StartOver(text, detail=detail)


def _confirmed(segment: Segment) -> ConfirmedSegment:
    return ConfirmedSegment(len(segment.data), hashlib.sha256(segment.data).hexdigest())
