"""Requests to `cirrus-printers` in any order, with any attributes: each gets an IPP response, and
the spool keeps its promises."""

from __future__ import annotations

import gzip
import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cirrus_bridge.ipp.message import JobState, Operation, Status, decode
from cirrus_bridge.ipp_server.outcomes import IN_DEVICE, Outcome
from cirrus_bridge.ipp_server.spool import SpooledJob
from ipp_application import ApplicationRig
from paths import WELCOME

PDF = WELCOME.read_bytes()
MOST_JOBS = 12
_OUT_OF_BAND = (0x10, 0x12, 0x13, 0x16, 0x1F)
_TAGS = (*_OUT_OF_BAND, 0x21, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33, 0x35, 0x36, *range(0x40, 0x4B))
_NAMES = [
    "requested-attributes", "requesting-user-name", "job-name", "document-name", "compression",
    "document-format", "ipp-attribute-fidelity", "job-mandatory-attributes", "job-password",
    "job-password-encryption", "last-document", "job-id", "job-ids", "job-uri", "printer-uri",
    "limit", "which-jobs", "my-jobs", "first-job-id", "message", "job-hold-until",
    "identify-actions", "media", "media-col",
    "sides", "copies", "finishings", "finishings-col", "overrides",
    "page-ranges", "print-color-mode", "orientation-requested", "output-bin", "job-priority",
    "job-sheets", "number-up", "printer-resolution", "multiple-document-handling", "print-quality",
    "print-scaling", "job-account-id", "media-size", "x-dimension", "media-source", "no-such",
    "attributes-charset", "attributes-natural-language", "",
]  # fmt: skip
_WORDS = [
    b"", b"all", b"none", b"job-template", b"printer-description", b"media-col-database", b"gzip",
    b"deflate", b"application/pdf", b"image/urf", b"application/octet-stream", b"text/plain",
    b"completed", b"not-completed", b"indefinite", b"no-hold", b"iso_a4_210x297mm", b"auto",
    b"two-sided-long-edge", b"monochrome", b"ann", b"bob", b"ipp://[", b"ipp://h/ipp/print/x/1",
    b"ipp://h/ipp/print/", b"1234", b"<long>", b"../../etc", b"\x00\x1b[31m\xe2\x80\xae",
    b"en", b"de-at", b"utf-8", b"\x00\x02en\x00\x01x", b"\x00\x00\x00\x01", b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xfb", b"\x00\x00\x00\x02\x00\x00\x00\x01", b"\x01",
]  # fmt: skip


