"""The reader of jobs: arguments, environment and spool → PrintJob."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    BadOption,
    Interrupted,
    JoinedDocuments,
    UnreadableDocument,
    UsageError,
)
from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.cups.job import SpooledDocument, read_job
from cirrus_bridge.cups.joinable_formats import HEAD_BYTES
from cirrus_bridge.cups.spool import is_run_by_cupsd, spooled
from cirrus_bridge.ipp.message import Attributes
from programs import Program

ARGV = ["cirrus", "17", "ann", "Report", "2", "job-uuid=urn:uuid:a sides=one-sided"]

ATTRIBUTES = Attributes(
    {
        "job-uuid": ["urn:uuid:b"],
        "time-at-creation": [10],
        "time-at-processing": [12],
        "time-at-completed": [],
        "job-cancel-after": [10800],
        "job-priority": [70],
        "job-originating-host-name": ["pc7"],
    }
)


@pytest.fixture
def cupsd(tmp_path: Path) -> Iterator[Program[bytes]]:
    """A process with the name cupsd."""
    program = tmp_path / "cupsd"
    program.symlink_to(shutil.which("sleep") or "")
    with Program[bytes]([program, "60"]) as process:
        # execve(2) closes the files that Popen waits for before it sets the name
        while Path(f"/proc/{process.pid}/comm").read_text() != "cupsd\n":
            pass
        yield process


def test_job_from_standard_input() -> None:
    """Five arguments mean standard input: no document number, and filters have laid out the
    pages."""
    job = read_job(ARGV, {"PRINTER": "q", "FINAL_CONTENT_TYPE": "application/pdf"})
    assert (job.job_id, job.user, job.title, job.copies) == (17, "ann", "Report", 2)
    assert (job.queue, job.job_uuid) == ("q", "urn:uuid:a")
    assert job.options["sides"] == "one-sided"
    assert (job.spool_path, job.number, job.layout_done) == (None, 1, True)


def test_job_from_a_file() -> None:
    """Six arguments name a spool file, which has the document's number.

    No filter has laid out the pages.
    """
    job = read_job([*ARGV, "/var/spool/cups/d00017-003"], {})
    assert (job.spool_path, job.number) == (Path("/var/spool/cups/d00017-003"), 3)
    assert not job.layout_done


def test_times_of_the_job() -> None:
    """A job has the times of its start and of its last completion."""
    argv = [*ARGV[:5], "time-at-processing=1700 time-at-completed=1600"]
    job = read_job(argv, {})
    assert (job.processing_at, job.completed_at) == (1700, 1600)
    assert read_job(ARGV, {}).completed_at == 0


def test_what_cupsd_says_counts() -> None:
    """Facts of cupsd override the option string, which a client may write."""
    job = read_job([*ARGV[:5], "job-uuid=urn:uuid:a time-at-completed=1600"], {}, 0, ATTRIBUTES)
    assert (job.job_uuid, job.created_at, job.processing_at) == ("urn:uuid:b", 10, 12)
    assert (job.completed_at, job.priority) == (0, 70)
    assert (job.host, job.cancel_after_s) == ("pc7", 10800)
    completed = Attributes({**ATTRIBUTES, "time-at-completed": [5]})
    assert read_job([*ARGV[:5], "time-at-completed=1600"], {}, 0, completed).completed_at == 5


def test_by_hand() -> None:
    """A run by hand is a separate job, unless its options name a job."""
    assert is_run_by_cupsd({"SOFTWARE": "CUPS/2.4.20"})
    assert not is_run_by_cupsd({})
    named, unnamed = ([*ARGV[:5], options] for options in ("job-uuid=u time-at-completed=9", ""))
    assert read_job(named, {}).completed_at == 9
    assert read_job(unnamed, {}).job_uuid != read_job(unnamed, {}).job_uuid


@pytest.mark.parametrize("content_type", ["application/pdf", "application/vnd.cups-raw"])
@pytest.mark.parametrize(
    ("copies", "options"), [("2", ""), ("1", "document-name-supplied=a document-name-supplied=b")]
)
def test_joined_pdf(tmp_path: Path, copies: str, options: str, content_type: str) -> None:
    """Joined PDF is refused, whatever type the client has named.

    The advice fits a held job and an ended one.
    """
    (tmp_path / "data").write_bytes(b"%PDF-1.4\n%%EOF\n" * 2)
    with (tmp_path / "data").open("rb") as stdin:
        job = read_job([*ARGV[:4], copies, options], {"CONTENT_TYPE": content_type})
        with pytest.raises(JoinedDocuments, match="Nothing was printed") as caught:
            list(SpooledDocument(job, stdin, os.getpid()))
    assert "release this job if it is held; otherwise print it again" in str(caught.value)
    assert "cancel" not in str(caught.value).lower()


def test_joined_from_a_slow_filter(tmp_path: Path) -> None:
    """The first bytes decide, even if they arrive in small pieces."""
    source, sink = os.pipe()
    job = read_job([*ARGV[:4], "2", ""], {"CONTENT_TYPE": "text/plain"})
    with (
        os.fdopen(source, "rb") as stdin,
        Program[bytes](["sh", "-c", "printf '\\n'; sleep 0.2; printf '%%PDF-1'"], stdout=sink),
    ):
        os.close(sink)
        with pytest.raises(JoinedDocuments):
            list(SpooledDocument(job, stdin, os.getpid()))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("second", "refused"), [(b"text\n", False), (b"\xff\xd8\xff\xe0\0", True)])
def test_joined_behind_text(
    tmp_path: Path, cupsd: Program[bytes], second: bytes, refused: bool, packed: bool
) -> None:
    """Each joined file is checked, packed or not.

    With a driver, only the converted data is checked.
    """
    options = "job-uuid=u document-name-supplied=a document-name-supplied=b"
    (tmp_path / "tmp").mkdir()
    text = b"text\n" * HEAD_BYTES  # longer than the checked first bytes
    (tmp_path / "d00017-001").write_bytes(text)
    (tmp_path / "d00017-002").write_bytes(gzip.compress(second) if packed else second)
    (tmp_path / "joined").write_bytes(text + second)
    argv = [*ARGV[:4], "1", options]
    environ = {"CONTENT_TYPE": "text/plain", "TMPDIR": str(tmp_path / "tmp")}
    for more, raises in (({}, refused), ({"FINAL_CONTENT_TYPE": "application/postscript"}, False)):
        job = read_job(argv, environ | more)
        with (tmp_path / "joined").open("rb") as stdin:
            files = spooled(argv, environ | more)
            document = SpooledDocument(job, stdin, cupsd.pid, files)
            if raises:
                with pytest.raises(JoinedDocuments):
                    list(document)
            else:
                assert b"".join(document) == text + second


@pytest.mark.parametrize(
    ("content_type", "final", "copies", "layout_done"),
    [
        ("application/pdf", "application/pdf", 3, True),
        ("application/pdf", "application/postscript", 1, True),
        ("application/vnd.cups-raw", "application/octet-stream", 3, False),
        ("text/plain", "text/plain", 3, True),
    ],
)
def test_copies_that_nobody_has_made(
    content_type: str, final: str, copies: int, layout_done: bool
) -> None:
    """With a driver, gziptoany(8) makes no copies of a raw or packed file, or of several files."""
    environ = {"CONTENT_TYPE": content_type, "FINAL_CONTENT_TYPE": final}
    job = read_job([*ARGV[:4], "3", ""], environ)
    assert (job.copies, job.layout_done) == (copies, layout_done)


def test_banner_pages_are_documents(tmp_path: Path) -> None:
    """Banner pages count as files of the job, although CUPS's options do not name them."""
    spool = tmp_path / "tmp"
    spool.mkdir()
    environ = {"FINAL_CONTENT_TYPE": "application/pdf", "TMPDIR": str(spool)}
    one = [*ARGV[:5], "document-name-supplied=report"]
    two = [*ARGV[:5], "document-name-supplied=report document-name-supplied=claimed"]
    assert [read_job(argv, environ).documents for argv in (one, two)] == [1, 2]
    (tmp_path / "d00017-001").touch()
    assert read_job(two, environ).documents == 1
    for number in (2, 3):
        (tmp_path / f"d00017-00{number}").touch()
    assert read_job(one, environ).documents == 3
    assert read_job([*one, str(tmp_path / "d00017-002")], environ).documents == 3


