"""Texts for a printer's keywords: printer-strings-uri (PWG 5100.13, 6.6.26). Pure.

Clients have texts for standard keywords, but not for the words of a location: its tray "Bac manuel"
is tray-4 in IPP, and a label has no name at all.
"""

from __future__ import annotations

from cirrus_bridge.base.media import self_describing_names, shown_as
from cirrus_bridge.base.text import one_line
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp_server.job_template import offer_of
from cirrus_bridge.ipp_server.tray_names import AUTO

MEDIA_TYPE = "text/strings"
FILE = "printer.strings"  # below the path of its printer


def printer_strings(printer: OfferedPrinter) -> str:
    """The file of texts: a line for each tray, and for each paper without a standard name. The
    words are the location's own, so they are the same in all languages."""
    media = offer_of(printer).media
    standard = set(self_describing_names().values())
    texts = {
        f"media-source.{source}": media.trays[keyword]
        for source, keyword in media.sources.items()
        if source != AUTO
    } | {
        f"media.{paper.keyword}": shown_as(paper.name, media.words[paper.name])
        for paper in media.papers
        if paper.keyword not in standard
    }
    return "".join(f'"{key}" = "{_escaped(text)}";\n' for key, text in texts.items())


def _escaped(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')
