"""Use case: upload a stream of segments into a temporary file on the server.

Each segment names its index, so several segments are under way at once. Their number
(`SegmentLimit`) and size (`next_size`) adapt to server and line. Their connections are opened while
the server creates the file. Confirmed segments are in the journal, and a later run with the same
data does not send them again (`TemporaryFile`). The main thread reads, compresses, journals,
reports and waits. Each thread of the pool only connects or sends one segment.
"""

from __future__ import annotations

import bisect
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import Refused, Retryable, TooLarge
from cirrus_bridge.base.model import Segment
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.sending.concurrency import SegmentLimit
from cirrus_bridge.sending.patience import Patience
from cirrus_bridge.sending.segments import SLOW_S, SMALLEST_BYTES, cut, next_size, smaller_size
from cirrus_bridge.sending.temporary_file import TemporaryFile

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

EARLY = 8  # connections opened early for a document whose size is unknown
_Failure = tuple[Segment, BaseException]  # a segment to be sent again, with its error


class Upload:
    """The upload of one document. `size_bytes` is the size of the whole upload, once it has ended.
    `progressed` is called after each confirmed segment."""

    def __init__(
        self,
        api: CloudApi,
        patience: Patience,
        settings: UploadSettings,
        progressed: Callable[[], None],
    ) -> None:
        self._api, self._patience, self._clock = api, patience, patience.clock
        self._connections, self._progressed = settings.connections, progressed
        self.file = TemporaryFile(api, patience)
        self._known = sorted(self.file.earlier)
        self.size_bytes = 0
        self._segment_bytes = settings.segment_bytes
        self._smallest_bytes = min(SMALLEST_BYTES, settings.segment_bytes)
        self._largest_bytes = settings.largest_segment_bytes
        self._journal, self._server = patience.journal, patience.queue.server
        takes_one = self._journal.takes_one_at_a_time(self._server, now_s=self._clock.wall_s())
        self._limit = SegmentLimit(1 if takes_one else self._connections)
        # The first segments begin together. If they also ended together, the line would be idle
        # until the answers come.
        at_once = self._limit.now
        self._extra_shares = iter([number / at_once for number in range(at_once)])
        self._again: deque[Segment] = deque()
        self._under_way: dict[Future[float], Segment] = {}
        self._done: queue.SimpleQueue[Future[float]] = queue.SimpleQueue()

    def cut(self, stream: Iterable[bytes]) -> Iterator[Segment]:
        """Cut the compressed stream into segments, at the boundaries of an earlier run."""
        return cut(stream, self._size_at)

    def send(self, segments: Iterable[Segment], expected_bytes: int = 0) -> str:
        """Upload all segments; return the name of the server's temporary file. `expected_bytes` is
        about the size of all segments, or 0 if unknown.

        Raises:
            StartOver: the upload of an earlier run is useless; the next run starts over.
            CirrusError: the upload failed for another reason.
        """
        from concurrent.futures import ThreadPoolExecutor  # a small document does not need it

        pool = ThreadPoolExecutor(self._connections)
        try:
            if self.file.earlier:
                self.file.resume()
            else:
                self._create_file(pool, expected_bytes)
            self._send_all(pool, self._missing(segments))
        except Refused as error:
            raise self.file.useless_error(error) from error
        finally:
            pool.shutdown(wait=False)  # a hanging request must not delay the end of the run
        self.file.check_end(self.size_bytes)
        return self.file.name

    def _create_file(self, pool: ThreadPoolExecutor, expected_bytes: int) -> None:
        """Get a temporary file; meanwhile, open a connection for each of the first segments. One of
        them uses the connection of the request for the file."""
        if self._limit.now == 1:
            self.file.create(self._api.temp_file)
            return
        reached = threading.Event()
        name = pool.submit(self._api.temp_file, reached=reached.set)
        name.add_done_callback(lambda _: reached.set())
        segments = expected_bytes // self._segment_bytes or EARLY
        for _ in range(min(segments, self._limit.now) - 1):
            pool.submit(self._connect_after, reached)
        self.file.create(name.result)

    def _connect_after(self, reached: threading.Event) -> None:
        """Open a connection after the first: a server with one thread serves them in this order."""
        reached.wait()
        self._api.connect()

    def _missing(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Select the segments that the server does not have; set the size of the upload."""
        for segment in segments:
            self.size_bytes = segment.end
            if not self.file.has(segment):
                yield segment

    def _send_all(self, pool: ThreadPoolExecutor, segments: Iterator[Segment]) -> None:
        """Send segments until the server has confirmed all of them."""
        while self._keep_sending(pool, segments):
            if failures := self._settle_next():
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
        began_s = self._clock.monotonic_s()
        self._api.put_segment(self.file.name, segment)
        return self._clock.monotonic_s() - began_s

    def _settle_next(self) -> list[_Failure]:
        """Wait for the next outcome and handle it; return the failure of a segment that is to be
        sent again. Other failures are raised."""
        future = self._done.get()
        segment, error = self._under_way.pop(future), future.exception()
        if error is None:
            self._confirm(segment, took_s=future.result())
            return []
        if isinstance(error, TooLarge) and len(segment.data) > self._smallest_bytes:
            self._limit.withdraw(segment.index)
            self._split(segment)
            return []
        self._segment_bytes = smaller_size(self._segment_bytes)
        # some servers refuse a segment only because others are under way
        may_be_shared = isinstance(error, Refused) and self._limit.has_company(segment.index)
        if isinstance(error, Retryable) or may_be_shared:
            return [(segment, error)]
        raise error

    def _recover(self, failures: list[_Failure]) -> None:
        """Put failed segments back, and wait if the server may be away."""
        self._limit.fail(
            [segment.index for segment, _ in failures],
            refused=any(isinstance(error, Refused) for _, error in failures),
        )
        self._again.extend(segment for segment, _ in failures)
        _, error = failures[0]
        if isinstance(error, Retryable):
            self._patience.wait_after(error)
            self.file.check()

    def _split(self, segment: Segment) -> None:
        """Split a segment that is too large for the server, and limit the size of later ones."""
        size_bytes = smaller_size(len(segment.data), self._smallest_bytes)
        self._largest_bytes = min(self._largest_bytes, size_bytes)
        self._segment_bytes = min(self._segment_bytes, size_bytes)
        self._again.extend(cut([segment.data], lambda _: size_bytes, segment.index))

    def _confirm(self, segment: Segment, *, took_s: float) -> None:
        is_slow = took_s > SLOW_S and self._segment_bytes <= self._smallest_bytes
        if self._limit.succeed(segment.index, slow=is_slow):
            self._patience.report.debug(f"{self._server} takes one segment at a time")
            self._journal.found_one_at_a_time(self._server, now_s=self._clock.wall_s())
        self._patience.end_outage()
        self.file.confirm(segment)
        would_take_s = took_s * self._segment_bytes / len(segment.data)
        self._segment_bytes = next_size(
            self._segment_bytes, would_take_s, self._limit.now, self._largest_bytes
        )
        self._progressed()

    def _size_at(self, index: int) -> int:
        if index in self.file.earlier:
            return self.file.earlier[index].length
        # fill the gap before the next confirmed segment, to keep its boundaries
        behind = bisect.bisect(self._known, index)
        if behind < len(self._known) and self._known[behind] - index <= self._largest_bytes:
            return self._known[behind] - index
        extra_bytes = int(self._segment_bytes * next(self._extra_shares, 0))
        return min(self._segment_bytes + extra_bytes, self._largest_bytes)
