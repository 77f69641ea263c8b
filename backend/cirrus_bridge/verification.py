"""Whether the job that a server tells of is the document that was sent. Pure.

An id may have been given to two jobs, a proxy may mix answers up, and a server that was restored
from a backup may have put another file into the job. The answer's own facts tell that apart.

The API document leaves room, so only what cannot be true counts. A field that is missing, empty or
0 says nothing. `Size` is "in bytes" without saying of what: the document, or what was uploaded of
it. `Name` is "the file name or title": servers shorten it, clean it, or add an extension, so one
name has to hold the letters of the other, in their order. Characters beyond ASCII are left out
there, as they may be replaced or coded otherwise. `Target` does not count: it is what the location
made of the device by its tag substitutions, such as a printer's name or a path.
"""

from __future__ import annotations

from dataclasses import dataclass

from cirrus_bridge.model import JobStatus
from cirrus_bridge.words import tr


@dataclass(frozen=True, slots=True)
class SentDocument:
    """What was sent: a title, the size of the document, and of what was uploaded of it (which may
    be compressed). Empty or 0 is not known."""

    title: str = ""
    size_bytes: int = 0
    sent_bytes: int = 0


def difference(sent: SentDocument, status: JobStatus) -> str:
    """What the server says that cannot be true of the document; empty if there is nothing."""
    sizes = (sent.size_bytes, sent.sent_bytes)
    if all(sizes) and status.size_bytes > 0 and status.size_bytes not in sizes:
        return tr(
            "its size is {found} bytes instead of {sent}",
            found=status.size_bytes,
            sent=sent.size_bytes,
        )
    found, wanted = _letters(status.name), _letters(sent.title)
    if not (_holds(found, wanted) or _holds(wanted, found)):
        return tr("its name is “{found}” instead of “{sent}”", found=status.name, sent=sent.title)
    return ""


def _letters(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isascii() and each.isalnum())


def _holds(name: str, part: str) -> bool:
    """Whether all letters of `part` are in `name`, in their order."""
    rest = iter(name)
    return all(letter in rest for letter in part)
