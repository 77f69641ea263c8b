"""What a poller tells of: one change of a document or a queue, as a value, and as a line of a log.

The line is `key=value` pairs, which people read and programs take apart (a value with spaces or
quotes is a JSON string).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from cirrus_bridge.base.model import Receipt
from cirrus_bridge.base.text import escaped
from cirrus_bridge.journal.deliveries import Accepted

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@%+;")
# syslog(3)'s levels, which journald takes from the begin of a line (sd-daemon(3))
WARNING, NOTICE, INFO = 4, 5, 6


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `event` is one word; `text` is for people; a job's fields are empty, or 0, where
    the change is about a queue or a server."""

    event: str
    text: str
    level: int = INFO
    queue: str = ""
    job_id: int = 0
    user: str = ""
    title: str = ""
    target: str = ""
    cloud_job_id: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """Everything that is known, by name."""
        known = {
            "event": self.event,
            "queue": self.queue,
            "job": str(self.job_id or ""),
            "user": self.user,
            "title": self.title,
            "target": self.target,
            "cloud-job": self.cloud_job_id,
            "message": self.text,
        }
        return {name: text for name, text in known.items() if text}

    @property
    def line(self) -> str:
        """The log's line."""
        return " ".join(f"{name}={_value(text)}" for name, text in self.fields.items())


def of_document(
    event: str,
    text: str,
    document: Accepted,
    receipt: Receipt | None = None,
    level: int = INFO,
) -> Change:
    """A change of a document, or of one of its targets."""
    return Change(
        event,
        text,
        level,
        document.queue,
        document.key.job_id,
        document.user,
        document.title,
        str(receipt.target) if receipt else "",
        receipt.cloud_job_id if receipt else "",
    )


def _value(text: str) -> str:
    if _PLAIN.issuperset(text):
        return text
    return escaped(json.dumps(text, ensure_ascii=False))
