"""Requests as phones, Windows, ChromeOS and macOS send them, written from public descriptions: PWG
5100.12 and 5100.14, Apple's AirPrint as CUPS reads it, Mopria, and Microsoft's IPP class driver."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from cirrus_bridge.ipp.message import (
    Attribute,
    Attributes,
    Group,
    JobState,
    Message,
    Operation,
    Status,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import (
    Collection,
    EnumValue,
    Keyword,
    MimeType,
    Name,
    Resolution,
    Uri,
    Value,
)
from drawn import drawn_pages
from http_connection import HttpConnection, chunks, head
from paths import WELCOME
from printer_site import PrinterSite
from raster_documents import Picture, pwg_raster, urf

PDF = WELCOME.read_bytes()
INVENTORY = """\
[[company]]
id = "Acme"

[[location]]
company = "Acme"
id = "Paris"

[[device]]
company = "Acme"
location = "Paris"
id = "Laser1"
type = "file"
printer = { driver = "HP", port = "x", trays = ["1", "Tray 2"], color = true, duplex = true }
"""
A6_AT_300 = (1240, 1748)
A6_AT_600 = (2480, 3496)
# what iOS asks for before it shows its dialog
IOS_ASKS = (
    "copies-default", "copies-supported", "document-format-supported", "finishings-default",
    "finishings-supported", "finishings-ready", "identify-actions-supported",
    "job-creation-attributes-supported",
    "media-bottom-margin-supported", "media-col-database", "media-col-default", "media-col-ready",
    "media-default", "media-left-margin-supported", "media-ready", "media-right-margin-supported",
    "media-source-supported", "media-supported", "media-top-margin-supported",
    "media-type-supported", "operations-supported", "orientation-requested-supported",
    "output-bin-supported", "print-color-mode-default", "print-color-mode-supported",
    "print-quality-default", "print-quality-supported", "printer-device-id", "printer-icons",
    "printer-info", "printer-is-accepting-jobs", "printer-location", "printer-make-and-model",
    "printer-more-info", "printer-name", "printer-state", "printer-state-reasons",
    "printer-supply", "printer-supply-description", "printer-uri-supported", "printer-uuid",
    "sides-default", "sides-supported", "urf-supported", "uri-authentication-supported",
    "uri-security-supported",
)  # fmt: skip
# these may be missing: AirPrint printers without the feature leave them out
IOS_OPTIONAL = ("printer-alert", "marker-levels", "job-password-supported", "finishing-template")


@pytest.fixture(scope="module")
def site() -> Iterator[PrinterSite]:
    with PrinterSite(inventory=INVENTORY) as shared:
        yield shared
        assert "Traceback" not in shared.log()


def _media_col(across: int, along: int, margin: int, **more: str) -> Collection:
    size = Collection({"x-dimension": [across], "y-dimension": [along]})
    margins = {f"media-{side}-margin": [margin] for side in ("bottom", "left", "right", "top")}
    others = {name.replace("_", "-"): [Keyword(word)] for name, word in more.items()}
    return Collection({"media-size": [size], **margins, **others})


def _job(**values: Value) -> list[Attribute]:
    return [Attribute(name.replace("_", "-"), [value]) for name, value in values.items()]


def _format(media_type: str) -> Attribute:
    return Attribute("document-format", [MimeType(media_type)])


def _print_in_two_steps(
    site: PrinterSite,
    data: bytes,
    media_type: str,
    job: Sequence[Attribute],
    *,
    compression: str = "none",
) -> Attributes:
    """Validate-Job, Create-Job, and Send-Document in chunks; the job after its end."""
    asked = [Attribute("job-name", [Name("Fotos")]), _format(media_type)]
    validated = site.ask(Operation.VALIDATE_JOB, asked, job, user="mobile")
    assert validated.code == Status.OK, validated
    created = site.ask(Operation.CREATE_JOB, asked[:1], job, user="mobile")
    assert created.code == Status.OK, created
    job_id = created.all(Group.JOB)[0].number("job-id")
    assert job_id
    asked = [
        Attribute("job-id", [job_id]),
        _format(media_type),
        Attribute("compression", [Keyword(compression)]),
        Attribute("last-document", [True]),
    ]
    sent = _send_in_chunks(site, Operation.SEND_DOCUMENT, asked, data)
    assert sent.code == Status.OK, sent
    return site.wait_job(job_id, JobState.COMPLETED, JobState.ABORTED)


def _send_in_chunks(
    site: PrinterSite, operation: Operation, asked: Sequence[Attribute], data: bytes
) -> Message:
    first = [
        Attribute("printer-uri", [Uri(site.uri)]),
        Attribute("requesting-user-name", [Name("mobile")]),
    ]
    body = encode(operation, [(Group.OPERATION, [*first, *asked])]) + data
    parts = [body[at : at + 10_000] for at in range(0, len(body), 10_000)]
    with HttpConnection(site.port) as connection:
        connection.send(head("Transfer-Encoding: chunked"), *chunks(parts))
        status, answer = connection.response()
    assert status == 200
    return decode(answer)


def _pages(
    count: int, colors: str, dpi: int, transforms: Sequence[tuple[int, int]] = ((1, 1),)
) -> list[Picture]:
    """Pages with a dark stripe at the top, as the client draws them for the side of its paper."""
    width, height = A6_AT_300 if dpi == 300 else A6_AT_600
    components = 1 if colors == "sgray" else 3
    dark, white = (bytes([value]) * width * components for value in (40, 255))
    pages = []
    for number in range(count):
        turns = transforms[number % len(transforms)]
        rows = [dark] * (height // 4) + [white] * (height - height // 4)
        if turns[1] == -1:
            rows.reverse()
        pages.append(Picture(width, rows, colors, 8, dpi, turns))
    return pages


def _delivered(site: PrinterSite, folder: Path) -> list[Image.Image]:
    document = folder / "delivered.pdf"
    document.write_bytes(site.document(site.cloud.jobs()[-1]))
    return drawn_pages(document, 36)


def _shades(page: Image.Image) -> tuple[bool, bool]:
    """Whether the top and the bottom of a page are dark."""
    gray = page.convert("L")
    found = [gray.getpixel((page.width // 2, page.height * part // 16)) for part in (1, 15)]
    top, bottom = (isinstance(each, int) and each < 128 for each in found)
    return top, bottom


def test_ios_asks_for_the_printer(site: PrinterSite) -> None:
    """Before its dialog. Each attribute is there that an iPhone needs, and none has two names."""
    asked = [Attribute("requested-attributes", list(map(Keyword, (*IOS_ASKS, *IOS_OPTIONAL))))]
    answer = site.ask(Operation.GET_PRINTER_ATTRIBUTES, asked, user="mobile")
    assert answer.code == Status.OK
    (printer,) = answer.all(Group.PRINTER)
    assert set(IOS_ASKS) <= printer.keys()
    assert {"image/urf", "image/jpeg", "application/pdf"} <= set(
        printer.keywords("document-format-supported")
    )
    assert {"W8", "SRGB24", "DM1"} <= set(printer.keywords("urf-supported"))


@pytest.mark.sampled
@pytest.mark.parametrize("dpi", [300, 600])
@pytest.mark.parametrize("colors", ["sgray", "srgb"])
def test_ios_prints_urf(site: PrinterSite, tmp_path: Path, colors: str, dpi: int) -> None:
    """Several pages on both sides. The number of pages in the document's header is 0."""
    job = _job(
        media_col=_media_col(10500, 14800, 423, media_source="auto", media_type="stationery"),
        sides=Keyword("two-sided-long-edge"),
        print_color_mode=Keyword("monochrome" if colors == "sgray" else "color"),
        print_quality=EnumValue(4),
        copies=1,
    )
    ended = _print_in_two_steps(site, urf(_pages(3, colors, dpi), pages=0), "image/urf", job)
    assert ended.number("job-state") == JobState.COMPLETED
    pages = _delivered(site, tmp_path)
    assert [_shades(page) for page in pages] == [(True, False)] * 3
    props = site.cloud.jobs()[-1]["props"]
    assert (props["duplex"], props["color"]) == ("2", "1" if colors == "sgray" else "2")


