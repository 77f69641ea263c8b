"""Reader of the queue's PPD, whose path CUPS passes to the backend in `PPD`.

Our own drivers (`drivers/ppd`, ppd/cirrus-bridge.drv) record their original defaults. A different
default was set by an administrator (lpadmin(8), CUPS's web page), and CUPS tells backends of it in
no other way. The defaults of other drivers are ignored, because their own filters apply them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from cirrus_bridge.base.model import NO_OPTIONS, PPD_PROPS, DeviceOptions

MOST_BYTES = 8 * 1024 * 1024
_LINE = re.compile(
    rb"^\*(Default|cirrusDefault |cirrusPaper |cirrusTray |cupsManualCopies|cirrusJobPassword"
    + "".join(f"|{keyword} " for keyword in PPD_PROPS.values()).encode()
    + rb')([!-9;-~]*):[ \t]*"?([^"\r\n]*)',
    re.MULTILINE,
)
_CHOICE = re.compile(rb"^\*(PageSize|InputSlot)[ \t]+([!-.0-9;-~]+)[ \t]*[:/]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class QueueDriver:
    """The contents of a queue's PPD that the backend needs.

    Attributes:
        manual_copies: whether the filters make the copies of a job.
        defaults: option in lower case → the default that an administrator has chosen.
        papers, trays: name in the PPD → the location's name, if that is different.
        page_sizes, input_slots: all names of papers and trays in the PPD.
        options: declared options.
    """

    manual_copies: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    papers: Mapping[str, str] = field(default_factory=dict)
    trays: Mapping[str, str] = field(default_factory=dict)
    page_sizes: tuple[str, ...] = ()
    input_slots: tuple[str, ...] = ()
    options: DeviceOptions = NO_OPTIONS


NO_DRIVER = QueueDriver()


def read_queue_driver(path: Path) -> QueueDriver:
    """Read a PPD. An unreadable PPD counts as NO_DRIVER and does not fail the job."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
    except OSError:
        return NO_DRIVER
    return queue_driver(content)


def queue_driver(content: bytes) -> QueueDriver:
    """Read the text of a PPD."""
    said: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for match in _LINE.findall(content):
        keyword, name, value = (part.decode("utf-8", "replace").strip() for part in match)
        said[keyword][name] = value
    now = said["Default"]
    choices: defaultdict[bytes, list[str]] = defaultdict(list)
    for option, choice in _CHOICE.findall(content):
        choices[option].append(choice.decode())
    return QueueDriver(
        manual_copies=said["cupsManualCopies"].get("", "").lower() == "true",
        defaults={
            option.lower(): now[option]
            for option, made_with in said["cirrusDefault"].items()
            if now.get(option, made_with) != made_with
        },
        papers={name: unquote(word) for name, word in said["cirrusPaper"].items()},
        trays={name: unquote(word) for name, word in said["cirrusTray"].items()},
        page_sizes=tuple(choices[b"PageSize"]),
        input_slots=tuple(choices[b"InputSlot"]),
        options=DeviceOptions(
            {
                attribute: said[keyword]
                for attribute, keyword in PPD_PROPS.items()
                if keyword in said
            },
            said["cirrusJobPassword"].get("", ""),
        ),
    )
