"""Hostile clients of `cirrus-printers`: they cost others nothing."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.ipp.message import (
    Attribute,
    Group,
    JobState,
    Operation,
    Status,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import Keyword, MimeType, Name, Uri
from http_connection import HttpConnection, chunks, head
from paths import WELCOME
from printer_site import PrinterSite
from raster_documents import Picture, urf

PDF = WELCOME.read_bytes()
MOST_BYTES = 8_000_000
CONNECTIONS = 20
JOBS = 40
SETTINGS = (
    f"max_document_bytes = {MOST_BYTES}\nmax_connections = {CONNECTIONS}\nmax_jobs = {JOBS}\n"
)
PIN = "48151623"
HELD = [Attribute("job-hold-until", [Keyword("indefinite")])]


@pytest.fixture(scope="module")
def site() -> Iterator[PrinterSite]:
    with PrinterSite(SETTINGS) as shared:
        (shared.config / "devices.toml").write_text(
            '[[device]]\ntargets = ["*:*"]\njob-password = "Pin"\n'
        )
        shared.stop()
        shared.start()
        yield shared
        assert "Traceback" not in shared.log()


def _prints(site: PrinterSite) -> None:
    """Print as an honest client."""
    site.wait_job(site.print(PDF, user="ann"), JobState.COMPLETED)


def _spooled(site: PrinterSite) -> list[Path]:
    return list((site.state / "printers" / "spool").iterdir())


def _request(
    operation: Operation, site: PrinterSite, *attributes: Attribute, user: str = "eve"
) -> bytes:
    first = [
        Attribute("printer-uri", [Uri(site.uri)]),
        Attribute("requesting-user-name", [Name(user)]),
    ]
    return encode(operation, [(Group.OPERATION, [*first, *attributes])])


@pytest.mark.attacker("network")
def test_connections_that_are_kept(site: PrinterSite) -> None:
    """Keep many connections open, with half a head, half a document or nothing: others connect and
    print."""
    begun = head("Content-Length: 1000000") + _request(Operation.PRINT_JOB, site)
    with contextlib.ExitStack() as opened:
        for number in range(3 * CONNECTIONS):
            connection = opened.enter_context(HttpConnection(site.port))
            with contextlib.suppress(OSError):
                connection.send((b"", b"POST / HTTP/1.1\r\nHost: x\r\n", begun)[number % 3])
        _prints(site)
    assert "Traceback" not in site.log()


@pytest.mark.attacker("network")
def test_a_decompression_bomb(site: PrinterSite) -> None:
    """Send a small document that decompresses to gigabytes: refused at the limit, and nothing stays
    on the disk."""
    packer = zlib.compressobj(9, wbits=31)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
    asked = [
        Attribute("compression", [Keyword("gzip")]),
        Attribute("document-format", [MimeType("application/pdf")]),
    ]
    answer = site.ask(Operation.PRINT_JOB, asked, data=data, user="eve")
    assert answer.code == Status.REQUEST_ENTITY_TOO_LARGE
    assert _spooled(site) == []
    _prints(site)


@pytest.mark.attacker("network")
def test_a_document_without_end(site: PrinterSite) -> None:
    """Send a document that does not end: refused at the limit, and nothing stays on the disk."""
    with HttpConnection(site.port) as connection:
        connection.send(
            head("Transfer-Encoding: chunked"),
            *list(chunks([_request(Operation.PRINT_JOB, site)]))[:1],
        )
        piece = next(chunks([bytes(100_000)]))
        for _ in range(MOST_BYTES // 100_000 + 1):
            connection.send(piece)
        status, answer = connection.response()
        assert (status, decode(answer).code) == (200, Status.REQUEST_ENTITY_TOO_LARGE)
        assert _spooled(site) == []
        _prints(site)


@pytest.mark.attacker("network")
def test_a_raster_that_takes_long(site: PrinterSite) -> None:
    """Print a few kilobytes that are thousands of pages, at each printer: other clients' jobs do
    not wait for them."""
    page = Picture(4960, [b"\xff" * 4960 * 3] * 7016, "srgb", 8, 600)
    one = urf([page])
    data = one[:12] + one[12:] * 1500
    slow = site.print(data, media_type="image/urf", user="eve")
    site.wait_job(slow, JobState.PROCESSING)
    _prints(site)
    assert not JobState(site.job(slow).number("job-state") or 0).is_final
    site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [slow])], user="eve")
    site.wait_job(slow, JobState.CANCELED)
    assert _spooled(site) == []


@pytest.mark.attacker("network")
def test_jobs_without_documents(site: PrinterSite) -> None:
    """Create jobs that never get a document: the client is told that it has too many, and others
    print."""
    created: list[int] = []
    for number in range(2 * JOBS):
        answer = site.ask(Operation.CREATE_JOB, user=f"eve{number % 4}")
        if answer.code != Status.OK:
            break
        created.append(answer.all(Group.JOB)[0].number("job-id") or 0)
    assert answer.code == Status.BUSY
    assert 3 < len(created) <= JOBS // 2
    assert site.ask(Operation.CREATE_JOB, user="eve0").code == Status.BUSY
    for job_id, number in zip(created, range(JOBS), strict=False):
        asked = [Attribute("job-id", [job_id])]
        site.ask(Operation.CANCEL_JOB, asked, user=f"eve{number % 4}")
    _prints(site)


@pytest.mark.attacker("network")
@pytest.mark.parametrize(
    "name", ["\x1b[31mred\x07", "one\nevent=forged job=1", "\u202egpj.exe", "ä" * 15_000, "\0"]
)
def test_names_of_jobs_and_people(site: PrinterSite, name: str) -> None:
    """Put control characters, line breaks, bidi controls or 30 kB into names: the job prints, and
    no line of a log or attribute has them."""
    body = _request(Operation.PRINT_JOB, site, Attribute("job-name", [Name(name)]), user=name)
    answer = site.post(body + PDF)
    assert answer.code == Status.OK
    job_id = answer.all(Group.JOB)[0].number("job-id") or 0
    site.wait_job(job_id, JobState.COMPLETED)
    title = site.cloud.jobs()[-1]["title"]
    asked = Attribute("job-id", [job_id])
    (job,) = site.post(_request(Operation.GET_JOB_ATTRIBUTES, site, asked, user=name)).all(
        Group.JOB
    )
    for text in (title, job.text("job-name"), job.text("job-originating-user-name")):
        assert text.isprintable()
        assert len(text.encode()) <= 255
    assert not [line for line in site.log().splitlines() if line.startswith("event=forged")]
    assert "\x1b" not in site.log()


@pytest.mark.attacker("network")
def test_jobs_of_others(site: PrinterSite) -> None:
    """Cancel, hold, release or close another person's job, or send its document: refused."""
    held = site.print(PDF, HELD, user="ann")
    created = site.ask(Operation.CREATE_JOB, user="ann").all(Group.JOB)[0].number("job-id") or 0
    for operation in (
        *(Operation.CANCEL_JOB, Operation.HOLD_JOB, Operation.RELEASE_JOB, Operation.CLOSE_JOB),
        Operation.SEND_DOCUMENT,
    ):
        for job_id in (held, created):
            asked = [Attribute("job-id", [job_id]), Attribute("last-document", [True])]
            answer = site.ask(operation, asked, data=PDF, user="eve")
            assert answer.code == Status.NOT_AUTHORIZED, operation
    asked = [Attribute("job-ids", [held])]
    assert site.ask(Operation.CANCEL_MY_JOBS, asked, user="eve").code == Status.NOT_POSSIBLE
    assert site.job(held).number("job-state") == JobState.PENDING_HELD
    for job_id in (held, created):
        site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [job_id])], user="ann")


