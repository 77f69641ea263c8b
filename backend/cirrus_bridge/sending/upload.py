"""Use case: a stream of segments → a temporary file on the server.

Several segments are under way at once, since each says its own place; how many (`crowd`), and how
large they are, follows what the server can take. What the server has confirmed is in the journal,
and is not sent again when the job runs again with the same data. The main thread reads, compresses,
journals, tells and waits; the senders do nothing but send, and hold one segment each.

The API cannot be asked what is in a temporary file. A server that was restored from a backup may
have lost confirmed segments, or have given the file's name to someone else. So a file is trusted
for TRUSTED_S after the last confirmed segment. Within that time, a backend that was killed, or
whose time was over, resumes where it stopped. A restored server is rarely back so soon. Later,
everything goes into a new file. If `Server-Instance` is unchanged, the server has run all the time,
and the file is trusted without a limit. If `Server-Instance` has changed, the file is not trusted
at all. The size that the server reports after the submit reveals any remaining fault
(`verification`).
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    ApiError,
    Refused,
    Retryable,
    StartOver,
    TooLarge,
    UploadNeverEnds,
)
from cirrus_bridge.base.model import DocumentKey, Segment
from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.submissions import Confirmed, Journal
from cirrus_bridge.sending.concurrency import Crowd
from cirrus_bridge.sending.patience import Patience
from cirrus_bridge.sending.segments import SMALLEST_BYTES, cut, next_size, smaller_size, split

TRUSTED_S = 600.0
MOST_START_OVERS = 3


@dataclass(frozen=True, slots=True)
class _Outcome:
    segment: Segment
    took_s: float
    error: Exception | None


@dataclass(slots=True)
class Upload:
    """The upload of one document.

    Args:
        crowd: how many segments may be under way at once.
        segment_bytes, largest_bytes: sizes of segments to begin with, and at most.
        earlier: what an earlier run has uploaded, if the journal knows of any.
        progressed: called after each confirmed segment.
        found_one_at_a_time: called when the server turns out to take one segment at a time.
    """

    api: CloudApi
    journal: Journal
    key: DocumentKey
    clock: Clock
    patience: Patience
    crowd: Crowd
    segment_bytes: int
    largest_bytes: int
    earlier: Confirmed | None
    progressed: Callable[[], None]
    found_one_at_a_time: Callable[[], None]
    name: str = ""
    size_bytes: int = 0  # of what was uploaded
    _instance: str = ""
    _confirmed_s: float = 0.0
    _has_doubts: bool = False
    _start_overs: int = 0
    _tasks: queue.SimpleQueue[Segment] = field(default_factory=queue.SimpleQueue)
    _outcomes: queue.SimpleQueue[_Outcome] = field(default_factory=queue.SimpleQueue)
    _senders: int = 0

    def cut(self, stream: Iterable[bytes]) -> Iterator[Segment]:
        """Segments of the compressed stream, at the boundaries that an earlier run has made."""
        return cut(stream, self._size_at)

    def send(self, segments: Iterable[Segment]) -> str:
        """Upload all segments; returns the name of the server's temporary file.

        Raises:
            StartOver: what an earlier run has uploaded is of no use; the next run begins anew.
            CirrusError: any other reason why it did not work.
        """
        if self.earlier:
            self._continue(self.earlier)
        else:
            self._begin()
        try:
            self.size_bytes = self._send_all(iter(segments))
        except Refused as error:
            raise self.useless(error) from error
        if self.earlier and any(
            start + s.length > self.size_bytes for start, s in self.earlier.segments.items()
        ):
            raise self.useless(None)
        return self.name

    def _begin(self) -> None:
        self.name = self.patience.insist(self.api.temp_file)
        self._instance, self._confirmed_s = self.api.server_instance, self.clock.wall_s()
        self.journal.uploading(self.key, self.name, self._instance, now_s=self._confirmed_s)

    def _continue(self, earlier: Confirmed) -> None:
        self.name, self._confirmed_s = earlier.temp_file, earlier.at_s
        self._instance = earlier.server_instance
        if self._instance:
            self.patience.insist(self.api.version)
        self.check_file()
        count = len(earlier.segments)
        self.patience.report.debug(f"the upload continues: {count} segments are there")

    def check_file(self) -> None:
        """After an outage or an earlier run: check that the server's file still has what was
        confirmed, as far as that can be told.

        Raises:
            StartOver: the server's file may be another one by now; the next run starts over.
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

    def _check_instance(self) -> None:
        if self.api.server_instance != self._instance:
            raise self._start_over("the server was restarted or replaced")

    def useless(self, error: Refused | None) -> Exception:
        """The error for a temporary file that the server refuses: after an earlier run or an
        outage it may have forgotten the file, and a new one is worth a try."""
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

    def _start_over(self, detail: str) -> StartOver:
        self._start_overs = self.journal.forget_upload(self.key)
        text = tr(
            "The earlier upload cannot be resumed, so the upload starts again from the beginning."
        )
        return StartOver(text, detail=detail)

    def _send_all(self, segments: Iterator[Segment]) -> int:
        """Keep the senders busy until everything is confirmed; returns the stream's length."""
        again: deque[Segment] = deque()
        under_way, end, more = 0, 0, True
        while more or again or under_way:
            while under_way < self.crowd.limit and (again or more):
                segment = again.popleft() if again else next(segments, None)
                if segment is None:
                    more = False
                    break
                end = max(end, segment.end)
                if self._is_there(segment):
                    continue
                self._start_sender(under_way + 1)
                self.crowd.sent(segment.index)
                self._tasks.put(segment)
                under_way += 1
            if under_way:
                under_way -= 1
                failure = self._settle(self._outcomes.get(), again)
                if failure:
                    while under_way:  # one wait for all that failed together
                        under_way -= 1
                        self._settle(self._outcomes.get(), again)
                    if isinstance(failure, Retryable):
                        self.patience.wait_after(failure)
                        self.check_file()
        return end

    def _settle(self, outcome: _Outcome, again: deque[Segment]) -> ApiError | None:
        """Take note of an outcome, and put what must be sent again into `again`.

        Returns:
            A failure that other segments under way may share.
        """
        segment, error = outcome.segment, outcome.error
        if error is None:
            if self.crowd.worked(segment.index):
                self.found_one_at_a_time()
            self._confirm(segment, outcome.took_s)
            return None
        if isinstance(error, TooLarge) and len(segment.data) > SMALLEST_BYTES:
            self.crowd.withdrawn(segment.index)
            again.extend(self._split(segment))
            return None
        was_crowded = self.crowd.failed(segment.index, for_good=isinstance(error, Refused))
        self.segment_bytes = next_size(
            self.segment_bytes, took_s=None, largest_bytes=self.largest_bytes
        )
        # a refusal may be for the others' sake: alone, it counts
        if isinstance(error, Retryable) or (was_crowded and isinstance(error, Refused)):
            again.append(segment)
            return error
        raise error

    def _split(self, segment: Segment) -> list[Segment]:
        """Smaller pieces of a segment that is too large for the server; later segments of this
        upload are no larger."""
        size_bytes = smaller_size(len(segment.data))
        self.largest_bytes = min(self.largest_bytes, size_bytes)
        self.segment_bytes = min(self.segment_bytes, size_bytes)
        return split(segment, size_bytes)

    def _confirm(self, segment: Segment, took_s: float) -> None:
        self.patience.succeeded()
        self._check_instance()
        self._confirmed_s = self.clock.wall_s()
        self.journal.confirmed(
            self.key,
            position=segment.index,
            length=len(segment.data),
            sha256=hashlib.sha256(segment.data).hexdigest(),
            now_s=self._confirmed_s,
        )
        if len(segment.data) >= self.segment_bytes:
            self.segment_bytes = next_size(
                len(segment.data), took_s=took_s, largest_bytes=self.largest_bytes
            )
        self.progressed()

    def _is_there(self, segment: Segment) -> bool:
        known = self.earlier.segments.get(segment.index) if self.earlier else None
        if known is None:
            return False
        digest = hashlib.sha256(segment.data).hexdigest()
        if (known.length, known.sha256) != (len(segment.data), digest):
            raise self.useless(None)
        return True

    def _size_at(self, index: int) -> int:
        known = self.earlier.segments if self.earlier else {}
        if index in known:
            return known[index].length
        # up to the next segment that is there, so that its boundaries come again
        gap = min((start - index for start in known if start > index), default=0)
        if 0 < gap <= self.largest_bytes:
            return gap
        return self.segment_bytes

    def _start_sender(self, wanted: int) -> None:
        if self._senders < wanted:
            self._senders += 1
            # a daemon: a request that hangs must not keep the program from ending
            threading.Thread(target=self._sender, daemon=True).start()

    def _sender(self) -> None:
        while True:
            segment = self._tasks.get()
            since_s = self.clock.monotonic_s()
            error: Exception | None = None
            try:
                self.api.put_segment(self.name, segment)
            except Exception as caught:  # noqa: BLE001 - raised again in the main thread
                error = caught
            self._outcomes.put(_Outcome(segment, self.clock.monotonic_s() - since_s, error))
