"""CUPS's option string (argv[5]) as names and values, by the rules of libcups' cupsParseOptions().

`name=value` pairs parted by white space; a bare `name` is true and a bare `noname` false; quotes,
backslashes and braces as libcups reads them. The last of two equal names wins, names are
compared without regard to case. It never fails: odd input gives what libcups would make of it.
"""

from __future__ import annotations

from cirrus_bridge.base.model import PASSED_ON

_SPACE = " \t\n\v\f\r"


def parse_options(text: str) -> dict[str, str]:
    """Read an option string.

    Returns:
        Values by name, names in lower case (cupsGetOption() ignores case, options(7)), but for
        what stands behind PASSED_ON.
    """
    options: dict[str, str] = {}
    at, end = 0, len(text)
    if text.startswith("{") and text.endswith("}"):
        at, end = 1, end - 1
    while at < end:
        if text[at] in _SPACE:
            at += 1
            continue
        name_start = at
        while at < end and text[at] not in _SPACE and text[at] != "=":
            at += 1
        name = text[name_start:at]
        if at == name_start:  # a value without a name: libcups gives up here too
            break
        while at < end and text[at] in _SPACE:
            at += 1
        if at < end and text[at] == "=":
            value, at = _value(text, at + 1, end)
        else:
            bare_no = name[:2].lower() == "no"
            name, value = (name[2:], "false") if bare_no else (name, "true")
        if name:
            options[_key(name)] = value
    return options


def _key(name: str) -> str:
    """What tells options apart. Behind PASSED_ON is a name for somebody else, as it was written."""
    prefix, rest = name[: len(PASSED_ON)].lower(), name[len(PASSED_ON) :]
    return prefix + (rest if prefix == PASSED_ON else rest.lower())


def _value(text: str, at: int, end: int) -> tuple[str, int]:
    """The value that begins at `at`, and the position behind it."""
    out: list[str] = []
    while at < end and text[at] not in _SPACE:
        if text[at] == ",":
            out.append(",")
            at += 1
            continue
        read = _READERS.get(text[at], _plain)
        piece, at = read(text, at, end)
        out.append(piece)
    return "".join(out), at


def _plain(text: str, at: int, end: int) -> tuple[str, int]:
    """Up to white space; quotes and braces inside it mean themselves."""
    return _unescaped(text, at, end, _SPACE)


def _quoted(text: str, at: int, end: int) -> tuple[str, int]:
    piece, at = _unescaped(text, at + 1, end, text[at])
    return piece, min(at + 1, end)


def _collection(text: str, at: int, end: int) -> tuple[str, int]:
    """A collection keeps its braces: whoever reads it parses it again."""
    out: list[str] = []
    depth = 0
    while at < end:
        char = text[at]
        if char == "\\" and at + 1 < end:
            at += 1
            out.append(text[at])
        else:
            out.append(char)
            depth += (char == "{") - (char == "}")
        at += 1
        if depth == 0:
            break
    return "".join(out), at


def _unescaped(text: str, at: int, end: int, stop: str) -> tuple[str, int]:
    out: list[str] = []
    while at < end and text[at] not in stop:
        if text[at] == "\\" and at + 1 < end:
            at += 1
        out.append(text[at])
        at += 1
    return "".join(out), at


_READERS = {"'": _quoted, '"': _quoted, "{": _collection}
