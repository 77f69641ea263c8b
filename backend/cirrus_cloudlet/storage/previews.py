"""Images of documents' pages, made by poppler at the first view and kept for later views.

Documents are hostile: the programs that read them run in a sandbox, and browsers get their
output as PNG only.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.files import open_private, run_prefix
from cirrus_cloudlet.sandbox import SandboxFault, run_sandboxed
from cirrus_cloudlet.translation import marked

log = logging.getLogger(__name__)
MAX_PAGES = 50  # of a document that are shown
_UNUSED = "previews.old-"
_DOCUMENT_BYTES = 64 * 1024**2
_PNG = b"\x89PNG\r\n\x1a\n"
_PAGES = re.compile(rb"^Pages: +([0-9]{1,9})$", re.MULTILINE)
_NEEDS = "previews need bubblewrap, pdftoppm and a kernel that allows user namespaces"
_NOT_HERE = marked("this server cannot make page images; tell its administrator")


class Size(enum.Enum):
    """The longer side of a picture in pixels, for a page of any size."""

    SMALL = 480
    LARGE = 1600


class Outline(NamedTuple):
    """The number of a document's pages; `problem` says why none of them can be shown."""

    pages: int
    problem: str = ""


class NoPicture(Exception):
    """There is no image of the page; the text gives the cause, in English."""


class Previews:
    """The page images of one data folder; they may be removed at any time."""

    def __init__(self, folder: Path, document_path: Callable[[str], Path]) -> None:
        self._folder = folder / "previews"
        self._document_path = document_path
        self._outlines: dict[str, Outline] = {}
        self._bad_pages: set[Path] = set()

    def outline(self, document_id: str) -> Outline | None:
        """The outline of a document; None before its first view."""
        return self._outlines.get(document_id)

    def page(self, document_id: str, number: int, size: Size) -> bytes:
        """Return a page as PNG; raise NoPicture if the page cannot be shown."""
        outline = self._outlines.get(document_id) or self._look(document_id)
        if outline.problem:
            raise NoPicture(outline.problem)
        if not 1 <= number <= min(outline.pages, MAX_PAGES):
            raise NoPicture(marked("there is no such page"))
        path = self._folder / document_id / f"{number}-{size.value}.png"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return self._make(path, self._document_path(document_id), number, size)

    def start(self) -> None:
        """Begin without page images; call this once, before the first view."""
        with contextlib.suppress(FileNotFoundError):
            self._folder.rename(self._folder.with_name(f"{_UNUSED}{run_prefix()}"))
        self._folder.mkdir(mode=0o700)

    def unused(self) -> list[Path]:
        """The folders of earlier runs, which somebody has to remove."""
        return list(self._folder.parent.glob(f"{_UNUSED}*"))

    def sweep(self) -> None:
        """Remove the page images of removed documents."""
        for folder in self._folder.iterdir():
            if not self._document_path(folder.name).exists():
                shutil.rmtree(folder)
        for known in list(self._outlines):
            if not self._document_path(known).exists():
                del self._outlines[known]
        self._bad_pages = {path for path in self._bad_pages if path.parent.name in self._outlines}

    def _look(self, document_id: str) -> Outline:
        document = self._document_path(document_id)
        try:
            if document.stat().st_size > _DOCUMENT_BYTES:
                raise SandboxFault(marked("the document is too large"))
            found = _PAGES.search(run_sandboxed(["pdfinfo", "-"], document))
            if not found or found[1] == b"0":
                raise SandboxFault(marked("the document has no pages"))
            outline = Outline(int(found[1]))
        except FileNotFoundError:
            raise NoPicture(marked("the document is no longer kept")) from None
        except SandboxFault as fault:
            _check_sandbox()
            outline = Outline(0, str(fault))
        self._outlines[document_id] = outline
        return outline

    def _make(self, path: Path, document: Path, number: int, size: Size) -> bytes:
        if path in self._bad_pages:
            raise NoPicture(marked("this page cannot be shown"))
        page = str(number)
        render = ("pdftoppm", "-png", "-singlefile", "-f", page, "-scale-to", str(size.value), "-")
        try:
            picture = run_sandboxed(render, document)
            if not picture.startswith(_PNG):
                raise SandboxFault(marked("pdftoppm made no page image"))
        except SandboxFault as fault:
            _check_sandbox()
            self._bad_pages.add(path)
            if number == 1:
                self._outlines[path.parent.name] = Outline(0, str(fault))
            raise NoPicture(str(fault)) from fault
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{threading.get_ident()}")
        with open(temporary, "wb", opener=open_private) as file:
            file.write(picture)
        temporary.replace(path)
        return picture


def _check_sandbox() -> None:
    """Raise NoPicture if this machine cannot show any document; the machine may be fixed later."""
    try:
        run_sandboxed(["pdftoppm", "-v"], Path(os.devnull))
    except SandboxFault as fault:
        log.warning("no preview: %s (%s)", _NEEDS, fault)
        raise NoPicture(_NOT_HERE) from fault
