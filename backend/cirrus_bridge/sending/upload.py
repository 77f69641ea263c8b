"""Use case: upload a stream of segments into a temporary file on the server.

Each segment names its index, so several segments are under way at once. Their number
(`SegmentLimit`) and size adapt to the server. Confirmed segments are in the journal, and a later
run with the same data does not send them again (`TemporaryFile`). The main thread reads,
compresses, journals, reports and waits. Each thread of the pool only sends one segment.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import Refused, Retryable, TooLarge
from cirrus_bridge.base.model import DocumentKey, Segment
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.concurrency import SegmentLimit
from cirrus_bridge.sending.patience import Patience
from cirrus_bridge.sending.segments import SMALLEST_BYTES, cut, next_size, smaller_size, split
from cirrus_bridge.sending.temporary_file import TemporaryFile

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


@dataclass(frozen=True, slots=True)
class _Failure:
    """A segment to be sent again, with its error."""

    segment: Segment
    error: BaseException


@dataclass(slots=True)
class Upload:
    """The upload of one document.

    Args:
        progressed: called after each confirmed segment.
    """

    api: CloudApi
    journal: Journal
    key: DocumentKey
    clock: Clock
    patience: Patience
    settings: UploadSettings
    progressed: Callable[[], None]
    size_bytes: int = 0  # of the whole upload
    file: TemporaryFile = field(init=False)
    segment_bytes: int = field(init=False)
    _largest_bytes: int = field(init=False)
    _limit: SegmentLimit = field(init=False)
    _again: deque[Segment] = field(default_factory=deque)
    _under_way: dict[Future[float], Segment] = field(default_factory=dict)
    _done: queue.SimpleQueue[Future[float]] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self.file = TemporaryFile(self.api, self.journal, self.key, self.clock, self.patience)
        self.segment_bytes = self.settings.segment_bytes
        self._largest_bytes = self.settings.largest_segment_bytes
        takes_one = self.journal.takes_one_at_a_time(self._server, now_s=self.clock.wall_s())
        self._limit = SegmentLimit(1 if takes_one else self.settings.connections)

    def cut(self, stream: Iterable[bytes]) -> Iterator[Segment]:
        """Cut the compressed stream into segments, at the boundaries of an earlier run."""
        return cut(stream, self._size_at)

    def send(self, segments: Iterable[Segment]) -> str:
        """Upload all segments.

        Returns:
            The name of the server's temporary file.

        Raises:
            StartOver: the upload of an earlier run is useless; the next run starts over.
            CirrusError: the upload failed for another reason.
        """
        from concurrent.futures import ThreadPoolExecutor  # a small document does not need it

        self.file.prepare()
        pool = ThreadPoolExecutor(self.settings.connections)
        try:
            self._send_all(pool, self._missing(segments))
        except Refused as error:
            raise self.file.useless_error(error) from error
        finally:
            pool.shutdown(wait=False)  # a hanging request must not delay the end of the run
        self.file.check_end(self.size_bytes)
        return self.file.name

    def _missing(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Select the segments that the server does not have; set the size of the upload."""
        for segment in segments:
            self.size_bytes = segment.end
            if not self.file.has(segment):
                yield segment

    def _send_all(self, pool: ThreadPoolExecutor, segments: Iterator[Segment]) -> None:
        """Send segments until the server has confirmed all of them."""
        while self._keep_sending(pool, segments):
            failures = self._settle_next()
            if failures:
                while self._under_way:  # one wait for all that fail together
                    failures += self._settle_next()
                self._recover(failures)

    def _keep_sending(self, pool: ThreadPoolExecutor, segments: Iterator[Segment]) -> bool:
        """Send segments up to the limit; return whether any are under way."""
        while len(self._under_way) < self._limit.now:
            segment = self._again.popleft() if self._again else next(segments, None)
            if segment is None:
                break
            self._limit.begin(segment.index)
            future = pool.submit(self._put, segment)
            self._under_way[future] = segment
            future.add_done_callback(self._done.put)
        return bool(self._under_way)

    def _put(self, segment: Segment) -> float:
        """Send a segment in a thread of the pool; return the seconds that it took."""
        began_s = self.clock.monotonic_s()
        self.api.put_segment(self.file.name, segment)
        return self.clock.monotonic_s() - began_s

    def _settle_next(self) -> list[_Failure]:
        """Wait for the next outcome and handle it.

        Returns:
            The failure, if the segment is to be sent again.

        Raises:
            CirrusError: sending the segment again is useless.
        """
        future = self._done.get()
        segment, error = self._under_way.pop(future), future.exception()
        if error is None:
            self._confirm(segment, took_s=future.result())
            return []
        if isinstance(error, TooLarge) and len(segment.data) > SMALLEST_BYTES:
            self._limit.withdraw(segment.index)
            self._again.extend(self._split(segment))
            return []
        self.segment_bytes = smaller_size(self.segment_bytes)
        # some servers refuse a segment only because others are under way
        may_be_shared = isinstance(error, Refused) and self._limit.has_company(segment.index)
        if isinstance(error, Retryable) or may_be_shared:
            return [_Failure(segment, error)]
        raise error

    def _recover(self, failures: list[_Failure]) -> None:
        """Put failed segments back, and wait if the server may be away."""
        self._limit.fail(
            [failure.segment.index for failure in failures],
            refused=any(isinstance(failure.error, Refused) for failure in failures),
        )
        self._again.extend(failure.segment for failure in failures)
        error = failures[0].error
        if isinstance(error, Retryable):
            self.patience.wait_after(error)
            self.file.check()

    def _split(self, segment: Segment) -> list[Segment]:
        """Split a segment that is too large for the server, and limit the size of later ones."""
        size_bytes = smaller_size(len(segment.data))
        self._largest_bytes = min(self._largest_bytes, size_bytes)
        self.segment_bytes = min(self.segment_bytes, size_bytes)
        return split(segment, size_bytes)

    def _confirm(self, segment: Segment, *, took_s: float) -> None:
        if self._limit.succeed(segment.index):
            self._remember_one_at_a_time()
        self.patience.end_outage()
        self.file.confirm(segment)
        if len(segment.data) >= self.segment_bytes:
            self.segment_bytes = next_size(
                len(segment.data), took_s=took_s, largest_bytes=self._largest_bytes
            )
        self.progressed()

    def _remember_one_at_a_time(self) -> None:
        self.patience.report.debug(f"{self._server} takes one segment at a time")
        self.journal.found_one_at_a_time(self._server, now_s=self.clock.wall_s())

    def _size_at(self, index: int) -> int:
        known = self.file.earlier
        if index in known:
            return known[index].length
        # fill the gap before the next confirmed segment, to keep its boundaries
        gap = min((start - index for start in known if start > index), default=0)
        if 0 < gap <= self._largest_bytes:
            return gap
        return self.segment_bytes

    @property
    def _server(self) -> str:
        return self.patience.queue.server