@pytest.mark.parametrize(
    ("media_type", "compression", "data"),
    [
        ("application/pdf", "none", PDF),
        ("application/pdf", "gzip", gzip.compress(PDF)),
        ("image/pwg-raster", "none", pwg_raster(_pages(2, "srgb", 300))),
        ("image/pwg-raster", "gzip", gzip.compress(pwg_raster(_pages(2, "sgray", 300)))),
    ],
)
def test_android_prints(site: PrinterSite, media_type: str, compression: str, data: bytes) -> None:
    """PDF, or PWG raster for printers that it does not trust with PDF; compressed over slow
    networks."""
    job = _job(
        media_col=_media_col(10500, 14800, 0, media_source="auto", media_type="stationery"),
        sides=Keyword("one-sided"),
        print_color_mode=Keyword("color"),
        printer_resolution=Resolution(300, 300, 3),
        orientation_requested=EnumValue(3),
        output_bin=Keyword("auto"),
        copies=1,
    )
    ended = _print_in_two_steps(site, data, media_type, job, compression=compression)
    assert ended.number("job-state") == JobState.COMPLETED
    assert ended.text("document-format") == media_type


def test_android_falls_back_to_ipp_1_1(site: PrinterSite) -> None:
    """After a refusal of a version that nobody has: the next lower one works."""
    groups = [(Group.OPERATION, [Attribute("printer-uri", [Uri(site.uri)])])]
    for version, status in (
        ((9, 0), Status.VERSION_NOT_SUPPORTED),
        ((2, 2), Status.OK),
        ((1, 1), Status.OK),
        ((1, 0), Status.OK),
    ):
        body = encode(Operation.GET_PRINTER_ATTRIBUTES, groups, version=version, request_id=7)
        answer = site.post(body)
        assert (answer.code, answer.request_id) == (status, 7)
        assert answer.version == (version if version[0] < 9 else (2, 0))


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("sides", "back"),
    [
        ("two-sided-long-edge", (-1, -1)),
        ("two-sided-long-edge", (1, -1)),
        ("two-sided-short-edge", (-1, 1)),
        ("two-sided-short-edge", (-1, -1)),
    ],
)
def test_windows_prints_both_sides(
    site: PrinterSite, tmp_path: Path, sides: str, back: tuple[int, int]
) -> None:
    """PWG raster with Print-Job, whose back sides are drawn turned over or around. Each page comes
    out the right way up."""
    data = pwg_raster(_pages(4, "srgb", 300, ((1, 1), back)), sides)
    job = _job(
        media=Keyword("iso_a6_105x148mm"),
        sides=Keyword(sides),
        print_color_mode=Keyword("color"),
        print_quality=EnumValue(4),
        printer_resolution=Resolution(300, 300, 3),
        multiple_document_handling=Keyword("separate-documents-collated-copies"),
        copies=2,
    )
    # "connecting" for ever, unless a second validation is answered (apple/cups#6020)
    for _ in range(2):
        validated = site.ask(Operation.VALIDATE_JOB, [_format("image/pwg-raster")], job)
        assert validated.code in (Status.OK, Status.OK_IGNORED_OR_SUBSTITUTED)
    site.wait_job(site.print(data, job, media_type="image/pwg-raster"), JobState.COMPLETED)
    assert [_shades(page) for page in _delivered(site, tmp_path)] == [(True, False)] * 4
    assert site.cloud.jobs()[-1]["props"]["copies"] == "2"