def test_joined_by_another_driver(tmp_path: Path) -> None:
    """CUPS joins all files unless the driver forbids it."""
    options = "job-uuid=u document-name-supplied=a document-name-supplied=b"
    ppd = tmp_path / "q.ppd"
    environ = {"FINAL_CONTENT_TYPE": "application/postscript", "PPD": str(ppd)}
    for line, joined in (("", True), ('*cupsSingleFile: "True"\n', False)):
        ppd.write_text(f'*PPD-Adobe: "4.3"\n{line}')
        job = read_job([*ARGV[:5], options], environ)
        assert job.is_joined is joined
        assert job.is_last(1) is joined


def test_papers_and_trays_of_the_driver(tmp_path: Path) -> None:
    """A driver's choices have the location's words, or else their own names."""
    ppd = tmp_path / "q.ppd"
    ppd.write_text(
        '*PageSize A4/A4: ""\n*PageSize Env10/#10: ""\n*de.PageSize Env9/#9: ""\n'
        '*cirrusPaper Env10: "Envelope #10"\n*InputSlot Auto: ""\n*InputSlot Tray1/Tray 1: ""\n'
    )
    job = read_job(ARGV, {"PPD": str(ppd)})
    assert job.papers == {"A4": "A4", "Env10": "Envelope #10"}
    assert job.trays == {"Auto": "Auto", "Tray1": "Tray1"}


