"""What the bridge talks about: a print job, its targets, segments, receipts and delivery states.

Plain immutable values. Nothing here reads, writes, or knows CUPS or HTTP.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

DEFAULT_PRIORITY = 50  # job-priority (RFC 8011, 5.2.1) of a job that asks for none, in CUPS
PASSED_ON = "cirrus-prop-"  # in front of the name of a prop: an option of this name is that prop
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """One cloud device: `location` and `device` are the API's LocID and DevID, decoded."""

    location: str
    device: str

    def __str__(self) -> str:
        return f"{self.location}:{self.device}"


@dataclass(frozen=True, slots=True)
class Place:
    """A location of a company on a server ("HOST" or "HOST:PORT"): where jobs wait, devices are."""

    server: str
    company: str
    location: str


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """What tells one document's way to one destination from every other, over all runs.

    `job_uuid` stays the same when CUPS runs a job again; since a client may choose it, the
    scheduler's own `job_id` goes with it. `print_run` is the time at which CUPS
    had last completed the job when this print of it began (0: never), so a finished job that a
    person restarts is a new print, and a job that CUPS runs again after a crash is not.
    `destination` is the queue URI
    without options: a job that is moved to another queue is wanted there. `number` counts the
    job's documents from 1.
    """

    job_uuid: str
    job_id: int
    print_run: int
    destination: str
    number: int


@dataclass(frozen=True, slots=True)
class PrintJob:
    """A job as CUPS hands it over, parsed once.

    `number` is the document's place in the job, from 1; `documents` how many the whole job has;
    `joined` of how many, copies among them, CUPS has made the one that comes by standard input.
    `has_driver` is False on a raw queue, `layout_done` True if CUPS's filters applied page layout.
    `copies` is how many are still to be made. Times are in seconds since the epoch: when CUPS
    received the job, began to process it this time, and last completed it (0: never). CUPS cancels
    a job that is in processing for `cancel_after_s` seconds (None: never). `priority` is IPP's
    job-priority (1 to 100), `host` where the job came from.
    `queue_defaults` are the options that an administrator chose for all jobs, `papers` and
    `trays` the location's own words for them, by their names in PPDs. `language` is that of whoever
    has printed it, such as "de_DE".
    """

    job_id: int
    job_uuid: str
    user: str
    title: str
    copies: int
    queue: str
    options: Mapping[str, str] = field(default_factory=lambda: NO_OPTIONS)
    spool_path: Path | None = None
    documents: int = 1
    joined: int = 1
    number: int = 1
    has_driver: bool = False
    created_at: int = 0
    processing_at: int = 0
    completed_at: int = 0
    cancel_after_s: int | None = None
    priority: int = DEFAULT_PRIORITY
    host: str = ""
    layout_done: bool = False
    class_name: str = ""
    queue_defaults: Mapping[str, str] = field(default_factory=lambda: NO_OPTIONS)
    papers: Mapping[str, str] = field(default_factory=lambda: NO_OPTIONS)
    trays: Mapping[str, str] = field(default_factory=lambda: NO_OPTIONS)
    language: str = ""

    @property
    def in_class(self) -> bool:
        """The job came through a class, which may have other printers for it."""
        return bool(self.class_name)

    @property
    def is_joined(self) -> bool:
        """CUPS has joined all files of the job, or copies, to the one document that comes."""
        return self.joined > 1

    def is_last(self, number: int) -> bool:
        """Whether CUPS has no further run for the job after its document of this number."""
        return self.is_joined or number >= self.documents


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the compressed stream; `index` is its byte position there, from 0."""

    index: int
    data: bytes

    @property
    def end(self) -> int:
        """The position of the first byte after this segment."""
        return self.index + len(self.data)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's word that it has the job for one target."""

    target: Target
    cloud_job_id: str


class Compression(enum.IntEnum):
    """The API's `cmp`: how the uploaded bytes are compressed."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a submit says beside the document: where it goes, its name, props by name, and how
    the uploaded bytes are compressed. `idempotency_key` is the same whenever the same document
    is submitted again, for servers that know what to do with it."""

    targets: tuple[Target, ...]
    title: str
    props: Mapping[str, str]
    compression: Compression
    idempotency_key: str


class DeliveryState(enum.IntEnum):
    """The API's `State` of a submitted job. The negative ones are ours: the server has forgotten
    the job (UNKNOWN), or its job is not the document that was sent (MISMATCHED)."""

    MISMATCHED = -2
    UNKNOWN = -1
    SUBMITTED = 0
    RECEIVED = 1
    DELIVERED = 2
    DELETED = 3
    SAVED = 8
    TRASHED = 9

    @property
    def is_final(self) -> bool:
        """No later state changes what became of the paper (a saved job may be trashed)."""
        return self not in (DeliveryState.SUBMITTED, DeliveryState.RECEIVED)

    @property
    def reached_recipient(self) -> bool:
        """The document came out, or its recipient saved it."""
        return self in (DeliveryState.DELIVERED, DeliveryState.SAVED)

    def may_become(self, later: DeliveryState) -> bool:
        """Whether `later` can follow: a job goes forward, and final is final."""
        if self is DeliveryState.SAVED:
            return later in (DeliveryState.SAVED, DeliveryState.TRASHED)
        if later < DeliveryState.SUBMITTED:
            return not self.is_final
        return later is self if self.is_final else later >= self


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The answer to `get job`, as far as it matters here.

    The times are the server's own text, empty while they have not happened.
    """

    state: DeliveryState
    name: str = ""
    submitted: str = ""
    size_bytes: int = 0
    received: str = ""
    delivered: str = ""
    message: str = ""

    @property
    def is_failing(self) -> bool:
        """Whether the location tells of an error, and may still mend it.

        `Message` is a "status or error message"; an error begins as the API's answers do that are
        errors.
        """
        return not self.state.is_final and self.message.casefold().startswith("error:")