def _field(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _item(tag: int, name: bytes, value: bytes) -> bytes:
    return bytes([tag]) + _field(name) + _field(value)


_LONG = {b"<long>": b"\xff" * 30_000}  # a description of a failure must not show it
_VALUE = st.sampled_from(_WORDS).map(lambda word: _LONG.get(word, word)) | st.binary(max_size=20)
_NAME = st.sampled_from([name.encode() for name in _NAMES])
_SIMPLE = st.builds(
    lambda tag, value: (tag, b"" if tag in _OUT_OF_BAND else value), st.sampled_from(_TAGS), _VALUE
)


def _collection(name: bytes, members: list[tuple[bytes, list[bytes]]]) -> bytes:
    parts = [_item(0x34, name, b"")]
    for member, values in members:
        parts += [_item(0x4A, b"", member), *values]
    return b"".join([*parts, _item(0x37, b"", b"")])


_MEMBER: st.SearchStrategy[bytes] = st.recursive(
    _SIMPLE.map(lambda each: _item(each[0], b"", each[1])),
    lambda inner: st.builds(
        _collection, st.just(b""), st.lists(st.tuples(_NAME, st.lists(inner, max_size=2)))
    ),
    max_leaves=6,
)
_ATTRIBUTE = st.builds(
    lambda name, first, more: (
        _item(first[0], name, first[1]) + b"".join(_item(tag, b"", value) for tag, value in more)
    ),
    _NAME,
    _SIMPLE,
    st.lists(_SIMPLE, max_size=2),
) | st.builds(_collection, _NAME, st.lists(st.tuples(_NAME, st.lists(_MEMBER, max_size=2))))
_ATTRIBUTES = st.lists(_ATTRIBUTE, max_size=4).map(b"".join)
_BODIES = {
    "nothing": b"",
    "PDF": PDF,
    "no document": b"no document",
    "gzip": gzip.compress(PDF),
    "deflate": zlib.compress(PDF),
    "bomb": gzip.compress(bytes(1 << 22)),
}
_BODY = st.sampled_from(sorted(_BODIES)).map(lambda name: _BODIES[name])
_USER = st.sampled_from([b"ann", b"bob", b"", b"\xff\x00\n"])
_SHORT = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class PrinterRequests(RuleBasedStateMachine):
    """Clients, runs and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        # fsync costs nothing there
        self.folder = Path(tempfile.mkdtemp(prefix="cb-", dir="/dev/shm"))
        self.rig = ApplicationRig(self.folder, MOST_JOBS).__enter__()
        self.ids: dict[str, int] = {}
        self.number = 0

    def teardown(self) -> None:
        self.rig.__exit__()
        shutil.rmtree(self.folder)

    def _head(
        self, operation: int, user: bytes, job_id: int | None, operation_attributes: bytes
    ) -> bytes:
        self.number += 1
        parts = [
            struct.pack(">BBHI", 2, 0, operation, self.number),
            b"\x01",
            _item(0x47, b"attributes-charset", b"utf-8"),
            _item(0x48, b"attributes-natural-language", b"de"),
            _item(0x45, b"printer-uri", f"ipp://h/ipp/print/{self.rig.name}".encode()),
            _item(0x42, b"requesting-user-name", user),
        ]
        if job_id is not None:
            parts.append(_item(0x21, b"job-id", struct.pack(">i", job_id)))
        return b"".join([*parts, operation_attributes])

    def _ask(self, body: bytes, *, cut: int | None = None) -> None:
        """Send a request; check the response."""
        parts = (body,) if cut is None else (body[:cut],)
        status, data = self.rig.post(*parts, disconnects=cut is not None)
        if cut is not None and status == 400:
            return
        assert status == 200
        answer = decode(data)
        assert answer.request_id == self.number
        assert Status(answer.code) is not Status.INTERNAL_ERROR, self.rig.errors.texts
        assert self.rig.errors.texts == []

    def _jobs(self) -> list[SpooledJob]:
        return [job for number in range(1, 200) if (job := self.rig.spool.get(number))]

    @rule(
        operation=st.sampled_from([int(each) for each in Operation]),
        user=_USER,
        number=st.none() | st.integers(-1, 12),
        attributes=_ATTRIBUTES,
        groups=st.lists(st.tuples(st.sampled_from([1, 2, 2, 2, 4, 5, 9]), _ATTRIBUTES), max_size=2),
        body=_BODY,
    )
    def any_request(
        self,
        operation: int,
        user: bytes,
        number: int | None,
        attributes: bytes,
        groups: list[tuple[int, bytes]],
        body: bytes,
    ) -> None:
        """Any operation with any attributes."""
        more = b"".join(bytes([tag]) + each for tag, each in groups)
        self._ask(self._head(operation, user, number, attributes) + more + b"\x03" + body)

    @rule(user=_USER, options=_ATTRIBUTES, body=_BODY)
    def print_job(self, user: bytes, options: bytes, body: bytes) -> None:
        """Print-Job with any options."""
        self._ask(
            self._head(Operation.PRINT_JOB, user, None, b"") + b"\x02" + options + b"\x03" + body
        )

    @rule(user=_USER, options=_ATTRIBUTES)
    def create_job(self, user: bytes, options: bytes) -> None:
        """Create-Job with any options."""
        self._ask(self._head(Operation.CREATE_JOB, user, None, b"") + b"\x02" + options + b"\x03")

    @rule(user=_USER, number=st.integers(1, 12), is_last=st.booleans(), body=_BODY)
    def send_document(self, user: bytes, number: int, is_last: bool, body: bytes) -> None:
        """Send-Document, whatever the job."""
        last = _item(0x22, b"last-document", bytes([is_last]))
        self._ask(self._head(Operation.SEND_DOCUMENT, user, number, last) + b"\x03" + body)

    @rule(number=st.integers(1, 12), cut=st.integers(0, 2000))
    def lose_a_client(self, number: int, cut: int) -> None:
        """A client that goes away in the middle of a request."""
        last = _item(0x22, b"last-document", b"\x01")
        head = self._head(Operation.SEND_DOCUMENT, b"ann", number, last)
        self._ask(head + b"\x03" + PDF, cut=cut)

    @rule(number=st.integers(1, 12))
    def send_twice_at_once(self, number: int) -> None:
        """Two documents for one job at the same time: the job gets one of them."""
        last = _item(0x22, b"last-document", b"\x01")
        bodies = [
            self._head(Operation.SEND_DOCUMENT, b"ann", number, last) + b"\x03" + PDF
            for _ in range(2)
        ]
        answers = [decode(data).code for _, data in self.rig.together(*bodies)]
        assert sum(code < 0x100 for code in answers) <= 1

    @rule(data=st.binary(max_size=100))
    def any_bytes(self, data: bytes) -> None:
        """What is no IPP."""
        status, answer = self.rig.post(data)
        assert status == 200
        assert decode(answer).code in {*Status} - {Status.INTERNAL_ERROR}

    @rule(
        said=st.sampled_from(
            [
                {"accepted": True}, {"canceled": {}}, {},
                *({"error": "CB-1", "then": then} for then in ("wait", "abort", "hold", "stop")),
            ]
        )
    )  # fmt: skip
    def run_jobs(self, said: dict[str, Any]) -> None:
        """Start what is due, and end all runs."""
        dispatcher, runs = self.rig.service.dispatcher, self.rig.service.runs
        dispatcher.step()
        ended, runs.running = runs.running, []
        assert len(set(ended)) == len(ended)
        for job_id in ended:
            job = self.rig.spool.get(job_id)
            assert job is not None
            assert self.rig.spool.path(job).is_file()
            news = {"job": job_id, "message": {}, "log": "", "may_be_printed": False, **said}
            dispatcher.heard([*([news] if said else []), {"ended": job_id, "signal": 9}])

    @rule(state=st.sampled_from([JobState.COMPLETED, JobState.CANCELED]))
    def deliver(self, state: JobState) -> None:
        """The cloud ends the jobs that it has."""
        for job in self.rig.spool.open_jobs():
            if IN_DEVICE in job.reasons:
                self.rig.service.dispatcher.outcome(job.job_id, Outcome(state, (), {}))

    @rule()
    def restart(self) -> None:
        """Stop the service, and start it again."""
        self.rig.__exit__()
        self.rig = ApplicationRig(self.folder, MOST_JOBS).__enter__()
        self.rig.service.dispatcher.begin()

    @invariant()
    def spool_is_whole(self) -> None:
        """Each open job has its document, each document its job, and no id names two jobs."""
        jobs = self._jobs()
        for job in jobs:
            assert self.ids.setdefault(job.job_uuid, job.job_id) == job.job_id
        documents = {job.document for job in jobs if not job.state.is_final and job.document}
        assert documents == {path.name for path in self.rig.spool.folder.iterdir()}
        for job in jobs:
            is_complete = not job.state.is_final and "job-incoming" not in job.reasons
            assert bool(job.document) or not is_complete
        assert self.rig.spool.count_open() <= MOST_JOBS


TestPrinterRequests = PrinterRequests.TestCase
TestPrinterRequests.settings = _SHORT
