"""Detection of document formats from a document's bytes.

A title's extension is ignored, because it proves nothing about the content. A printer language is
recognized by the document's first bytes, and a text by all its bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cirrus_cloudlet.charsets import TextCheck

_HEAD_BYTES = 4096  # enough for the PJL lines before a printer language
DEVICE_FORMATS = ("pdf", "pcl", "pcl6", "ps", "txt", "any")

_JOB_CONTROL = b"\x1b%-12345X"
_LANGUAGE = re.compile(rb"@PJL\s+ENTER\s+LANGUAGE\s*=\s*([A-Za-z0-9]+)", re.IGNORECASE)
_BY_LANGUAGE = {b"PCLXL": "pcl6", b"POSTSCRIPT": "ps", b"PDF": "pdf"}
_JOB_CONTROL_LINES = re.compile(rb"(?:\x1b%-12345X|@PJL[^\n]*(?:\n|\Z)|\s)+", re.IGNORECASE)
# by their first bytes, behind any job control; Windows puts ^D before PostScript
_BEGINNINGS = (
    (re.compile(rb"%PDF"), "pdf"),
    (re.compile(rb"\x04?%!"), "ps"),
    (re.compile(rb"[()'] HP-PCL XL;"), "pcl6"),
    (re.compile(rb"[\0\s]*\x1bE"), "pcl"),
)
# PCL's commands with a parameter, which ends in a capital unless another one follows. ESC/P has
# binary parameters behind the same characters.
_PCL_COMMAND = re.compile(
    rb"\x1b(?:(?:[&*()][a-z]?|%)[-+]?[0-9]+(?:\.[0-9]*)?[@-^`-~]|[&*()][a-z][@-^])"
)


class Format(NamedTuple):
    """A format's name, and a text's charset as `charsets` names it, empty for other formats."""

    name: str
    charset: str = ""


class FormatDetector:
    """Detects a document's format; it gets all bytes in order."""

    def __init__(self) -> None:
        self._head = b""
        self._language: str | None = None
        self._text: TextCheck | None = None

    def add(self, data: bytes) -> None:
        if self._text:
            self._text.add(data)
        elif len(self._head) < _HEAD_BYTES:
            self._head += data
            if len(self._head) >= _HEAD_BYTES:
                self._begin()

    def format(self) -> Format:
        """Name the format of all bytes: pdf, ps, pcl, pcl6, txt, or bin for anything else."""
        if len(self._head) < _HEAD_BYTES:
            self._begin()
        if self._text is None:
            return Format(self._language or "bin")
        charset = self._text.charset()
        return Format("bin") if charset is None else Format("txt", charset)

    def _begin(self) -> None:
        self._language = _printer_language(self._head[:_HEAD_BYTES])
        if self._language is None:
            self._text = TextCheck(self._head)
            self._text.add(self._head)
        self._head = self._head[:_HEAD_BYTES]


def _printer_language(head: bytes) -> str | None:
    control = _JOB_CONTROL_LINES.match(head) if _JOB_CONTROL in head else None
    if control and (language := _LANGUAGE.search(control[0])):
        return _BY_LANGUAGE.get(language[1].upper(), "pcl")
    rest = head[control.end() :] if control else head
    for beginning, name in _BEGINNINGS:
        if beginning.match(rest):
            return name
    command = _PCL_COMMAND.search(rest)
    if control or (command and b"\0" not in rest[: command.start()]):
        return "pcl"
    return None


def is_printer_language(document_format: str) -> bool:
    """Tell whether a printer takes this format without a driver."""
    return document_format in ("pcl", "pcl6", "ps")
