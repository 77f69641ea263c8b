"""Deliver to a CUPS queue: the only module that knows CUPS.

A document is delivered when CUPS has accepted the job. CUPS converts it, unless it is in a
printer's language.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Mapping
from urllib.parse import unquote

from cirrus_cloudlet.delivery.ways import Delivery, DeliveryFault
from cirrus_cloudlet.formats import is_printer_language

_OPTIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "duplex": (
        "sides",
        {"1": "one-sided", "2": "two-sided-long-edge", "3": "two-sided-short-edge"},
    ),
    "color": ("print-color-mode", {"1": "monochrome", "2": "color"}),
    "collate": ("Collate", {"1": "True"}),
    "orientation": ("orientation-requested", {"1": "3", "2": "4"}),
    "scale": ("print-scaling", {"0": "fit", "1": "auto-fit", "2": "none"}),
}
_MARK = "cirrus-delivery"  # CUPS keeps attributes that it does not know
_RENAMED = {"copies": "copies", "priority": "job-priority", "tray": "InputSlot", "size": "media"}


def cups_options(props: Mapping[str, str], document_format: str) -> dict[str, str]:
    """Translate job properties to CUPS options; properties unknown to CUPS are left out."""
    options = {}
    for name, value in props.items():
        if name in _OPTIONS:
            option, words = _OPTIONS[name]
            options[option] = words[value]
        elif name in _RENAMED:
            options[_RENAMED[name]] = value
    if "custsize" in props:  # API document: it overrides every other paper option
        options["media"] = props["custsize"]
    if is_printer_language(document_format) and document_format != "ps":
        options["raw"] = "true"
    return options


def deliver_printer(delivery: Delivery) -> str:
    """Print the document; return the message that names the CUPS job.

    Raises:
        DeliveryFault: pycups or the queue is missing, or CUPS refuses the job.
    """
    queue = delivery.device.target
    delivery.aim(queue, None)
    try:
        import cups
    except ImportError as error:
        raise DeliveryFault(f"pycups is not installed: {error}", again=False) from error
    job = delivery.job
    title = "".join(c for c in job.title if unicodedata.category(c) != "Cc") or "untitled"
    options = cups_options(delivery.props, job.format)
    if delivery.mark:
        options[_MARK] = delivery.mark
    try:
        number = cups.Connection().printFile(queue, str(delivery.document), title, options)
    except (cups.IPPError, cups.HTTPError, RuntimeError) as error:
        reason = str(error.args[-1]) if error.args else type(error).__name__
        raise DeliveryFault(f"CUPS queue {queue}: {reason}", again=True) from error
    return f"CUPS job {number} on {queue}"


class Found(enum.Enum):
    """What CUPS knows of a delivery that was interrupted."""

    COMPLETE = "complete"  # CUPS has the document, and prints or has printed it
    INCOMPLETE = "incomplete"  # CUPS has a job that never got its document
    UNKNOWN = "unknown"


def find_marked(queue: str, mark: str) -> Found:
    """Ask CUPS for the job that was sent to a queue with this mark.

    CUPS may have forgotten an old job, so a missing job says nothing.
    """
    try:
        import cups
    except ImportError:
        return Found.UNKNOWN
    # pycups leaves out jobs whose id was not asked for
    wanted = ["job-id", _MARK, "number-of-documents", "job-printer-uri"]
    try:
        jobs = cups.Connection().getJobs(which_jobs="all", requested_attributes=wanted)
    except (cups.IPPError, cups.HTTPError, RuntimeError):
        return Found.UNKNOWN
    for job in jobs.values():
        printer = str(job.get("job-printer-uri", "")).rpartition("/")[2]
        if job.get(_MARK) == mark and unquote(printer) == queue:
            return Found.COMPLETE if job.get("number-of-documents", 0) else Found.INCOMPLETE
    return Found.UNKNOWN
