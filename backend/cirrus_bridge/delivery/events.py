"""A change that a poller reports, of a document or a queue, as a value and as a line of a log.

The line has `key=value` pairs. A value with spaces or quotes is a JSON string.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from cirrus_bridge.base.model import Receipt
from cirrus_bridge.base.text import escaped
from cirrus_bridge.journal.documents import Document

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@%+;")
# levels of syslog(3), which journald reads at the start of a line (sd-daemon(3))
WARNING, NOTICE, INFO = 4, 5, 6


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `event` is one word, `text` is for people. If the change concerns a queue or a
    server, the fields of a job are empty or 0. No line has a field for `server`, because the text
    names it."""

    event: str
    text: str
    level: int = INFO
    queue: str = ""
    job_id: int = 0
    user: str = ""
    title: str = ""
    target: str = ""
    cloud_job_id: str = ""
    server: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """The fields that are not empty, by name."""
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
    event: str, text: str, document: Document, receipt: Receipt | None = None, level: int = INFO
) -> Change:
    """A change of a document, or of one of its targets."""
    job = (document.queue, document.key.job_id, document.user, document.title)
    there = (str(receipt.target), receipt.cloud_job_id) if receipt else ("", "")
    return Change(event, text, level, *job, *there)


def _value(text: str) -> str:
    return text if _PLAIN.issuperset(text) else escaped(json.dumps(text, ensure_ascii=False))
