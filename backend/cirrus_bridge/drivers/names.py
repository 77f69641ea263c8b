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
    """A name that no other device's begins with: its end is `digest` (hexadecimal, of the device's
    address) after a #, which no name of a device or place can have in here.

    Args:
        device, place: what each is called; the first in which ASCII leaves anything to be read.
        digest: at least 12 digits.
    """
    return f"{_readable(device) or 'device'} at {_readable(place) or 'location'} #{digest[:12]}"


def make_and_model(model: str) -> str:
    """What people are shown of a `model_name`, the digest shortened; no other device has the same.

    CUPS's web page finds a device's driver by this alone. Words may be the same: two servers can
    have equal names, and letters get lost on the way to ASCII.
    """
    words, _, digest = model.rpartition(" #")
    return f"Cirrus {words} [{digest[:8]}]"


def plain(text: str) -> str:
    """Text for the part of a PPD that is ASCII: é as e, and what has no such letter as -."""
    return "".join(c if c.isascii() else "-" for c in _letters(text))


def english(text: str) -> str:
    """The same where ASCII has all of its letters, and nothing elsewhere."""
    letters = _letters(text)
    return letters if letters.isascii() else ""


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _readable(names: Sequence[str]) -> str:
    """The first name of which ASCII leaves anything, without marks for what it does not."""
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9 ._+-]", " ", plain(name).replace("'", ""))
        words = (word.strip("-") for word in clean.split() if re.search("[A-Za-z0-9]", word))
        if known := " ".join(words)[:40].strip():
            return known
    return ""


def ascii_name(text: str) -> str:
    """Text for names that go through device ids and PPD keywords alike."""
    kept = "".join(c if c.isalnum() or c in " -_.+" else "-" for c in plain(text))
    return " ".join(kept.split()) or "-"
