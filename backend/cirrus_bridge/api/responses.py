"""The API's answers, read strictly: text, numbers, job ids and JSON → values of `model`.

An answer that is not what the API's document says raises `Exchange.useless`; a field of a job's
status that is missing or has another type than documented is read as far as it makes sense, for
a service may change such a thing any day and a delivered document must not fail over it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.api.exchange import Exchange
from cirrus_bridge.base.model import DeliveryState, JobStatus, Receipt, Target
from cirrus_bridge.base.translation import tr

# 20220318185808-1; whatever else it may look like one day, a word or a number alone is none
_JOB_ID = re.compile(r"(?=.{3,128}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)+")


def lines(exchange: Exchange, count: int) -> tuple[str, ...]:
    """Exactly `count` lines."""
    found = tuple(line.strip() for line in exchange.text.split("\n"))
    if len(found) != count:
        raise exchange.useless(
            tr("{wanted} lines were expected, {found} came", wanted=count, found=len(found))
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
    """One job id a target, in their order."""
    ids = exchange.text.split()
    if len(ids) != len(targets):
        raise exchange.useless(
            tr("{wanted} job ids were expected, {found} came", wanted=len(targets), found=len(ids))
        )
    if len(set(ids)) != len(ids) or not all(map(_JOB_ID.fullmatch, ids)):
        raise exchange.useless(tr("it sent something else than job ids"))
    return [Receipt(target, job_id) for target, job_id in zip(targets, ids, strict=True)]


def json_object(exchange: Exchange) -> Mapping[str, Any]:
    """A JSON object."""
    try:
        found = json.loads(exchange.answer)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise exchange.useless(tr("a JSON object was expected"))
    return found


@dataclass(frozen=True, slots=True)
class UnreadLocation:
    """The answer to `get location`, as its bytes: of a large one, reading takes a second."""

    exchange: Exchange

    @property
    def size_bytes(self) -> int:
        """How long the answer is."""
        return len(self.exchange.answer)

    def read(self) -> Mapping[str, Any]:
        """The JSON object as it came, less its password."""
        found = dict(json_object(self.exchange))
        found.pop("Password", None)
        return found


def job_status(exchange: Exchange) -> JobStatus:
    """A job's status; only its state has to be there."""
    found = json_object(exchange)
    try:
        state = DeliveryState(int(str(found["State"])))
    except (KeyError, ValueError):
        state = DeliveryState.UNKNOWN
    if state < DeliveryState.SUBMITTED:  # states of ours, which no server says
        raise exchange.useless(tr("a job state was expected"))
    return JobStatus(
        state=state,
        name=_text(found.get("Name")),
        submitted=_text(found.get("Submitted")),
        size_bytes=_int(found.get("Size")),
        received=_text(found.get("Received")),
        delivered=_text(found.get("Delivered")),
        message=_text(found.get("Message")),
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    text = " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
    return text.encode("utf-8", "replace").decode()  # JSON can hold what UTF-8 can not


def _int(value: object) -> int:
    try:
        return int(value) if isinstance(value, str | int | float) else 0
    except (ValueError, OverflowError):
        return 0
