"""Readers of the API's answers: text, numbers, job ids and JSON → values of `model`.

They raise `Exchange.useless` for any answer that the API's document does not have. Only the fields
of a job's status may be missing or have another type: a service may change these at any time, and a
delivered document must not fail for that.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from typing import Any

from cirrus_bridge.api.exchange import Exchange
from cirrus_bridge.base.json_size import is_small
from cirrus_bridge.base.model import DeliveryState, JobStatus, Receipt, Target
from cirrus_bridge.base.text import cut
from cirrus_bridge.base.translation import tr

# such as 20220318185808-1; a single word or number is never a job id
MESSAGE_BYTES = 1024  # of a job's message, and of each other text in its status
# limits of JSON: each value costs some 70 bytes of memory, and may take only two bytes in an answer
MOST_VALUES = 10_000
MOST_VALUES_OF_LOCATION = 1_000_000

_JOB_ID = re.compile(r"(?=.{3,128}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)+")


def lines(exchange: Exchange, count: int) -> tuple[str, ...]:
    """The lines of a text with exactly `count` lines."""
    found = tuple(line.strip() for line in exchange.text.split("\n"))
    if len(found) != count:
        raise exchange.useless(
            tr("expected {wanted} lines, received {found}", wanted=count, found=len(found))
        )
    return found


def name(exchange: Exchange) -> str:
    """The name of an uploaded file."""
    text = exchange.text
    if not 0 < len(text) <= 255 or not text.isprintable():
        raise exchange.useless(tr("a file name was expected"))
    return text


def number(exchange: Exchange) -> int:
    """A count of bytes."""
    text = exchange.text
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise exchange.useless(tr("a number of bytes was expected"))
    return int(text)


def receipts(exchange: Exchange, targets: Sequence[Target]) -> list[Receipt]:
    """The job ids, one for each target, in the order of the targets."""
    ids = exchange.text.split()
    if len(ids) != len(targets):
        raise exchange.useless(
            tr("expected {wanted} job ids, received {found}", wanted=len(targets), found=len(ids))
        )
    if len(set(ids)) != len(ids) or not all(map(_JOB_ID.fullmatch, ids)):
        raise exchange.useless(tr("expected job ids, received something else"))
    return [Receipt(target, job_id) for target, job_id in zip(targets, ids, strict=True)]


def json_object(exchange: Exchange, most_values: int = MOST_VALUES) -> Mapping[str, Any]:
    """A JSON object. Its shape is checked before it becomes objects, which take more memory."""
    if not is_small(exchange.answer, most_values):
        raise exchange.useless(tr("its JSON has too many values, or too many levels"))
    try:
        found = json.loads(exchange.answer.removeprefix(BOM_UTF8).decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise exchange.useless(tr("a JSON object was expected"))
    return found


def location(exchange: Exchange) -> Mapping[str, Any]:
    """The JSON object of a location, without the password. A large one takes a second."""
    found = json_object(exchange, MOST_VALUES_OF_LOCATION)
    return {name: value for name, value in found.items() if name != "Password"}


def job_status(exchange: Exchange) -> JobStatus:
    """A job's status. Only its state is required."""
    found = json_object(exchange)
    try:
        state = DeliveryState(int(str(found["State"])))
    except (KeyError, ValueError):
        state = DeliveryState.UNKNOWN
    if state < DeliveryState.SUBMITTED:  # our own states
        raise exchange.useless(tr("a job state was expected"))
    properties = found.get("Properties")
    return JobStatus(
        state=state,
        name=_text(found.get("Name")),
        submitted=_text(found.get("Submitted")),
        size_bytes=_int(found.get("Size")),
        received=_text(found.get("Received")),
        delivered=_text(found.get("Delivered")),
        message=_text(found.get("Message")),
        properties={str(name): _text(value) for name, value in properties.items()}
        if isinstance(properties, dict)
        else {},
    )


def _text(value: object) -> str:
    text = cut(str(value), MESSAGE_BYTES) if isinstance(value, str | int | float) else ""
    return " ".join(text.split())


def _int(value: object) -> int:
    try:
        return int(value) if isinstance(value, str | int | float) else 0
    except (ValueError, OverflowError):
        return 0
