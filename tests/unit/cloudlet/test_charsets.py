"""Charsets of texts: recognized by their bytes, and converted for a device."""

from __future__ import annotations

import codecs
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_cloudlet.charsets import (
    ASCII,
    UNKNOWN,
    UTF_8,
    TextCheck,
    can_stay,
    check_charset,
    convert,
)
from cirrus_cloudlet.errors import Refusal

GERMAN = "Größe und Gewicht der Straßenbahn überschreiten für gewöhnlich alle Maße.\n"
POLISH = "Zażółć gęślą jaźń. Proszę przesłać fakturę na biuro firmy.\n"
RUSSIAN = "Уважаемые коллеги! Прошу направить счёт на оплату до конца недели.\n"
GREEK = "Καλημέρα σας. Παρακαλώ στείλτε το τιμολόγιο στη διεύθυνση.\n"
JAPANESE = "請求書を事務所の住所に送ってください。よろしくお願いします。\n"
CHINESE = "请把发票寄到办公室的地址。谢谢您的合作。\n"
BOX = "╔══════════╗\n║ Invoice  ║\n╚══════════╝\nTotal: 100.00\n"
TEXTS = [
    *((GERMAN, charset) for charset in ("latin-1", "cp1252", "cp850", "cp437", "mac-roman")),
    *((POLISH, charset) for charset in ("iso8859-2", "cp1250", "cp852")),
    *((RUSSIAN, charset) for charset in ("cp1251", "koi8-r", "cp866", "iso8859-5")),
    *((GREEK, charset) for charset in ("cp1253", "iso8859-7", "cp737")),
    *((JAPANESE, charset) for charset in ("shift_jis", "euc-jp", "iso2022-jp")),
    *((CHINESE, charset) for charset in ("gb2312", "gb18030")),
    ("請把發票寄到辦公室的地址。謝謝您的合作。\n", "big5"),
    ("청구서를 사무실 주소로 보내 주십시오. 감사합니다.\n", "euc-kr"),
    ("Total à payer: 100 € (TVA comprise). Merci de votre fidélité.\n", "iso8859-15"),
    (BOX, "cp437"),
    ("Grüße\n", "latin-1"),
    *((GERMAN, f"utf-{bits}") for bits in (8, 16, 32)),
    ("\ufeff" + GERMAN, "utf-8"),
]


def _charset(data: bytes, size: int = 100_000) -> str | None:
    check = TextCheck(data[:4])
    for at in range(0, len(data), size):
        check.add(data[at : at + size])
    return check.charset()


def _convert(data: bytes, source: str, target: str, size: int = 7) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(convert(pieces, source, target))


@pytest.mark.parametrize(("text", "encoding"), TEXTS)
def test_a_text_keeps_its_characters(text: str, encoding: str) -> None:
    """Texts of 20 charsets arrive with their characters at a device that takes UTF-8."""
    data = text.encode(encoding)
    charset = _charset(data)
    assert charset is not None
    assert _convert(data, charset, "utf-8").decode() == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    "text",
    ["", "plain\n", "a\u00a0b", "\ufeffa", "soft\u00adhyphen", "漢\u3000字", "می\u200cخواهم",
     "👩\u200d🔬", "line\u2028", "next\u0085line", "\u202eabc", "a\fb\r\n\tc\bd\ve\x1a", "e\u0301",
     "\U0001fae8 \ue000"],
)  # fmt: skip
def test_unicode_is_text(text: str) -> None:
    """Each character but a control character is text, also an unassigned one."""
    charset = ASCII if text.isascii() else UTF_8
    assert _charset(text.encode()) == charset
    assert _charset(text.encode() * 3000, 1000) == charset
    assert _charset(text.encode() * 3, 1) == charset
    assert _charset(codecs.BOM_UTF16_LE + text.encode("utf-16-le")) == "utf-16"
    assert _charset(codecs.BOM_UTF32_BE + text.encode("utf-32-be"), 1) == "utf-32"


@pytest.mark.parametrize(
    "data",
    [b"\x1b@Big\x1bE \x0f small\x12\r\n", "\x0fGrüße aus Köln\x12".encode("cp850"), b"ring\x07"],
)
def test_printer_codes(data: bytes) -> None:
    """The codes of a matrix printer are part of a text. Its other bytes mean what the codes
    select, so nothing is converted."""
    assert _charset(data) == UNKNOWN
    assert can_stay(UNKNOWN, "utf-8")


