"""Names of queues, and templates for them such as "{location}-{device}"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr

PLACEHOLDERS = ("server", "company", "location", "device", "location_name", "device_name")
NAME_BYTES = 127  # RFC 8011, 5.1.3, and cupsd
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")  # known or unknown


def fill(template: str, words: Mapping[str, str]) -> str:
    """Replace the placeholders of a template. Raises KeyError if `words` lacks a placeholder."""
    return PLACEHOLDER.sub(lambda match: words[match[1]], template)


def queue_name(template: str, words: Mapping[str, str]) -> str:
    """Make a queue's name from a template, with - for characters that names cannot have.

    Raises:
        BadConfiguration: the name is too long.
        KeyError: `words` lacks a placeholder.
    """
    safe = {
        key: "-".join(filter(None, re.split(r"[^\w.+]+", word))) or "-"
        for key, word in words.items()
    }
    name = fill(template, safe)
    if len(name.encode()) > NAME_BYTES:
        what = tr(
            "The queue's name would be longer than {name_bytes} bytes: {name}",
            name_bytes=NAME_BYTES,
            name=name,
        )
        raise BadConfiguration(what)
    return name
