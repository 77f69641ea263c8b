"""Advice for documents that leave nothing to print, or that the device does not take. Pure."""

from __future__ import annotations

from cirrus_bridge.base.errors import EmptyDocument
from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.base.translation import tr

UNCHANGED = tr(
    "CUPS sent the file unchanged, because CUPS does not know its format or the job is raw. Cancel "
    "this job, and print from an application or in a format that the device accepts."
)
_ALL = "all"  # the default of page-set
_RESETS = b"\x1bE\x1bE"  # rastertohp resets the printer before and after the pages


def has_no_pages(job: PrintJob, document: bytes) -> bool:
    """Whether CUPS's filters made no page of the job's document."""
    return not document or (job.layout_done and document == _RESETS)


def nothing_to_print(job: PrintJob) -> EmptyDocument:
    """The error for a job without data. Its filters have applied page-ranges and page-set."""
    for option in ("page-ranges", "page-set"):
        value = job.options.get(option, _ALL)
        if job.layout_done and value != _ALL:
            return EmptyDocument(
                tr(
                    "There is nothing to print: the job asks for {option}='{value}', and the "
                    "document has no such pages.",
                    option=option,
                    value=value,
                ),
                tr("Cancel this job, and print again with other pages."),
            )
    return EmptyDocument(
        tr("There is nothing to print: the document is empty, or a filter failed."),
        tr("Print the document again, or cancel this job."),
    )
