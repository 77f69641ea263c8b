"""Names of cloud devices for CUPS: device ids, make and model, and text in ASCII. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from cirrus_bridge.drivers.formats import PageLanguage


def device_id(model: str, language: PageLanguage) -> str:
    """The IEEE 1284 device id by which CUPS finds the driver for a discovered device."""
    return f"MFG:Cirrus;MDL:{model};CMD:{language.command};"


def model_name(device: Sequence[str], place: Sequence[str], digest: str) -> str:
    """A model name that is not the beginning of another device's name.

    The name ends with # and a part of `digest`, a hash of the device's address. The names before it
    never contain a #. Of `device` and `place`, the first name that is readable in ASCII is used.
    """
    return f"{_readable(device) or 'device'} at {_readable(place) or 'location'} #{digest[:12]}"


def make_and_model(model: str) -> str:
    """The make and model for people, unique to a device: a `model_name` with a shorter digest.

    CUPS's web page finds a device's driver by this text alone. Without the digest, devices of two
    servers, or names that ASCII shortens, could have the same text.
    """
    words, _, digest = model.rpartition(" #")
    return f"Cirrus {words} [{digest[:8]}]"


def plain(text: str) -> str:
    """The text in ASCII, for PPDs: é becomes e, and a character without a base letter becomes -."""
    return "".join(c if c.isascii() else "-" for c in _letters(text))


def english(text: str) -> str:
    """The text in ASCII if all letters have an equivalent there, or else an empty text."""
    letters = _letters(text)
    return letters if letters.isascii() else ""


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _readable(names: Sequence[str]) -> str:
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9 ._+-]", " ", plain(name).replace("'", ""))
        words = (word.strip("-") for word in clean.split() if re.search("[A-Za-z0-9]", word))
        if known := " ".join(words)[:40].strip():
            return known
    return ""


def ascii_name(text: str) -> str:
    """The text as a name that is valid both in device ids and in PPD keywords."""
    kept = "".join(c if c.isalnum() or c in " -_.+" else "-" for c in plain(text))
    return " ".join(kept.split()) or "-"