def test_class() -> None:
    """CLASS names the class that the job was sent to."""
    assert read_job(ARGV, {"CLASS": "all"}).in_class
    assert not read_job(ARGV, {}).in_class


@pytest.mark.parametrize(
    "title", ["Übung", "報告書 №5", "تقرير", "x" * 5000, "a\tb\nc", "😀" * 300]
)
def test_title_in_any_script_and_length(title: str) -> None:
    """A title keeps its script, on one line of at most 255 characters."""
    job = read_job([*ARGV[:3], title, *ARGV[4:]], {})
    assert job.title.isprintable()
    assert 0 < len(job.title) <= 255
    if title.isprintable() and len(title) <= 255:
        assert job.title == title


def test_zero_width_characters_in_a_title() -> None:
    """A file's name in Persian, with a byte order mark and a bidi control, stays one word."""
    job = read_job([*ARGV[:3], "\ufeffمی\u200cخواهم\u202e.pdf", *ARGV[4:]], {"PRINTER": "q"})
    assert job.title == "می\u200cخواهم.pdf"
    assert read_job([*ARGV[:3], "\ufeff\u200b", *ARGV[4:]], {"PRINTER": "q"}).title == "q-17"


def test_argument_bytes_are_utf_8_or_replaced() -> None:
    """Invalid UTF-8 in arguments does not stop the program."""
    job = read_job([*ARGV[:3], os.fsdecode(b"caf\xe9"), *ARGV[4:]], {})
    assert job.title == "caf\ufffd"
    job = read_job(ARGV, {"LANG": os.fsdecode(b"\xff\xe4.UTF-8")})  # any client may set it
    assert job.language.encode() == "\ufffd\ufffd".encode()


def test_no_title() -> None:
    """A job without a title gets the name of its queue and its number."""
    assert read_job([*ARGV[:3], "", *ARGV[4:]], {"PRINTER": "q"}).title == "q-17"


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_wrong_number_of_arguments(count: int) -> None:
    """Any other number of arguments than 5 or 6 is a usage error."""
    with pytest.raises(UsageError, match="Usage"):
        read_job(["cirrus", *(["1"] * (count - 1))], {})


@pytest.mark.parametrize("copies", ["0", "-1", "two", "", "²"])
def test_wrong_copies(copies: str) -> None:
    """An invalid number of copies is an error, not one copy."""
    with pytest.raises(BadOption):
        read_job([*ARGV[:4], copies, ""], {})