@pytest.mark.attacker("network")
@pytest.mark.parametrize(
    "path",
    ["/ipp/print/../../../etc/passwd", "/..%2f..%2fetc/passwd", "/ipp/print/%00", "//etc/passwd"],
)
def test_paths_to_other_files(site: PrinterSite, path: str) -> None:
    """Name other files in URIs of pages, printers and jobs: there is no such page, printer or
    job."""
    with HttpConnection(site.port) as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        status, answer = connection.response()
    assert status in (400, 404)
    assert b"root:" not in answer
    for name in ("printer-uri", "job-uri"):
        asked = [Attribute(name, [Uri(f"ipp://localhost{path}")])]
        for operation in (Operation.GET_PRINTER_ATTRIBUTES, Operation.GET_JOB_ATTRIBUTES):
            refused = site.post(encode(operation, [(Group.OPERATION, asked)]))
            assert refused.code in (Status.NOT_FOUND, Status.BAD_REQUEST)


@pytest.mark.attacker("network")
def test_the_host_of_another_client(site: PrinterSite) -> None:
    """Send a strange Host: no URI of another client has it, and nothing but a name gets into a
    URI."""
    body = _request(Operation.GET_PRINTER_ATTRIBUTES, site)
    for host in ("evil.example", "<script>", "a b", "x/../..", "e" * 300, "[::1]:99999999"):
        with HttpConnection(site.port) as connection:
            connection.send(head(f"Content-Length: {len(body)}", f"Host: {host}"), body)
            status, answer = connection.response()
        if status == 200:
            uri = decode(answer).all(Group.PRINTER)[0].text("printer-uri-supported")
            assert uri.partition("://")[2].startswith(("evil.example:", "localhost:"))
    (printer,) = site.ask(Operation.GET_PRINTER_ATTRIBUTES).all(Group.PRINTER)
    assert "evil" not in repr(printer)


