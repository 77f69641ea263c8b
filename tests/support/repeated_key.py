"""A key in all encodings in which a hostile server may repeat it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import quote


def _each(form: str) -> Callable[[str], str]:
    """An encoding of each character by itself."""
    return lambda key: "".join(form.format(ord(char)) for char in key)


def _packed(before: str, *, urlsafe: bool = False) -> Callable[[str], str]:
    pack = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    return lambda key: pack(f"{before}{key} \n".encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "spaces": " ".join,
    "tabs": "\t".join,
    "control characters": "\x01".join,
    "NUL": "\0".join,
    "line break": lambda key: f"{key[:6]}\r\n {key[6:]}",
    "line feeds": "\n".join,
    "zero width": "\u200b".join,
    "percent": _each("%{:02x}"),
    "percent, in part": lambda key: key.replace("k", "%6B").replace("-", "%2d"),
    "percent twice": lambda key: quote(_each("%{:02X}")(key)),
    "base64": _packed(""),
    "base64, at 1": _packed("x"),
    "base64, at 2": _packed("xy"),
    "base64 of the header": _packed("Bearer "),
    "base64 of the header, for URLs": _packed("Bearer ", urlsafe=True),
    "base64 in lines": lambda key: "\r\n ".join(_packed("")(key)),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal with colons": lambda key: key.encode().hex(":").upper(),
    "JSON": _each("\\u{:04x}"),
    "JSON, percent": lambda key: _each("\\u{:04x}")(_each("%{:02x}")(key)),
    "repr": _each("\\x{:02x}"),
    "HTML": _each("&#{};"),
}


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isalnum()).lower()


def shown(text: str, key: str) -> list[str]:
    """The encodings in which a text has the key, or more than a few of its letters."""
    escape = r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})"
    plain = re.sub(escape, lambda found: chr(int(found[1] or found[2], 16)), text)
    found = {_letters(text), _letters(plain)}
    forms = {name: _letters(encode(key)) for name, encode in ENCODINGS.items()}
    for name, form in forms.items():
        if "base64" in name:  # its ends depend on what is around the key
            forms[name] = form[4:-6]
    letters = _letters(key)
    forms |= {letters[at : at + 5]: letters[at : at + 5] for at in range(len(letters) - 4)}
    return [name for name, form in forms.items() if any(form in each for each in found)]