def test_printer_codes_in_utf_8() -> None:
    assert _charset("\x1bEGrüße\x1bF".encode()) == UTF_8
    assert _convert("\x1bEGrüße\x1bF".encode(), UTF_8, "cp437") == "\x1bEGrüße\x1bF".encode("cp437")


@pytest.mark.parametrize(
    "data",
    [b"\0", b"text\0", b"x" * 200_000 + b"\0", b"\x89PNG\r\n\x1a\n\0", b"GIF89a\x01\0",
     b"\xff" * 500, b"\xfe" * 500, b"\xaa\x55" * 256, b"\xff\xd8\xff\xe0", b"\xff\xfe\0",
     b"\xff\xfea\0\0\0", b"\xff\xfe\0\xd8", b"\x7fELF", b"PK\x03\x04", b"text\x01"],
)  # fmt: skip
def test_binaries_are_no_texts(data: bytes) -> None:
    """A control character anywhere, or bytes that no charset has, make a document a binary."""
    assert _charset(data) is None
    assert _charset(data, 1) is None


@pytest.mark.attacker("print key")
def test_noise_is_no_text() -> None:
    """A binary without control characters, made for it, is taken for a text only if it is short."""
    noise = random.Random(4)
    allowed = [*range(0x20, 0x7F), *range(0x80, 0x100)]
    taken = [_charset(bytes(noise.choices(allowed, k=300))) for _ in range(40)]
    assert taken == [None] * 40


def test_eight_bits_far_behind() -> None:
    """A single word late in a large text decides its charset."""
    data = b"a line of ASCII\n" * 100_000 + GERMAN.encode("cp850") + b"and more\n" * 100_000
    charset = _charset(data)
    assert charset is not None
    assert _convert(data, charset, "utf-8", 1 << 20) == data.decode("cp850").encode()


def test_damaged_unicode() -> None:
    """A text in UTF-8 that is cut, or has a line of another charset, stays in UTF-8."""
    for damaged in (GERMAN.encode() * 5 + "ü".encode()[:1], GERMAN.encode() * 5 + b"\xfc\n"):
        assert _charset(damaged) == UTF_8


def test_invisible_characters_are_left_out() -> None:
    """A device prints what it has a glyph for; characters without one do not matter."""
    text = "\ufeffsoft\u00adhyphen, \u200bspace, \u202emark, root√\ufe0f\n"
    assert _convert(text.encode(), UTF_8, "cp437") == b"softhyphen, space, mark, root\xfb\n"


def test_a_character_that_the_device_lacks() -> None:
    """The refusal names the character and its line."""
    text = "one\ntwo “quoted”\n"
    for size in (1, 5, 100):
        with pytest.raises(Refusal, match=r"'“' \(U\+201C\) in line 2, which cp437 lacks"):
            _convert(text.encode(), UTF_8, "cp437", size)
    with pytest.raises(Refusal, match="bytes that are not valid in cp1252"):
        _convert(b"a\x81", "cp1252", "utf-8")


@given(st.text(st.characters(codec="cp437", exclude_categories=("Cc", "Cs")), max_size=200))
def test_what_fits_is_converted(text: str) -> None:
    """Any text of the device's characters arrives unchanged, in pieces of any size."""
    visible = text.removeprefix("\ufeff")
    assert _convert(text.encode(), UTF_8, "cp437", 3).decode("cp437") == visible


@pytest.mark.parametrize(
    ("source", "target", "stays"),
    [(ASCII, "cp437", True), (ASCII, "shift_jis", True), (ASCII, "utf-16", False),
     (ASCII, "cp037", False), (UNKNOWN, "cp437", True), (UTF_8, "UTF8", True),
     ("cp437", "IBM437", True), (UTF_8, "cp437", False)],
)  # fmt: skip
def test_what_can_stay(source: str, target: str, stays: bool) -> None:
    """A text that has the same bytes in the device's charset is not converted."""
    assert can_stay(source, target) is stays


def test_names_of_charsets() -> None:
    assert check_charset("IBM437") == "cp437"
    for name in ("", "klingon", "rot13", "base64", "a\0b", "Ü"):
        with pytest.raises(Refusal, match="known charset"):
            check_charset(name)


def test_pieces_stay_small() -> None:
    """A text is never in memory as a whole."""

    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield "Grüße\n".encode() * 10_000

    assert max(map(len, convert(pieces(), UTF_8, "cp437"))) == 60_000
