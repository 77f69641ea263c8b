"""The charsets of texts: recognize them, and convert a text into what a device takes.

From its first byte to its last, a text has only the control characters of layout and of printer
codes; binary formats have others. chardet names the charset of a text that is neither ASCII nor
Unicode. That is a guess, which may be wrong for a few words.
"""

from __future__ import annotations

import codecs
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator

from cirrus_cloudlet.errors import Refusal

ASCII, UTF_8 = "ascii", "utf-8"
UNKNOWN = ""  # a text with printer codes, whose other bytes mean what the codes select

# BEL, SO, SI, DC2, DC4, ESC: as ESC/P uses them
_CODES = b"\x07\x0e\x0f\x12\x14\x1b"
_LAYOUT = b"\b\t\n\v\f\r\x1a"  # the last ends a text of DOS
_TEXT_BYTES = _CODES + _LAYOUT + bytes({*range(0x20, 0x7F), *range(0x80, 0x100)})
_BUT_CODES = bytes(set(range(256)) - set(_CODES))
_NO_TEXT = re.compile("[\0-\x06\x10\x11\x13\x15-\x19\x1c-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 16 * 1024  # for chardet, whose time grows with the bytes
_BEFORE_BYTES = 256  # of a long line
_TELLING = re.compile(rb"[\x80-\xff\x1b]")
# Windows, DOS, then what Unix and macOS had; one name for each set of letters. In short texts,
# chardet too often finds rarer charsets, such as those of EBCDIC.
_DOS = ("cp437", "cp850", "cp852", "cp866", "cp857", "cp737", "cp862", "cp775")
_COMMON = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("cp874", "cp932", "gb18030", "cp949", "big5"),
    *_DOS,
    *("iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-9", "iso8859-13"),
    *("iso8859-15", "koi8-r", "koi8-u", "euc-jp", "mac-roman", "mac-cyrillic"),
)
_ISO_2022 = re.compile(rb"\x1b\$[@B()]")  # RFC 1468, RFC 1557
_WITH_ESCAPES = ("iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_ext", "iso2022_kr")
# horizontal lines of boxes, which chardet does not know
_DOS_LINES = re.compile(rb"\xc4{4}|\xcd{4}")
# chardet's confidence in noise is lower, and in most texts far higher; a few bytes prove little
_LIKELY, _LIKELY_BRIEF, _BRIEF_BYTES = 0.06, 0.005, 64
_DROPPED = "cirrus-cloudlet-invisible"


class TextCheck:
    """Tells whether a document is a text, and in which charset; it gets all bytes in order.

    Args:
        head: the first bytes, at least four, unless the document has fewer.
    """

    def __init__(self, head: bytes) -> None:
        self._wide = next((name for mark, name in _BOMS if head.startswith(mark)), None)
        self._decoder = codecs.getincrementaldecoder(self._wide or UTF_8)()
        self._is_text = self._is_unicode = self._is_ascii = True
        self._has_codes = False
        self._sample = bytearray()
        self._in_line = False  # whether the sample ends within a line
        self._before = b""  # the last bytes of a line that tells nothing so far

    def add(self, data: bytes) -> None:
        if not self._is_text:
            return
        if self._wide:
            self._is_text = self._decode(data, final=False)
            return
        self._is_text = not data.translate(None, _TEXT_BYTES)
        self._has_codes = self._has_codes or bool(data.translate(None, _BUT_CODES))
        self._is_ascii = self._is_ascii and data.isascii()
        self._is_unicode = self._is_unicode and self._decode(data, final=False)
        self._add_sample(data)

    def charset(self) -> str | None:
        """The charset of all bytes, by Python's name, or UNKNOWN; None if they are no text."""
        if self._is_unicode:
            self._is_unicode = self._decode(b"", final=True)
        if self._wide:
            return self._wide if self._is_text and self._is_unicode else None
        if not self._is_text:
            return None
        sample = bytes(self._sample)
        if self._is_ascii:
            if not self._has_codes:
                return ASCII
            is_coded = _ISO_2022.search(sample)
            return (_guess(sample, _WITH_ESCAPES) if is_coded else None) or UNKNOWN
        if self._is_unicode or _is_damaged_unicode(sample):
            return UTF_8
        if self._has_codes:
            return None if _guess(sample.translate(None, _CODES), _COMMON) is None else UNKNOWN
        return _guess(sample, _DOS if _DOS_LINES.search(sample) else _COMMON)

    def _decode(self, data: bytes, *, final: bool) -> bool:
        try:
            text = self._decoder.decode(data, final)
        except UnicodeError:
            return False
        return not (self._wide and _NO_TEXT.search(text))

    def _add_sample(self, data: bytes) -> None:
        """Keep the lines that tell something; a text may have millions of others."""
        if not data or len(self._sample) >= _SAMPLE_BYTES:
            return
        data = self._before + data
        at = 0
        if self._in_line:
            at = data.find(b"\n") + 1 or len(data)
            self._sample += data[:at]
        while len(self._sample) < _SAMPLE_BYTES and (found := _TELLING.search(data, at)):
            begin = data.rfind(b"\n", at, found.start()) + 1 or at
            at = data.find(b"\n", found.end()) + 1 or len(data)
            self._sample += data[max(begin, found.start() - _BEFORE_BYTES) : at]
        del self._sample[_SAMPLE_BYTES:]
        self._in_line = at == len(data) and data[-1:] != b"\n"
        self._before = data[max(at, data.rfind(b"\n") + 1) :][-_BEFORE_BYTES:]


