"""Debian's test suites of ipptool(1), with sample documents: Debian packages the suites alone."""

from __future__ import annotations

import collections
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from corpus_files import A4, LETTER
from one_page_pdf import one_page_pdf
from raster_documents import COMPONENTS, Picture, pwg_raster

SUITES = {  # and the version of IPP that each one is for
    "ipp-1.1.test": "1.1",
    "ipp-2.0.test": "2.0",
    "ipp-everywhere.test": "2.0",
    "get-printer-attributes-suite.test": "2.0",
}
PASSED, FAILED, SKIPPED = "PASS", "FAIL", "SKIP"
Results = Mapping[tuple[str, int], str]
_SUITES = Path("/usr/share/cups/ipptool")
_INCLUDE = re.compile(r'^INCLUDE "(.*)"$', re.MULTILINE)
_FILE = re.compile(r"^\s*FILE\s+([^$\s]+)$", re.MULTILINE)
_TEST = re.compile(r"^ {4}(\S.*?) *\[(PASS|FAIL|SKIP)\]$", re.MULTILINE)
_BLOCK = re.compile(r"^\{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
# pwg-raster-samples-300dpi/srgb-8/document-a4-srgb-8-300dpi.pwg
_RASTER = re.compile(r"(?P<name>.+)-(?P<colors>[a-z]+)-(?P<bits>\d+)-(?P<dpi>\d+)dpi")
_SIDE = 48  # pixels of a sample, across and along
_PAGE = (b"BT /F1 24 Tf 72 500 Td (Sample) Tj ET", "Font")
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
_LIMIT_S = 300.0


class Suites:
    """The suites in a folder of their own.

    Args:
        folder: is made.
        keeps_raster: whether to keep a test that prints a sample of PWG raster, by its file name.
        delay_s: the time before each test, and before a busy printer is asked again, for a
            printer that has one job at a time.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keeps_raster: Callable[[str], bool] = lambda _: True,
        delay_s: float = 0,
    ) -> None:
        shutil.copytree(_SUITES, folder)
        self._folder = folder
        for suite in SUITES:
            text = "".join(_kept(_included(folder / suite), keeps_raster))
            if delay_s:
                text = text.replace("\n{\n", f"\n{{\n\tDELAY {delay_s:g}\n")
            (folder / f"whole-{suite}").write_text(text)
            for name in _FILE.findall(text):
                sample = folder / name
                sample.parent.mkdir(parents=True, exist_ok=True)
                _MAKERS[sample.suffix](sample)

    def run(self, suite: str, uri: str, command: Callable[..., Sequence[str | Path]]) -> Results:
        """Run a suite on a printer.

        Args:
            command: makes a command one that reaches the printer.

        Returns:
            The result of each test, by its name and by how often that name came before.
        """
        sample = self._folder / "document-a4.pdf"
        words = ("ipptool", "-tI", "-V", SUITES[suite], "-f", sample)
        done = subprocess.run(
            command(*words, uri, self._folder / f"whole-{suite}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
        )
        assert "cannot be read" not in done.stdout, done.stdout
        seen: collections.Counter[str] = collections.Counter()
        results = {}
        for name, result in _TEST.findall(done.stdout):
            results[name, seen[name]] = result
            seen[name] += 1
        assert results, done.stdout
        return results


def _included(suite: Path) -> str:
    """A suite with those that it includes."""
    return _INCLUDE.sub(lambda found: _included(suite.with_name(found[1])), suite.read_text())


def _kept(text: str, keeps_raster: Callable[[str], bool]) -> Iterator[str]:
    end = 0
    for block in _BLOCK.finditer(text):
        yield text[end : block.start()]
        files = _FILE.findall(block[0])
        if all(keeps_raster(Path(name).name) for name in files if name.endswith(".pwg")):
            yield block[0]
        end = block.end()
    yield text[end:]


def _pdf(sample: Path) -> None:
    size = A4 if "a4" in sample.name else LETTER
    sample.write_bytes(one_page_pdf(*_PAGE, _FONT, size))


def _postscript(sample: Path) -> None:
    sample.write_text(
        "%!PS-Adobe-3.0\n%%Pages: 1\n%%EndComments\n%%Page: 1 1\n"
        "/Helvetica findfont 24 scalefont setfont 72 500 moveto (Sample) show showpage\n%%EOF\n"
    )


def _jpeg(sample: Path) -> None:
    mode = "RGB" if "color" in sample.name else "L"
    Image.new(mode, (_SIDE, _SIDE), "gray").save(sample)


def _raster(sample: Path) -> None:
    """Samples have one small page, but for `document-…`, which has two."""
    said = _RASTER.fullmatch(sample.stem)
    assert said is not None, sample
    bits, colors = int(said["bits"]), said["colors"]
    rows = [b"\x55" * (_SIDE * COMPONENTS.get(colors, 3) * bits // 8)] * _SIDE
    page = Picture(_SIDE, rows, colors, bits, int(said["dpi"]))
    sample.write_bytes(pwg_raster([page] * (2 if said["name"].startswith("document") else 1)))


_MAKERS = {".pdf": _pdf, ".ps": _postscript, ".jpg": _jpeg, ".pwg": _raster}
