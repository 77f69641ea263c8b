"""Reader of a job and its document: backend(7)'s arguments, environment and spool → PrintJob.

Arguments are UTF-8 in every locale. The document is read in pieces and never stored.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from cirrus_bridge.base.errors import (
    BadOption,
    Interrupted,
    JoinedDocuments,
    UnreadableDocument,
    UsageError,
)
from cirrus_bridge.base.model import DEFAULT_PRIORITY, PrintJob
from cirrus_bridge.base.text import one_line
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cups.joinable_formats import HEAD_BYTES, can_be_joined, unpacked
from cirrus_bridge.cups.options import parse_options
from cirrus_bridge.cups.page_count import (
    AS_IT_IS,
    PageCounter,
    counts_marks_only,
    is_counted_by_filters,
)
from cirrus_bridge.cups.ppd_file import QueueDriver, read_queue_driver
from cirrus_bridge.cups.spool import are_joined, files
from cirrus_bridge.ipp.message import Attributes

READ_BYTES = 128 * 1024
DEATH_WAIT_S = 0.2
SIGNAL_WAIT_S = 0.5
TITLE_CHARS = 255
USAGE = "Usage: cirrus JOB-ID USER TITLE COPIES OPTIONS [FILE]   (no argument: list devices)"
_SPOOL_NAME = re.compile(r"d[0-9]+-([0-9]+)")  # the job's and the document's number
_HOST = "job-originating-host-name"
_BY_HAND = ("job-uuid", "time-at-creation", "time-at-processing", "time-at-completed")


def job_id_of(argv: Sequence[str]) -> int:
    """Read the job's number from backend(7)'s arguments.

    Raises:
        UsageError: not 5 or 6 arguments, or the job id is not a number.
    """
    if len(argv) not in (6, 7):
        raise UsageError(USAGE)
    job_id = _text(argv[1])
    if not _is_number(job_id):
        raise UsageError(tr("'{id}' is not a job id.", id=job_id), USAGE)
    return int(job_id)


def read_job(
    argv: Sequence[str],
    environ: Mapping[str, str],
    number: int = 0,
    attributes: Attributes | None = None,
) -> PrintJob:
    """Read the job from `argv` (with the program's name) and `environ`.

    Args:
        number: the number of this run's document in the job; 0 if unknown.
        attributes: the job's attributes in cupsd. None for a run by hand, which takes them from
            its options. Without a job-uuid, such a run is a separate job, because no later run has
            to find it.

    Raises:
        UsageError: not 5 or 6 arguments, or the job id is not a number.
        BadOption: the number of copies is not a number, or 0; or the PIN is encrypted.
    """
    job_id = job_id_of(argv)
    user, title, copies, option_text = (_text(arg) for arg in argv[2:6])
    if not _is_number(copies) or int(copies) < 1:
        raise BadOption(
            tr("'{copies}' is not a number of copies.", copies=copies),
            tr("Print again with 1 to 99 copies."),
        )
    options = parse_options(option_text)
    pin = _take_pin(options)
    if attributes is None:
        attributes = Attributes({name: [options.get(name, "")] for name in _BY_HAND})
    text = attributes.text
    documents = files(argv, environ)
    spool_path = Path(argv[6]) if len(argv) == 7 else None
    in_name = _SPOOL_NAME.fullmatch(spool_path.name) if spool_path else None
    queue = _text(environ.get("PRINTER", "")) or "cirrus"
    driver = read_queue_driver(Path(environ.get("PPD", "")))
    has_driver = "FINAL_CONTENT_TYPE" in environ
    has_layout = has_driver and environ.get("CONTENT_TYPE") != AS_IT_IS
    document = (in_name and int(in_name[1])) or number or 1
    completed_at = _number(text("time-at-completed"))
    # The filters of another release may have counted this document already.
    is_first = document == 1 and not completed_at
    counted = 0 if is_first else _number(text("job-impressions-completed"))
    by_filters = is_counted_by_filters(spool_path is not None, environ)
    return PrintJob(
        job_id=job_id,
        job_uuid=text("job-uuid") or f"urn:by-hand:{os.urandom(16).hex()}",
        user=user,
        title=_title(title) or f"{queue}-{job_id}",
        copies=_copies_left(int(copies), len(argv) == 7, environ, driver),
        documents=documents,
        joined=_joined(argv, environ, documents, int(copies)),
        queue=queue,
        options=options,
        spool_path=spool_path,
        number=document,
        counted=None if by_filters else counted,
        counted_marks=counted if by_filters and counts_marks_only(environ) else None,
        created_at=_number(text("time-at-creation")),
        processing_at=_number(text("time-at-processing")),
        completed_at=completed_at,
        cancel_after_s=_number(limit) if (limit := text("job-cancel-after")) else None,
        priority=_number(text("job-priority")) or DEFAULT_PRIORITY,
        host=text(_HOST) or options.get(_HOST, ""),  # cupsd may keep it private
        has_driver=has_driver,
        layout_done=has_layout and spool_path is None,
        class_name=_text(environ.get("CLASS", "")),
        queue_defaults=driver.defaults,
        papers={**{name: name for name in driver.page_sizes}, **driver.papers},
        trays={**{name: name for name in driver.input_slots}, **driver.trays},
        declared=driver.options,
        pin=pin,
        language=_text(environ.get("LANG", "")).partition(".")[0],  # any client's bytes
    )


def _take_pin(options: dict[str, str]) -> str:
    """Take the PIN out of a job's options: IPP's job-password (PWG 5100.11), or the JobPIN of PPDs,
    which may be a custom value. cupsd announces that it takes no encrypted PIN."""
    names = ("job-password", "jobpin", "job-password-encryption")
    password, pin, encryption = (options.pop(name, "") for name in names)
    if password and encryption not in ("", "none"):
        raise BadOption(
            tr("The PIN of the job is encrypted, so nothing was printed."),
            tr("Cancel this job, and print again with an unencrypted PIN."),
        )
    return password or ("" if pin.lower() == "none" else pin.removeprefix("Custom."))


class SpooledDocument:
    """The document's bytes, in pieces of at most READ_BYTES.

    The spool file is opened at once, while the process still has the right to open it.

    Args:
        stdin: the document of a job without a spool file.
        cupsd: the process that joins the job's files, whose paths are `spooled`.

    Attributes:
        size_bytes: the size of the spool file; 0 if unknown.
        pages: the counter of the document's pages; None if CUPS's filters count them in any case.

    Raises (during iteration):
        UnreadableDocument: the document cannot be opened, or read to its end.
        JoinedDocuments: CUPS has joined files of a format that cannot be joined.
        Interrupted: cupsd died before it had joined all files.
    """

    def __init__(
        self, job: PrintJob, stdin: BinaryIO, cupsd: int, spooled: Iterable[str] = ()
    ) -> None:
        self._joiner = Cupsd(cupsd) if job.is_joined and job.documents > 1 else None
        self._is_joined = job.is_joined
        # with a driver, filters have converted the files
        self._parts = list(map(_head, spooled)) if job.is_joined and not job.has_driver else []
        self._name = str(job.spool_path or "standard input")
        self._source: BinaryIO | OSError = stdin
        self.size_bytes = 0
        self.pages = None if job.counted is job.counted_marks is None else PageCounter()
        if job.spool_path is not None:
            try:
                self._source = job.spool_path.open("rb", buffering=0)
                self.size_bytes = os.fstat(self._source.fileno()).st_size
            except OSError as error:
                self._source = error

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks():
            if self.pages:
                self.pages.add(chunk)
            yield chunk

    def _chunks(self) -> Iterator[bytes]:
        seen = 0
        try:
            if isinstance(self._source, OSError):
                raise self._source
            if self._is_joined and (head := self._checked_head(self._source.fileno())):
                seen += len(head)
                yield head
            while chunk := _read(self._source.fileno()):
                seen += len(chunk)
                yield chunk
            if self._joiner and self._joiner.is_gone():
                raise Interrupted(
                    tr(
                        "CUPS stopped before it had handed over all files of this job, so nothing "
                        "was printed. The job starts again when CUPS is back."
                    )
                )
        except OSError as error:
            raise UnreadableDocument(
                tr("The print data cannot be read ({error}).", error=error.strerror),
                tr("Release the job to try again, or print the document again."),
                detail=f"reading {self._name}: {error}",
            ) from error
        finally:
            if not isinstance(self._source, OSError):
                self._source.close()
            if self._joiner:
                self._joiner.close()
        if seen < self.size_bytes:
            raise UnreadableDocument(
                tr("The print data was cut off while it was being read."),
                tr("Print the document again."),
                detail=f"{self._name}: {seen} of {self.size_bytes} bytes",
            )

    def _checked_head(self, source: int) -> bytes:
        """Read the first bytes of a joined document, and check that its files can be joined."""
        head = b""
        while len(head) < HEAD_BYTES and (more := _read(source)):
            head += more
        if not all(map(can_be_joined, (head, *self._parts))):
            raise JoinedDocuments(
                tr(
                    "Nothing was printed (CUPS joined several files or copies of a "
                    "format that cannot be joined)."
                ),
                tr(
                    "Print them one by one, or ask your administrator to give the queue "
                    "the Cirrus driver. Then release this job if it is held; otherwise "
                    "print it again."
                ),
            )
        return head


def _read(source: int) -> bytes:
    """Read the next bytes; empty at the end.

    A signal just before read(2) would be handled only after the read, and a filter may never write
    again. So this waits in short steps.
    """
    while not select.select([source], [], [], SIGNAL_WAIT_S)[0]:
        pass
    return os.read(source, READ_BYTES)


def _head(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return unpacked(file.read(READ_BYTES))
    except OSError:
        return b""


class Cupsd:
    """The cupsd that started this process, by a handle that survives reuse of its pid
    (pidfd_open(2)). If cupsd has died before, the parent is a process of another name."""

    def __init__(self, pid: int) -> None:
        self._handle: int | None = None
        self._has_other_name = self._is_missing = False
        with contextlib.suppress(OSError):  # no procfs, or no such process
            self._has_other_name = b"cupsd" not in Path(f"/proc/{pid}/comm").read_bytes()
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._is_missing = True
        except OSError:
            pass  # a kernel without pidfd_open(2)

    def close(self) -> None:
        """Close the handle."""
        if self._handle is not None:
            os.close(self._handle)

    def has_ended(self, *, wait_s: float = 0.0) -> bool:
        """Whether the process has ended, or ends within a time."""
        if self._handle is None:
            return self._is_missing
        return bool(select.select([self._handle], [], [], wait_s)[0])

    def is_gone(self) -> bool:
        """Whether cupsd has ended; waits a little, because a process closes its files first."""
        return self._has_other_name or self.has_ended(wait_s=DEATH_WAIT_S)


def _copies_left(
    copies: int, from_file: bool, environ: Mapping[str, str], driver: QueueDriver
) -> int:
    """The number of copies that are still to be made.

    No filter has read a spool file. Filters leave copies of PDF to the device, unless the driver
    says otherwise (cupsManualCopies), and write the number into PostScript and PCL. Raw data and
    text have only passed gziptoany(8), which makes the copies only for a queue without a driver.
    """
    if from_file or "CONTENT_TYPE" not in environ:
        return copies
    final = environ.get("FINAL_CONTENT_TYPE")
    if final is None:
        return 1
    if environ["CONTENT_TYPE"] == AS_IT_IS or final == "text/plain":
        return copies
    return copies if "pdf" in final and not driver.manual_copies else 1


def _joined(argv: Sequence[str], environ: Mapping[str, str], documents: int, copies: int) -> int:
    """The number of files and copies that CUPS has joined into standard input."""
    count = documents if are_joined(argv, environ, documents) else 1
    is_repeated = len(argv) == 6 and "CONTENT_TYPE" in environ
    return count * copies if is_repeated and "FINAL_CONTENT_TYPE" not in environ else count


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10  # as CUPS writes one


def _number(text: str) -> int:
    return int(text) if _is_number(text) else 0


def _text(argument: str) -> str:
    return os.fsencode(argument).decode("utf-8", "replace")


def _title(text: str) -> str:
    clean = one_line(text).strip()
    return clean if len(clean) <= TITLE_CHARS else clean[: TITLE_CHARS - 1] + "…"
