"""Device targets with tags: `{jobid}`, `{title}`, … replaced by what a job says.

A substituted value can never add a folder, hide a file or look like an option: it is made safe
first. The pattern itself is the administrator's and is taken as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from cirrus_cloudlet.errors import Refused

FILE_TAGS = frozenset({"jobid", "title", "location", "device", "ext", "date"})
COMMAND_TAGS = FILE_TAGS | {"file"}

_TAG = re.compile(r"\{([^{}]*)\}")
_VALUE_BYTES = 100  # so that two of them, with an id and an extension, fit in a name of 255


def check_tags(pattern: str, known: frozenset[str]) -> None:
    """Let a pattern through if each of its tags is known.

    Raises:
        Refused: it has another one.
    """
    for tag in _TAG.findall(pattern):
        if tag not in known:
            listed = " ".join(f"{{{name}}}" for name in sorted(known))
            raise Refused(f"target has an unknown tag {{{tag}}}; the known ones are {listed}")


def substituted(pattern: str, values: Mapping[str, str]) -> str:
    """The pattern with every tag replaced."""
    title, extension = values["title"], f".{values['ext']}"
    if "{title}.{ext}" in pattern and title.lower().endswith(extension):
        # many titles are file names already: report.pdf, not report.pdf.pdf
        values = {**values, "title": title[: -len(extension)]}
    return _TAG.sub(lambda tag: values[tag[1]], pattern)


def safe(value: str) -> str:
    """`value` as a part of a file name, in whatever script it is."""
    kept = "".join(
        "_" if character == "/" or unicodedata.category(character) in ("Cc", "Cs") else character
        for character in value
    ).strip()
    if kept[:1] in (".", "-"):
        kept = "_" + kept[1:]
    return kept.encode()[:_VALUE_BYTES].decode(errors="ignore").strip() or "untitled"