def test_windows_polls(site: PrinterSite) -> None:
    """Get-Jobs until the job has ended, with its own list of attributes."""
    job_id = site.print(PDF)
    names = ("job-id", "job-state", "job-state-reasons", "job-name", "job-originating-user-name")
    asked = [
        Attribute("which-jobs", [Keyword("completed")]),
        Attribute("limit", [5]),
        Attribute("requested-attributes", list(map(Keyword, names))),
    ]
    site.wait_job(job_id, JobState.COMPLETED)
    listed = site.ask(Operation.GET_JOBS, asked).all(Group.JOB)
    assert len(listed) <= 5
    assert listed[0].number("job-id") == job_id
    assert listed[0].keys() == set(names)


def test_no_tray_is_a_number(site: PrinterSite) -> None:
    """Windows refuses a printer with a tray such as "1" (OpenPrinting/cups#859)."""
    asked = [Attribute("requested-attributes", [Keyword("all"), Keyword("media-col-database")])]
    (printer,) = site.ask(Operation.GET_PRINTER_ATTRIBUTES, asked).all(Group.PRINTER)
    sources = printer.keywords("media-source-supported")
    assert len(sources) >= 2
    assert not [source for source in sources if source.isdigit()]


def test_chrome_and_macos_print_with_print_job(site: PrinterSite) -> None:
    """PDF with attributes of CUPS, which the printer does not know: they change nothing."""
    job = [
        *_job(
            media_col=_media_col(21000, 29700, 0, media_source="auto"),
            print_color_mode=Keyword("monochrome"),
            sides=Keyword("two-sided-short-edge"),
        ),
        Attribute("com.apple.print.totalPages..n.", [Name("1")]),
        Attribute("client-info", [Collection({"client-name": [Name("ChromeOS")]})]),
    ]
    site.wait_job(site.print(PDF, job, user="chronos"), JobState.COMPLETED)
    props = site.cloud.jobs()[-1]["props"]
    assert (props["color"], props["duplex"]) == ("1", "3")


