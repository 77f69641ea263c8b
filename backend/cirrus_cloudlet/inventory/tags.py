"""Tags in device targets: `{jobid}`, `{title}`, … are replaced by values of the job.

A value is made safe first, so that it cannot add a folder, hide a file or look like an option.
The pattern comes from the administrator, and is not changed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from cirrus_cloudlet.errors import Refusal

FILE_TAGS = frozenset({"jobid", "title", "location", "device", "ext", "date"})
COMMAND_TAGS = FILE_TAGS | {"file"}

_TAG = re.compile(r"\{([^{}]*)\}")
_VALUE_BYTES = 100  # two values, an id and an extension fit into a file name of 255 bytes


def check_tags(pattern: str, known: frozenset[str]) -> None:
    """Raise Refusal if a tag of the pattern is not known."""
    for tag in _TAG.findall(pattern):
        if tag not in known:
            listed = " ".join(f"{{{name}}}" for name in sorted(known))
            raise Refusal(f"target has an unknown tag {{{tag}}}; the known ones are {listed}")


def substitute(pattern: str, values: Mapping[str, str]) -> str:
    title, extension = values["title"], f".{values['ext']}"
    if "{title}.{ext}" in pattern and title.lower().endswith(extension):
        # many titles are file names already: report.pdf, not report.pdf.pdf
        values = {**values, "title": title[: -len(extension)]}
    return _TAG.sub(lambda tag: values[tag[1]], pattern)


def make_safe(value: str) -> str:
    """Make a value safe as part of a file name; letters of every script stay."""
    kept = "".join(
        "_" if character == "/" or unicodedata.category(character) in ("Cc", "Cs") else character
        for character in value
    ).strip()
    if kept[:1] in (".", "-"):
        kept = "_" + kept[1:]
    return kept.encode()[:_VALUE_BYTES].decode(errors="ignore").strip() or "untitled"