@pytest.mark.attacker("network")
@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 500"),
        ("Content-Length: +5",),
        ("Transfer-Encoding: x, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Content-Length : 5",),
        ("Transfer-Encoding:\x0bchunked",),
    ],
)
def test_a_request_within_a_request(site: PrinterSite, framing: tuple[str, ...]) -> None:
    """Hide a request in another one's body, as a proxy would not see it: one refusal, and the
    connection ends."""
    before = len(site.cloud.jobs())
    hidden = _request(Operation.PRINT_JOB, site, user="ann") + PDF
    with HttpConnection(site.port) as connection:
        connection.send(
            head(*framing) + b"0\r\n\r\n" + head(f"Content-Length: {len(hidden)}") + hidden
        )
        assert connection.response()[0] == 400
        assert connection.is_closed()
    _prints(site)
    assert len(site.cloud.jobs()) == before + 1


@pytest.mark.attacker("local account")
def test_the_spool_is_private(site: PrinterSite) -> None:
    """Read documents, jobs or the service's own journal: only the service's user can."""
    held = site.print(PDF, HELD)
    folder = site.state / "printers"
    paths = [folder, *folder.glob("*.db*"), folder / "spool", *_spooled(site)]
    assert len(paths) > 4
    for path in paths:
        assert path.stat().st_mode & 0o077 == 0, path
    site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [held])])


@pytest.mark.attacker("local account")
def test_a_pin(site: PrinterSite) -> None:
    """Look for another person's PIN in responses, logs and lists of processes, and in the service's
    files after the job's end: it is nowhere."""
    asked = [
        Attribute("job-password", [PIN.encode()]),
        Attribute("job-password-encryption", [Keyword("none")]),
    ]
    answer = site.ask(Operation.PRINT_JOB, asked, HELD, PDF, user="ann")
    assert answer.code == Status.OK, answer
    job_id = answer.all(Group.JOB)[0].number("job-id") or 0
    site.ask(Operation.RELEASE_JOB, [Attribute("job-id", [job_id])])
    while not JobState(site.job(job_id).number("job-state") or 0).is_final:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # the process has ended
                assert PIN.encode() not in path.read_bytes()
    assert site.cloud.jobs()[-1]["props"]["Pin"] == PIN
    assert PIN not in repr(site.job(job_id))
    assert PIN not in site.log()
    for path in (site.state / "printers").rglob("*"):
        assert path.is_dir() or PIN.encode() not in path.read_bytes(), path
