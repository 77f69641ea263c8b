"""Attributes of a client's job → options in CUPS's form, which `sending/job_props` reads. Pure.

Each value is checked against what the printer offers (`job_template`). What the printer does not
offer is left out of the job and goes back to the client as an unsupported attribute (RFC 8011,
4.1.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.base.model import DEFAULT_PRIORITY, PrintJob
from cirrus_bridge.base.text import fitting
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.message import Attributes
from cirrus_bridge.ipp.values import OutOfBand, Range
from cirrus_bridge.ipp_server.job_media import read_media
from cirrus_bridge.ipp_server.job_template import offer_of
from cirrus_bridge.ipp_server.job_values import NAME_BYTES, JobValues
from cirrus_bridge.ipp_server.media import AskedPaper

SECRETS = frozenset({"job-password", "job-password-encryption"})  # no other client may see them
_READ_BY_NAME = SECRETS | {"job-name", "media", "media-col"}
# Operation attributes (RFC 8011, 4.2.1.1; PWG 5100.7, 5100.11, 5100.13), if these come along.
_OF_OPERATION = frozenset(
    {
        "attributes-charset", "attributes-natural-language", "client-info", "compression",
        "document-charset", "document-format", "document-format-details", "document-name",
        "document-natural-language", "ipp-attribute-fidelity", "job-id", "job-impressions",
        "job-k-octets", "job-mandatory-attributes", "job-media-sheets", "job-uri",
        "last-document", "printer-uri", "requested-attributes", "requesting-user-name",
        "requesting-user-uri", "requesting-user-vcard",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestedJob:
    """The part of a client's request that the printer offers.

    Attributes:
        options: for `PrintJob.options`.
        page_ranges: the pages to print, in ascending order; empty for all.
        title: job-name; may be empty.
        hold_until: job-hold-until; empty if the job need not be held.
        paper: the paper that the job asks for, or else the default paper.
        margins_mm: the left, bottom, right and top margin, for the place of an image on the paper.
        pin: the PIN that the device asks for, or empty. No text may contain it.
        unsupported: for the group of unsupported attributes.
        must_refuse: whether the job must not be printed without its unsupported attributes,
            whatever ipp-attribute-fidelity says: the job has a PIN that the device does not take,
            or job-mandatory-attributes names one of them (PWG 5100.11).
    """

    paper: AskedPaper
    margins_mm: tuple[float, float, float, float]
    options: Mapping[str, str] = field(default_factory=dict)
    copies: int = 1
    page_ranges: tuple[Range, ...] = ()
    priority: int = DEFAULT_PRIORITY
    title: str = ""
    hold_until: str = ""
    pin: str = field(default="", repr=False)
    unsupported: Attributes = field(default_factory=Attributes)
    must_refuse: bool = False

    @property
    def scaling(self) -> str:
        """The keyword of print-scaling."""
        return self.options.get("print-scaling", "auto")

    @property
    def orientation(self) -> int | None:
        """The number of orientation-requested; None if the job does not ask for one."""
        number = self.options.get("orientation-requested")
        return int(number) if number else None


def read_job(attributes: Attributes, printer: OfferedPrinter) -> RequestedJob:
    """Read what a job asks for.

    Args:
        attributes: the attributes of the job; those of the operation may be among them. job-name,
            job-password and job-mandatory-attributes are operation attributes.
    """
    offer = offer_of(printer)
    asked = read_media(attributes, offer.media)
    values = JobValues(offer.template)
    unsupported = Attributes(asked.unsupported | values.read_password(attributes))
    for name, found in attributes.items():
        if read := values.readers.get(name):
            if found and (left := read(found)):
                unsupported[name] = left
        elif name not in _READ_BY_NAME and name not in _OF_OPERATION:
            unsupported[name] = [OutOfBand.UNSUPPORTED]
    mandatory = {*map(str, attributes.get("job-mandatory-attributes", ())), "job-password"}
    return RequestedJob(
        paper=asked.paper,
        margins_mm=asked.margins_mm,
        options=values.options | asked.options,
        copies=values.copies,
        page_ranges=values.page_ranges,
        priority=values.priority,
        title=fitting(attributes.text("job-name"), NAME_BYTES).strip(),
        hold_until=values.hold_until,
        pin=values.pin,
        unsupported=unsupported,
        must_refuse=not mandatory.isdisjoint(unsupported),
    )


def print_job(
    requested: RequestedJob,
    printer: OfferedPrinter,
    *,
    job_id: int,
    job_uuid: str,
    user: str,
    queue: str = "",
    title: str = "",
    host: str = "",
    language: str = "",
    created_at: int = 0,
    processing_at: int = 0,
    document: Path | None = None,
    layout_done: bool = False,
) -> PrintJob:
    """Make the job for the core.

    Args:
        queue: the name of the queue in props; by default the printer's name.
        title: for a job without a job-name, such as the name of the document.
        language: of the client, such as "de".
        created_at, processing_at: in seconds since the epoch.
        document: the file that the device gets.
        layout_done: whether the pages have their final size and orientation already, so that the
            device is not asked for these.
    """
    media = offer_of(printer).media
    return PrintJob(
        job_id=job_id,
        job_uuid=job_uuid,
        user=user,
        title=requested.title or fitting(title, NAME_BYTES) or f"{printer.name}-{job_id}",
        copies=requested.copies,
        queue=queue or printer.name,
        options=requested.options,
        spool_path=document,
        created_at=created_at,
        processing_at=processing_at,
        priority=requested.priority,
        host=host,
        layout_done=layout_done,
        papers=media.words,
        trays=media.trays,
        declared=printer.capabilities.options,
        pin=requested.pin,
        language=language,
    )