def test_document_of_a_file(tmp_path: Path) -> None:
    """All bytes of the file are read in order."""
    spool = tmp_path / "d00017-001"
    data = os.urandom(300_000)
    spool.write_bytes(data)
    with Path(os.devnull).open("rb") as stdin:
        assert (
            b"".join(SpooledDocument(read_job([*ARGV, str(spool)], {}), stdin, os.getpid())) == data
        )


def test_missing_file(tmp_path: Path) -> None:
    """A missing spool file is an UnreadableDocument."""
    job = read_job([*ARGV, str(tmp_path / "none")], {})
    with Path(os.devnull).open("rb") as stdin, pytest.raises(UnreadableDocument, match="Release"):
        list(SpooledDocument(job, stdin, os.getpid()))


def test_file_that_shrinks(tmp_path: Path) -> None:
    """A spool file that is cut off during reading is an error."""
    spool = tmp_path / "d00017-001"
    spool.write_bytes(bytes(1_000_000))
    job = read_job([*ARGV, str(spool)], {})
    with Path(os.devnull).open("rb") as stdin:
        chunks = iter(SpooledDocument(job, stdin, os.getpid()))
        next(chunks)
        os.truncate(spool, 200_000)
        with pytest.raises(UnreadableDocument, match="cut off"):
            list(chunks)


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize("moment", ["before", "while"])
def test_who_joins_the_files_dies(
    tmp_path: Path, cupsd: Program[bytes], files: int, moment: str
) -> None:
    """If cupsd dies while it joins files, or has died before, the document is incomplete."""
    options = "job-uuid=u" + " document-name-supplied=x" * files
    (tmp_path / "first").write_bytes(b"first")
    with (tmp_path / "first").open("rb") as stdin:
        job = read_job([*ARGV[:5], options], {"CONTENT_TYPE": "text/plain"})
        document = SpooledDocument(job, stdin, cupsd.pid if moment == "while" else os.getpid())
        cupsd.kill()
        if files == 1:
            assert list(document) == [b"first"]
        else:
            with pytest.raises(Interrupted):
                list(document)


@pytest.mark.parametrize(
    ("options", "pin"),
    [
        ("job-password=4711 sides=one-sided", "4711"),
        ("job-password=4711 job-password-encryption=none", "4711"),
        ("JobPIN=0815", "0815"),
        ("JobPIN=Custom.0815", "0815"),
        ("JobPIN=None", ""),
        ("sides=one-sided", ""),
    ],
)
def test_pin(options: str, pin: str) -> None:
    """The PIN is not one of the options, which texts may show."""
    job = read_job([*ARGV[:5], options], {})
    assert job.pin == pin
    assert not pin or pin not in repr(job)


def test_encrypted_pin() -> None:
    """A PIN that the device could not compare is an error, and the message does not have it."""
    with pytest.raises(BadOption, match="encrypted") as caught:
        read_job([*ARGV[:5], "job-password=d3b07384 job-password-encryption=sha2-256"], {})
    assert "d3b07384" not in caught.value.text


def test_a_signal_that_another_thread_takes() -> None:
    """A read that waits for a filter is interrupted, although the signal does not end read(2)."""
    source, filters_end = os.pipe()
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    clock = Clock()
    clock.watch_signals()
    kill = threading.Timer(0.2, signal.pthread_kill, (other.ident, signal.SIGTERM))
    filters_ends = threading.Timer(10, os.close, (filters_end,))
    filters_ends.start()
    try:
        with open(source, "rb", 0) as stdin, clock.stoppable():  # noqa: PTH123
            document = SpooledDocument(PrintJob(1, "urn:uuid:1", "u", "t", 1, "q"), stdin, 0)
            kill.start()
            with pytest.raises(Interrupted):
                list(document)
        assert not filters_ends.finished.is_set(), "only the end of the filter ended the read"
        os.close(filters_end)
    finally:
        filters_ends.cancel()
        for number, handler in zip(
            (signal.SIGTERM, signal.SIGINT, signal.SIGALRM), handlers, strict=True
        ):
            signal.signal(number, handler)
        over.set()
        other.join()