def _guess(sample: bytes, names: tuple[str, ...]) -> str | None:
    """The likeliest charset of `names`; None if the bytes are no text."""
    # imported late: its tables take a while, and most documents do not need them
    import chardet

    found = chardet.detect_all(
        sample,
        ignore_threshold=True,
        include_encodings=(*names, ASCII),
        compat_names=False,
        no_match_encoding=ASCII,
    )
    for each in found:
        name, confidence = each["encoding"], each["confidence"]
        if name in (None, ASCII):  # no match
            name, confidence = names[0], 0.0
        if _decodes(sample, name):
            return name if names is not _COMMON or _is_likely(sample, confidence) else None
    return None


def _is_likely(sample: bytes, confidence: float) -> bool:
    beyond_ascii = len(sample.translate(None, bytes(range(0x80))))
    least = _LIKELY if len(sample) >= _BRIEF_BYTES else _LIKELY_BRIEF
    return 3 * beyond_ascii < len(sample) or confidence >= least


def _is_damaged_unicode(sample: bytes) -> bool:
    """Whether at most a tenth of the bytes beyond ASCII are wrong in UTF-8."""
    lost = len(sample) - len(sample.decode("utf-8", "ignore").encode())
    return 10 * lost <= len(sample.translate(None, bytes(range(0x80))))


def _decodes(sample: bytes, name: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeError:
        return False
    return not _NO_TEXT.search(text)


def check_charset(name: str) -> str:
    """Return Python's name of a charset; raise Refusal if there is no such charset."""
    try:
        "a".encode(name)
    except (LookupError, UnicodeError, ValueError) as error:
        raise Refusal(f"charset is {name!r}, which is not a known charset") from error
    return codecs.lookup(name).name


def can_stay(source: str, target: str) -> bool:
    """Tell whether a text in `source` has the same bytes in `target`."""
    if source == ASCII:
        plain = bytes(range(0x80))
        return plain.decode().encode(target) == plain
    return source in (UNKNOWN, codecs.lookup(target).name)


def convert(chunks: Iterable[bytes], source: str, target: str) -> Iterator[bytes]:
    """Convert a text between charsets, piece by piece.

    Invisible characters that `target` lacks are left out, such as a byte order mark.

    Raises:
        Refusal: `target` lacks another character, or the text is not in `source`.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig" if source == UTF_8 else source)()
    encoder = codecs.getincrementalencoder(target)(_DROPPED)
    line = 1
    for chunk in itertools.chain(chunks, [None]):
        try:
            text = decoder.decode(chunk or b"", chunk is None)
        except UnicodeError as error:  # also of ISO-2022's decoders
            raise Refusal(f"this document has bytes that are not valid in {source}") from error
        try:
            yield encoder.encode(text, chunk is None)
        except UnicodeEncodeError as error:
            character = text[error.start]
            line += text.count("\n", 0, error.start)
            raise Refusal(
                f"this document has {character!r} (U+{ord(character):04X}) in line {line},"
                f" which {target} lacks"
            ) from error
        line += text.count("\n")


def _drop_invisible(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeEncodeError):
        character = error.object[error.start]
        # variation selectors are marks, not format characters
        if unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
            return "", error.start + 1
    raise error


codecs.register_error(_DROPPED, _drop_invisible)
