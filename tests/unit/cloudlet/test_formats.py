"""Formats of documents, by their bytes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirrus_cloudlet.charsets import can_stay, convert
from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.formats import Format, FormatDetector

ENCODINGS = (
    *("utf-8", "utf-16", "latin-1", "cp437", "koi8-r", "shift_jis", "gb18030", "euc-jp"),
    *("iso2022_jp_ext", "iso2022_kr"),
)
PARTS = st.one_of(
    st.builds(
        lambda text, encoding: text.encode(encoding, "ignore"),
        st.sampled_from(("Größe ", "Счёт ", "請求書", "═══╗", "a line\n", "\x0fsmall\x12")),
        st.sampled_from(ENCODINGS),
    ),
    st.binary(max_size=4),
    st.sampled_from((b"\x1b", b"\x1b$B", b"\x1b$)C", b"\x1b&l0O", b"\xef\xbb\xbf", b"\xff\xfe")),
)
UEL = b"\x1b%-12345X"


def _format(data: bytes, size: int) -> Format:
    detector = FormatDetector()
    for at in range(0, len(data), size):
        detector.add(data[at : at + size])
    return detector.format()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n", "pdf"),
        (b"%!PS-Adobe-3.0\n", "ps"),
        (b"\x04%!PS-Adobe-3.0\r\n", "ps"),
        (UEL + b"%!PS-Adobe-3.0\n", "ps"),
        (UEL + b"@PJL SET COPIES=2\r\n%!PS\n", "ps"),
        (b"\r\n" + UEL + b"@PJL ENTER LANGUAGE=POSTSCRIPT\r\n\x04%!PS", "ps"),
        (UEL + b"@PJL ENTER LANGUAGE = PCLXL\r\n", "pcl6"),
        (UEL + b"@PJL JOB\r\n) HP-PCL XL;2;0;\n\xd1", "pcl6"),
        (b") HP-PCL XL;2;1;Comment\n\xd1", "pcl6"),
        (UEL + b"@PJL ENTER LANGUAGE=PCL\r\n", "pcl"),
        (UEL + b"@PJL ENTER LANGUAGE=PCL", "pcl"),
        (UEL + b"plain", "pcl"),
        (b"\x1bE\x1b&l0O", "pcl"),
        (b"\0\0\r\n\x1bE\x1b&l0O", "pcl"),
        (b"\x1b&l0O\x1b(8U", "pcl"),
        (b"\x1b(s0p16.66h8.5v0s0b0TText", "pcl"),
        (b"\x1b*t300R\x1b*r0A\x1b*b40W" + bytes(40), "pcl"),
        (b"\x1b*rB\x1b%0BIN;SP1;", "pcl"),
        (b"Dear customer,\r\n\x1b&d0Dplease\x1b&d@ pay\r\n", "pcl"),
        (b"\x1b@\x1bEbold\x1bF\r\n", "txt"),  # ESC/P
        (b"text \x1bEbold\x1bF\r\n", "txt"),
        (b"\x1b@\x1b(t\x03\0\x01\x01\0\r\n", "bin"),  # ESC/P 2
        (b"\0 \x1b(8U", "bin"),
        (b"{\\rtf1 text}", "txt"),
        (b"", "txt"),
        (b"y" * 10_000, "txt"),
        (b"y" * 10_000 + b"\0", "bin"),
        ("é".encode() * 5000, "txt"),
        ("é".encode() * 5000 + b"\xe9", "txt"),
    ],
)
def test_formats(data: bytes, name: str) -> None:
    """A format is the same for every size of the pieces."""
    assert {_format(data, size).name for size in (1, 4095, 1 << 20)} == {name}


@settings(max_examples=60, deadline=None)
@given(st.lists(PARTS, max_size=8), st.integers(1, 400), st.sampled_from((1, 3, 17, 5000)))
def test_any_document(parts: list[bytes], times: int, size: int) -> None:
    """A document has one format and charset, and can be converted or is refused."""
    data = (b"".join(parts) * times)[:12_000]
    found = _format(data, size)
    assert found == _format(data, 1 << 20)
    for target in ("utf-8", "cp437", "shift_jis", "utf-16"):
        if found.name == "txt" and not can_stay(found.charset, target):
            pieces = [data[at : at + size] for at in range(0, len(data), size)]
            with contextlib.suppress(Refusal):
                list(convert(pieces, found.charset, target))


def test_the_charset_of_a_text() -> None:
    """Only a text has one."""
    assert _format("Grüße".encode(), 100) == ("txt", "utf-8")
    assert _format(b"%PDF", 100) == ("pdf", "")
    assert _format(b"\0", 100) == ("bin", "")
