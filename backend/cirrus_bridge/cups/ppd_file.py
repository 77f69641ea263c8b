"""What the backend wants to know of its queue's PPD, the file that CUPS names in `PPD`.

Lines of our own drivers (`ppd`, ppd/cirrus-bridge.drv) say which choices were the default when
the driver was made; a default that differs was set by an administrator (lpadmin(8), the web page),
and CUPS tells backends of it in no other way. Of another driver's defaults nothing is taken: what
they mean is done by its filters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

MOST_BYTES = 8 * 1024 * 1024
_LINE = re.compile(
    rb"^\*(Default|cirrusDefault |cirrusPaper |cirrusTray |cupsManualCopies)([!-9;-~]*):"
    rb'[ \t]*"?([^"\r\n]*)',
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class QueueDriver:
    """Of a queue's PPD.

    Attributes:
        manual_copies: the filters make the copies that a job asks for.
        defaults: option in lower case → the choice that an administrator made the default.
        papers, trays: name in PPDs → the location's own word, where that is another.
    """

    manual_copies: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    papers: Mapping[str, str] = field(default_factory=dict)
    trays: Mapping[str, str] = field(default_factory=dict)


NO_DRIVER = QueueDriver()


def read_queue_driver(path: Path) -> QueueDriver:
    """What a PPD says; one that can not be read says nothing, and costs the job nothing else."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
    except OSError:
        return NO_DRIVER
    said: dict[str, dict[str, str]] = {}
    for keyword, name, value in _LINE.findall(content):
        words = (part.decode("utf-8", "replace").strip() for part in (keyword, name, value))
        keyword, name, value = words
        said.setdefault(keyword, {})[name] = value
    now = said.get("Default", {})
    return QueueDriver(
        manual_copies=said.get("cupsManualCopies", {}).get("", "").lower() == "true",
        defaults={
            option.lower(): now[option]
            for option, made_with in said.get("cirrusDefault", {}).items()
            if now.get(option, made_with) != made_with
        },
        papers={name: unquote(word) for name, word in said.get("cirrusPaper", {}).items()},
        trays={name: unquote(word) for name, word in said.get("cirrusTray", {}).items()},
    )
