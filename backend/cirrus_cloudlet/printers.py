"""The printers that a location's client reports, as JSON: what a client sends, a server checks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cirrus_cloudlet.errors import RequestFault

MOST_PRINTERS = 100
_TEXT_CHARACTERS = 200
_LIST_ITEMS = 100
_TEXTS = ("queue", "name", "model", "state", "message")
_LISTS = ("trays", "papers", "supplies", "reasons")
_FLAGS = ("color", "collate", "duplex")


def read_printers(text: str) -> Sequence[Mapping[str, Any]]:
    """Read a client's report; unknown fields are left out, because a newer client may send them.

    Raises:
        RequestFault: the text is not such a report.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestFault(400, "printers is not JSON") from error
    if not isinstance(found, list) or len(found) > MOST_PRINTERS:
        raise RequestFault(400, f"printers is not a list of at most {MOST_PRINTERS}")
    return [_printer(each) for each in found]


def _printer(found: object) -> dict[str, Any]:
    if not isinstance(found, dict) or not _is_text(found.get("queue")) or not found["queue"]:
        raise RequestFault(400, "a printer has no queue")
    texts = {name: found.get(name, "") for name in _TEXTS}
    lists = {name: found.get(name, []) for name in _LISTS}
    for name, value in texts.items():
        if not _is_text(value):
            raise RequestFault(400, f"a printer's {name} is not a short text")
    for name, values in lists.items():
        is_list = isinstance(values, list) and len(values) <= _LIST_ITEMS
        if not is_list or not all(_is_text(each) for each in values):
            raise RequestFault(400, f"a printer's {name} is not a list of short texts")
    return {**texts, **lists, **{name: found.get(name) is True for name in _FLAGS}}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _TEXT_CHARACTERS and value.isprintable()
