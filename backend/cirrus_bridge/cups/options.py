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
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    options: dict[str, str] = {}
    at = 0
    while (start := _past_space(text, at)) < len(text):
        at = start
        while at < len(text) and text[at] not in _SPACE and text[at] != "=":
            at += 1
        name = text[start:at]
        if not name:  # libcups also stops at a value without a name
            break
        at = _past_space(text, at)
        if text[at : at + 1] == "=":
            value, at = _value(text, at + 1)
        else:
            bare_no = name[:2].lower() == "no"
            name, value = (name[2:], "false") if bare_no else (name, "true")
        if name:
            options[_key(name)] = value
    return options


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _key(name: str) -> str:
    """The name in lower case, except the part after PASSED_ON, which is a name for the cloud."""
    prefix, rest = name[: len(PASSED_ON)].lower(), name[len(PASSED_ON) :]
    return prefix + (rest if prefix == PASSED_ON else rest.lower())


def _value(text: str, at: int) -> tuple[str, int]:
    """Read the value that begins at `at`; return the value and the position after it."""
    value = ""
    while at < len(text) and text[at] not in _SPACE:
        match text[at]:
            case ",":
                piece, at = ",", at + 1
            case "'" | '"' as quote:
                piece, at = _unescaped(text, at + 1, quote)
                at += 1
            case "{":
                piece, at = _collection(text, at)
            case _:  # up to white space; quotes and braces are literal
                piece, at = _unescaped(text, at, _SPACE)
        value += piece
    return value, at


def _collection(text: str, at: int) -> tuple[str, int]:
    """Read a collection with its braces, because its reader parses it again."""
    value, depth = "", 0
    while at < len(text):
        is_escaped = text[at] == "\\" and at + 1 < len(text)
        at += is_escaped
        if not is_escaped:
            depth += (text[at] == "{") - (text[at] == "}")
        value += text[at]
        at += 1
        if depth == 0:
            break
    return value, at


def _unescaped(text: str, at: int, stop: str) -> tuple[str, int]:
    value = ""
    while at < len(text) and text[at] not in stop:
        at += text[at] == "\\" and at + 1 < len(text)
        value += text[at]
        at += 1
    return value, at
