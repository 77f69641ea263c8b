"""The language of a page: the best one for an Accept-Language header (RFC 9110, 12.5.4). Pure."""

from __future__ import annotations

import functools

from cirrus_bridge.base.translation import FOLDER

_MOST_ITEMS = 50


def preferred(accept_language: str) -> str:
    """The language that a browser prefers among the catalogs' languages and English."""
    wanted = []
    for item in accept_language.split(",")[:_MOST_ITEMS]:
        tag, _, parameter = item.partition(";")
        name = tag.strip().partition("-")[0].lower()
        if name in _languages() and (quality := _quality(parameter)) > 0:
            wanted.append((quality, name))
    return max(wanted, key=lambda each: each[0])[1] if wanted else "en"


@functools.cache
def _languages() -> frozenset[str]:
    return frozenset({"en", *(path.name for path in FOLDER.iterdir() if path.is_dir())})


def _quality(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
