"""Globs, by which the configuration names several devices."""

from __future__ import annotations

import fnmatch


def is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def matches(text: str, pattern: str) -> bool:
    """Whether a glob matches. Only `*` and `?` are special; device names may contain brackets."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))
