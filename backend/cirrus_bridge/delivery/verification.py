"""Checks whether the job in a server's answer is the document that was sent. Pure.

An id may belong to two jobs, a proxy may mix up answers, and a server that was restored from a
backup may have put another file into the job. The facts in the answer reveal such an error.

The API document is vague, so only a clear contradiction counts. A field that is missing, empty or 0
says nothing. `Size` is "in bytes", either of the document or of the uploaded data. `Name` is "the
file name or title". Servers shorten the name, clean it, or add an extension, so one name must
contain the letters of the other, in order. Characters outside ASCII are ignored, because servers
may replace or recode them. `Target` does not count: the location derives it from the device by tag
substitutions, such as a printer's name or a path.
"""

from __future__ import annotations

from dataclasses import dataclass

from cirrus_bridge.base.model import JobStatus
from cirrus_bridge.base.translation import tr


@dataclass(frozen=True, slots=True)
class SentDocument:
    """The sent document: its title, its size, and the size of the uploaded data (which may be
    compressed). Empty or 0 means unknown."""

    title: str = ""
    size_bytes: int = 0
    sent_bytes: int = 0


def difference(sent: SentDocument, status: JobStatus) -> str:
    """The server's claim that contradicts the document; empty if there is none."""
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
    """Whether `name` contains all letters of `part`, in order."""
    rest = iter(name)
    return all(letter in rest for letter in part)