def test_a_name_with_its_language(site: PrinterSite) -> None:
    """nameWithLanguage, where most clients send a name; and two values, where there is one."""
    data = struct.pack(">H2sH", 2, b"de", 8) + "Übung 1".encode()
    first = encode(
        Operation.PRINT_JOB, [(Group.OPERATION, [Attribute("printer-uri", [Uri(site.uri)])])]
    )
    name = b"\x36" + struct.pack(">H8sH", 8, b"job-name", len(data)) + data
    body = first[:-1] + name + b"\x02\x44\x00\x05sides\x00\x09one-sided\x44\x00\x00\x00\x01x\x03"
    answer = site.post(body + PDF)
    assert answer.code == Status.OK_IGNORED_OR_SUBSTITUTED
    assert "sides" in answer.all(Group.UNSUPPORTED)[0]
    job_id = answer.all(Group.JOB)[0].number("job-id")
    assert job_id
    site.wait_job(job_id, JobState.COMPLETED)
    assert site.cloud.jobs()[-1]["title"] == "Übung 1"


def _print_job(site: PrinterSite) -> bytes:
    asked = [Attribute("printer-uri", [Uri(site.uri)]), _format("application/pdf")]
    return encode(Operation.PRINT_JOB, [(Group.OPERATION, asked)]) + PDF


def test_expect_100_continue(site: PrinterSite) -> None:
    """CUPS and Windows wait for the server before they send the body."""
    body = _print_job(site)
    with HttpConnection(site.port) as connection:
        connection.send(head(f"Content-Length: {len(body)}", "Expect: 100-continue"))
        line = connection.socket.recv(1000)
        assert line.startswith(b"HTTP/1.1 100 ")
        connection.send(body)
        status, answer = connection.response()
    assert (status, decode(answer).code) == (200, Status.OK)
    site.wait_job(decode(answer).all(Group.JOB)[0].number("job-id") or 0, JobState.COMPLETED)


def test_requests_in_a_row(site: PrinterSite) -> None:
    """Some clients send the next request before the response: each gets its response, in order."""
    before = len(site.cloud.jobs())
    print_job = _print_job(site)
    asked = [Attribute("printer-uri", [Uri(site.uri)])]
    bodies = [print_job] + [
        encode(Operation.GET_JOBS, [(Group.OPERATION, asked)], request_id=number)
        for number in (2, 3, 4)
    ]
    with HttpConnection(site.port) as connection:
        connection.send(b"".join(head(f"Content-Length: {len(body)}") + body for body in bodies))
        answers = [decode(connection.response()[1]) for _ in bodies]
    assert [answer.request_id for answer in answers] == [1, 2, 3, 4]
    job_id = answers[0].all(Group.JOB)[0].number("job-id")
    assert job_id
    site.wait_job(job_id, JobState.COMPLETED)
    assert len(site.cloud.jobs()) == before + 1


@pytest.mark.parametrize("framing", ["Content-Length: {}", "Transfer-Encoding: chunked"])
def test_a_client_that_goes_away(site: PrinterSite, framing: str) -> None:
    """In the middle of its document: there is no job, and nothing is left of the document."""
    before = len(site.cloud.jobs())
    body = _print_job(site)
    with HttpConnection(site.port) as connection:
        sent = body[:-50]
        if "chunked" in framing:
            sent = next(chunks([body]))[:-50]
        connection.send(head(framing.format(len(body))), sent)
    next_id = site.print(PDF)
    site.wait_job(next_id, JobState.COMPLETED)
    assert len(site.cloud.jobs()) == before + 1
    assert not list((site.state / "printers" / "spool").iterdir())


def test_a_client_that_does_not_read(site: PrinterSite) -> None:
    """Its job prints all the same, and once."""
    before = len(site.cloud.jobs())
    body = _print_job(site)
    with HttpConnection(site.port) as connection:
        connection.send(head(f"Content-Length: {len(body)}") + body)
        site.wait_job(site.print(PDF, user="bob"), JobState.COMPLETED)
    assert len(site.cloud.jobs()) in (before + 1, before + 2)
    site.wait_job(site.print(PDF), JobState.COMPLETED)
    assert len(site.cloud.jobs()) == before + 3
