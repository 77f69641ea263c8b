"""The model: immutable values that know neither CUPS nor HTTP."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

DEFAULT_PRIORITY = 50  # CUPS's default for job-priority (RFC 8011, 5.2.1)
# IPP's attribute → the attribute of our PPDs with the props that ask for its values
PPD_PROPS = {
    "finishings": "cirrusFinishings",
    "output-bin": "cirrusOutputBin",
    "print-quality": "cirrusPrintQuality",
    "media-type": "cirrusMediaType",
}
PROP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
PASSED_ON = "cirrus-prop-"  # the option with this prefix and a prop's name sets the prop


@dataclass(frozen=True, slots=True)
class Target:
    """One cloud device, by the API's LocID and DevID (decoded)."""

    location: str
    device: str

    def __str__(self) -> str:
        return f"{self.location}:{self.device}"


@dataclass(frozen=True, slots=True)
class Place:
    """A location of a company on a server ("HOST" or "HOST:PORT")."""

    server: str
    company: str
    location: str


class DocumentKey(NamedTuple):
    """The identity of one document on its way to one destination, over all runs.

    Attributes:
        job_uuid: the same whenever CUPS runs the job. A client may choose the uuid, so `job_id`,
            which the scheduler chooses, is needed as well.
        print_run: the time at which CUPS had last completed the job when this print began (0:
            never). So a finished job that a person restarts is a new print, but a run after a
            crash is not.
        destination: the queue URI without options. A job that is moved is printed again there.
        number: the document's number in the job, from 1.
    """

    job_uuid: str
    job_id: int
    print_run: int
    destination: str
    number: int


class DeviceOptions(NamedTuple):
    """What a device can do, beyond what the API describes.

    Attributes:
        props: IPP's attribute → keyword → the prop `NAME=VALUE` that asks the device for it.
        pin_prop: the name of the prop for a PIN, without which the device does not print; empty if
            the device takes none.
    """

    props: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    pin_prop: str = ""


NO_OPTIONS = DeviceOptions()


@dataclass(frozen=True, slots=True)
class PrintJob:
    """A job as CUPS hands it over, parsed once. Times are in seconds since the epoch (0: never).

    Attributes:
        copies: the copies that are still to be made.
        documents: the number of documents in the whole job.
        joined: the number of files and copies that CUPS joins into the document on standard input.
        has_driver: False on a raw queue.
        created_at, processing_at, completed_at: when CUPS received the job, began this processing,
            and last completed the job.
        cancel_after_s: the time in processing after which CUPS cancels the job (None: never).
        priority: IPP's job-priority, 1 to 100.
        counted: the pages of the job that CUPS counted before this document; None if CUPS's filters
            count the document's pages.
        counted_marks: the same number if filters count only marked pages (%%Page of PostScript);
            None for other documents.
        layout_done: whether CUPS's filters applied page layout.
        queue_defaults: the options that an administrator chose for all jobs.
        papers, trays: the queue's own choices: name in PPDs → the location's word, or the same name
            if the driver does not know the location's word.
        declared: the options of the device that an administrator declared.
        pin: the PIN that the device asks for, or empty. No text may contain it, nor do `options`.
        language: the language of the job's user, such as "de_DE".
    """

    job_id: int
    job_uuid: str
    user: str
    title: str
    copies: int
    queue: str
    options: Mapping[str, str] = field(default_factory=dict)
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
    counted: int | None = None
    counted_marks: int | None = None
    layout_done: bool = False
    class_name: str = ""
    queue_defaults: Mapping[str, str] = field(default_factory=dict)
    papers: Mapping[str, str] = field(default_factory=dict)
    trays: Mapping[str, str] = field(default_factory=dict)
    declared: DeviceOptions = NO_OPTIONS
    pin: str = field(default="", repr=False)
    language: str = ""

    @property
    def account(self) -> str:
        """The account that pays for the job (PWG 5100.3, 3.1)."""
        return self.options.get("job-account-id", "")

    @property
    def accounting_user(self) -> str:
        """The user of the account, who may be another than the job's (PWG 5100.3, 3.2)."""
        return self.options.get("job-accounting-user-id", "")

    @property
    def in_class(self) -> bool:
        """Whether the job came through a class, which may have other printers."""
        return bool(self.class_name)

    @property
    def is_unchanged(self) -> bool:
        """Whether no filter has converted the document, although the queue has a driver."""
        return self.has_driver and not self.layout_done

    @property
    def is_joined(self) -> bool:
        """Whether CUPS has joined all files and copies of the job into one document."""
        return self.joined > 1

    def is_last(self, number: int) -> bool:
        """Whether the document of this number gets the job's last run."""
        return self.is_joined or number >= self.documents


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the compressed stream. `index` is its byte position there, from 0."""

    index: int
    data: bytes

    @property
    def end(self) -> int:
        """The position of the first byte after this segment."""
        return self.index + len(self.data)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's confirmation that it has the job for one target."""

    target: Target
    cloud_job_id: str


class Compression(enum.IntEnum):
    """The API's `cmp`: how the uploaded bytes are compressed."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


@dataclass(frozen=True, slots=True)
class Ticket:
    """The parameters of a submit. `idempotency_key` is the same whenever the same document is
    submitted again, for servers that support it. No text may contain `secret_props`."""

    targets: tuple[Target, ...]
    title: str
    props: Mapping[str, str]
    compression: Compression
    idempotency_key: str
    secret_props: Mapping[str, str] = field(default_factory=dict, repr=False)


UNRELEASED = "waiting for release"  # begins the message of a job that its owner has to release


class DeliveryState(enum.IntEnum):
    """The API's `State` of a submitted job. The negative states are our own: the server has no
    record of the job (UNKNOWN), or its job is not the document that was sent (MISMATCHED)."""

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
        """Whether no later state changes the outcome (although a saved job may be trashed)."""
        return self not in (DeliveryState.SUBMITTED, DeliveryState.RECEIVED)

    @property
    def reached_recipient(self) -> bool:
        """Whether the document was printed, or saved by its recipient."""
        return self in (DeliveryState.DELIVERED, DeliveryState.SAVED)

    def may_become(self, later: DeliveryState) -> bool:
        """Whether `later` can follow. States only advance, and a final state stays."""
        if self is DeliveryState.SAVED:
            return later in (DeliveryState.SAVED, DeliveryState.TRASHED)
        if later < DeliveryState.SUBMITTED:
            return not self.is_final
        return later is self if self.is_final else later >= self


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The relevant parts of an answer to `get job`. Times are the server's texts, or empty. Only
    the doctor looks at `properties`."""

    state: DeliveryState
    name: str = ""
    submitted: str = ""
    size_bytes: int = 0
    received: str = ""
    delivered: str = ""
    message: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_failing(self) -> bool:
        """Whether the location reports an error that it may still fix: a `Message` ("status or
        error message") that begins with `Error:`, like the API's other errors."""
        return not self.state.is_final and self.has_error

    @property
    def has_error(self) -> bool:
        """Whether the `Message` is an error."""
        return self.message.casefold().startswith("error:")

    @property
    def waits_for_release(self) -> bool:
        """Whether the server keeps the job until its owner releases it there. The API has no state
        for that, so the beginning of `Message` tells."""
        is_waiting = self.state is DeliveryState.SUBMITTED
        return is_waiting and self.message.casefold().startswith(UNRELEASED)

    @property
    def remark(self) -> str:
        """The server's message, without the words that `waits_for_release` stands for."""
        if self.waits_for_release:
            return self.message[len(UNRELEASED) :].lstrip(" :.")
        return self.message
