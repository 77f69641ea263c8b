"""Removes secrets from what a server sends, in any encoding, before another module sees it.

A server, or something in front of it, may repeat the API key or the proxy's password in any part of
an answer. Some of the server's words go where everyone can read them, such as lpstat(1). So each
header and body passes through `Redaction` before it is parsed, cut or shown. A status line and its
reason never leave this package.
"""

from __future__ import annotations

import base64
import functools
import re

from cirrus_bridge.api import proxy as proxies
from cirrus_bridge.config.servers import Server

MASK = b"***"
# A shorter secret may be a part of other words, so it is removed only unchanged, as a whole word.
SHORTEST = 8
LAYERS = 4  # of encodings inside encodings
PART_BYTES = 1 << 16

_LETTERS = bytes(char for char in range(128) if chr(char).isalnum())
_OTHERS = bytes(set(range(256)) - set(_LETTERS))
_LOWER = bytes(range(256)).lower()


class Redaction:
    """Removes `secrets` from texts and data. A secret is found as it is, in upper or lower case,
    with other characters between its letters and digits, escaped, in hexadecimal or in base64."""

    def __init__(self, *secrets: str) -> None:
        forms: list[bytes] = []
        words: list[bytes] = []
        for secret in filter(None, secrets):
            data = secret.encode()
            if len(_squeezed(data)) < SHORTEST:
                words.append(rb"(?<!\w)" + re.escape(data) + rb"(?!\w)")
            else:
                forms += map(_squeezed, _encodings(data))
        self._forms = tuple(forms)
        self._words = b"|".join(words)

    def data(self, data: bytes) -> bytes:
        """The data without the secrets. An escape stays as it is, unless a secret is behind it."""
        if self._words:
            data = re.sub(self._words, MASK, data)
        inner = data
        for _ in range(LAYERS):
            squeezed = _squeezed(inner)
            if any(form in squeezed for form in self._forms):
                data = inner = re.sub(self._spread_forms, MASK, inner, flags=re.IGNORECASE)
            plain = _unescaped(inner)
            if plain == inner:
                break
            inner = plain
        return data

    def text(self, text: str) -> str:
        """The text without the secrets."""
        data = text.encode("utf-8", "replace")
        masked = self.data(data)
        return text if masked == data else masked.decode("utf-8", "replace")

    @property
    def _spread_forms(self) -> bytes:
        between = b"[^A-Za-z0-9]*+"  # possessive, so that the time is linear
        return b"|".join(between.join(map(bytes, zip(form))) for form in self._forms)


def redaction_of(server: Server) -> Redaction:
    """The redaction of the API key and of the proxy's password."""
    return Redaction(server.api_key.reveal(), *proxies.secrets(server.proxy or ""))


def _squeezed(data: bytes) -> bytes:
    """Only the letters and digits, in lower case."""
    return data.translate(_LOWER, _OTHERS)


def _encodings(secret: bytes) -> list[bytes]:
    """The secret as it is, in hexadecimal, and in base64 at each of the three places in a group."""
    found = [secret, secret.hex().encode()]
    for before in range(3):
        packed = base64.b64encode(bytes(before) + secret)
        # without the characters that also depend on the neighbors
        found.append(packed[-(-8 * before // 6) : 8 * (before + len(secret)) // 6])
    return found


@functools.cache
def _patterns() -> tuple[re.Pattern[bytes], ...]:
    """Patterns for escapes of URLs, JSON, Python's `repr` and HTML: an escape of a character beyond
    ASCII, an escape of any character with its number, and a place where an escape may begin."""
    return (
        re.compile(rb"(?<!\\)\\++u(?!00[2-7])[0-9a-f]{4}|%[89a-f][0-9a-f]", re.IGNORECASE),
        re.compile(
            rb"(?:[%&]|(?<!\\)\\)\\*+(?:(?<=%)(?P<percent>[0-9a-f]{2})"
            rb"|(?<=\\)(?:x(?P<byte>[0-9a-f]{2})|u(?P<unit>[0-9a-f]{4})|[abfnrtv])"
            rb"|(?<=&)#(?:x(?P<hex>[0-9a-f]{1,6})|(?P<decimal>[0-9]{1,7}));)",
            re.IGNORECASE,
        ),
        re.compile(rb"(?<!\\)\\|[%&]"),
    )


def _unescaped(data: bytes) -> bytes:
    """The data with each escape replaced. Secrets are ASCII, so other characters become spaces."""
    if not any(mark in data for mark in (b"%", b"\\", b"&#")):
        return data
    others, escapes, start = _patterns()
    parts, at = [], 0
    while at < len(data):  # in parts, because `sub` takes 25 times the memory of the data
        border = start.search(data, at + PART_BYTES)
        end = border.start() if border else len(data)
        parts.append(escapes.sub(_character, others.sub(b" ", data[at:end])))
        at = end
    return b"".join(parts)


def _character(escape: re.Match[bytes]) -> bytes:
    kind = escape.lastgroup
    number = int(escape[kind], 10 if kind == "decimal" else 16) if kind else 0
    return chr(number).encode() if 0 < number < 128 else b" "
