"""The pages that a job asks for (page-ranges, RFC 8011, 5.2.7). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cirrus_bridge.base.errors import EmptyDocument
from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.values import Range


def asks_for(ranges: Sequence[Range], number: int) -> bool:
    """Whether a page is to be printed; pages are counted from 1. No ranges ask for all pages."""
    return not ranges or any(lowest <= number <= highest for lowest, highest in ranges)


def last_page(ranges: Sequence[Range]) -> int | None:
    """The last page that is asked for; None if there is no last one."""
    return max((highest for _, highest in ranges), default=None)


def no_such_pages(ranges: Sequence[Range]) -> EmptyDocument:
    """The error for a document that has none of the pages."""
    asked = ",".join(f"{lowest}-{highest}" for lowest, highest in ranges)
    return EmptyDocument(
        tr(
            "There is nothing to print: the job asks for the pages {pages}, and the document has "
            "no such pages.",
            pages=asked,
        ),
        tr("Print again with other pages."),
    )
