"""The shape of an API key, which tells of a key that is pasted at a wrong question. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

_LEAST_LENGTH = 28
_LEAST_CHANGES = 0.15  # between kinds of letters, for each letter; random letters have over 0.4
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KEY = re.compile(r"[\w+/=.~-]+", re.ASCII)


def looks_like_key(text: str) -> bool:
    """Whether a text looks like a key: long, without spaces, and not made of words.

    Names of hosts, ids of people's choice and UUIDs do not look like keys.
    """
    if len(text) < _LEAST_LENGTH or not _KEY.fullmatch(text) or _UUID.fullmatch(text):
        return False
    if "." in text and text == text.lower():  # a host
        return False
    letters = sum(map(str.isalnum, text))
    changes = sum(_changes(one, two) for one, two in pairwise(text))
    longest = max(map(len, re.split(r"[\W_]", text)))
    return changes >= _LEAST_CHANGES * letters or longest >= _LEAST_LENGTH


def _changes(one: str, two: str) -> bool:
    """Whether the kind of letter changes within a word; a word may begin with a capital."""
    if not (one.isalnum() and two.isalnum()) or (one.isupper() and two.islower()):
        return False
    return (one.isdigit(), one.isupper()) != (two.isdigit(), two.isupper())
