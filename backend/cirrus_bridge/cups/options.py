"""Parser of CUPS's option string (argv[5]), by the rules of libcups' cupsParseOptions().

The string has `name=value` pairs, separated by white space. A bare `name` is true and a bare
`noname` is false. The last of equal names wins, in upper or lower case. Invalid input never fails:
the result is that of libcups.
"""

from __future__ import annotations

from cirrus_bridge.base.model import PASSED_ON

_SPACE = " \t\n\v\f\r"


def parse_options(text: str) -> dict[str, str]:
    """Parse an option string.

    Returns:
        Values by name. Names are in lower case, because cupsGetOption() ignores case. The part
        after PASSED_ON keeps its case.
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
        if at == name_start:  # libcups also stops at a value without a name
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
    """The name in lower case, except the part after PASSED_ON, which is a name for the cloud."""
    prefix, rest = name[: len(PASSED_ON)].lower(), name[len(PASSED_ON) :]
    return prefix + (rest if prefix == PASSED_ON else rest.lower())


def _value(text: str, at: int, end: int) -> tuple[str, int]:
    """Read the value that begins at `at`; return the value and the position after it."""
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
    """Read up to white space; quotes and braces are literal."""
    return _unescaped(text, at, end, _SPACE)


def _quoted(text: str, at: int, end: int) -> tuple[str, int]:
    piece, at = _unescaped(text, at + 1, end, text[at])
    return piece, min(at + 1, end)


def _collection(text: str, at: int, end: int) -> tuple[str, int]:
    """Read a collection with its braces, because its reader parses it again."""
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
