"""Detection of document formats from a document's first bytes.

A title's extension is ignored, because it proves nothing about the content.
"""

from __future__ import annotations

import re

HEAD_BYTES = 4096  # enough for the PJL lines before a printer language
DEVICE_FORMATS = ("pdf", "pcl", "pcl6", "ps", "txt", "any")

_JOB_CONTROL = b"\x1b%-12345X"
_LANGUAGE = re.compile(rb"@PJL\s+ENTER\s+LANGUAGE\s*=\s*([A-Za-z0-9]+)", re.IGNORECASE)
_BY_LANGUAGE = {b"PCLXL": "pcl6", b"POSTSCRIPT": "ps", b"PDF": "pdf"}
_TEXT_CONTROLS = frozenset("\t\n\f\r")


def sniff(head: bytes) -> str:
    """Name the format: pdf, ps, pcl, pcl6, txt, or bin for anything else."""
    if head.startswith(b"%PDF"):
        return "pdf"
    if head.startswith(b"%!"):
        return "ps"
    if head.startswith(_JOB_CONTROL):
        language = _LANGUAGE.search(head)
        return _BY_LANGUAGE.get(language[1].upper(), "pcl") if language else "pcl"
    if head.startswith(b"\x1bE"):
        return "pcl"
    return "txt" if _is_text(head[:HEAD_BYTES]) else "bin"


def is_printer_language(document_format: str) -> bool:
    """Tell whether a printer takes this format without a driver."""
    return document_format in ("pcl", "pcl6", "ps")


def _is_text(head: bytes) -> bool:
    for cut in range(4):  # the head may end within a UTF-8 character
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return all(character.isprintable() or character in _TEXT_CONTROLS for character in text)
    return False
