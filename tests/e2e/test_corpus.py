"""The small corpus comes out of each driver as of CUPS's own driver for the same language."""

from __future__ import annotations

from pathlib import Path

import pytest

import corpus_files
from corpus import Corpus
from print_site import PrintSite

_ONE_OF_EACH = ["plain.pdf", "conforming.ps", "small.png", "utf-8.txt", "mixed.pdf"]
# language → patterns of files
_PRINTED = {
    "pdf": ["*.pdf", "*.ps", "figure-showpage.eps", "*.tif", "p*.*g", "iso-8859-2.txt"],
    "ps": ["*.pdf", "*.ps", "*.eps", "three.tif", "small.png", "utf-8.txt"],
    "pcl6": _ONE_OF_EACH,
    "pcl": _ONE_OF_EACH,
    "txt": ["*.txt"],
}
# CUPS's own PDF driver makes an empty page; ours holds the job with a message
_BETTER = {("zero-pages.pdf", "pdf")}


@pytest.fixture(scope="module")
def corpus(site: PrintSite) -> Corpus:
    """Queues of both kinds."""
    return Corpus(site)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The small corpus."""
    return corpus_files.make(tmp_path_factory.mktemp("corpus"))


@pytest.mark.sampled(language=["pdf"])
@pytest.mark.parametrize("language", _PRINTED)
def test_as_with_the_driver_of_cups(corpus: Corpus, files: list[Path], language: str) -> None:
    """Pages, their sizes, their pictures and the counted sheets are the same."""
    for file in files:
        if any(file.match(pattern) for pattern in _PRINTED[language]):
            (comparison,) = corpus.compare(file, [language])
            is_better = (file.name, language) in _BETTER
            assert bool(comparison.differences) is is_better, comparison


@pytest.mark.sampled
@pytest.mark.parametrize("language", ["pdf", "ps"])
@pytest.mark.parametrize(
    ("name", "options", "size", "differences"),
    [
        # CUPS's drivers have no sizes of one's own
        ("label.pdf", ["media=Custom.62x29mm"], "176×84", ["page size"]),
        ("envelope.pdf", ["media=EnvDL"], "312×624", []),
        ("mixed.pdf", ["fit-to-page", "number-up=2", "media=A5"], "420×596", []),
    ],
)
def test_on_other_paper(
    corpus: Corpus, files: list[Path], language: str,
    name: str, options: list[str], size: str, differences: list[str],
) -> None:  # fmt: skip
    """Labels, envelopes and pages of mixed sizes have the paper that was asked for."""
    (file,) = (each for each in files if each.name == name)
    (comparison,) = corpus.compare(file, [language], options)
    assert comparison.differences == differences
    assert comparison.ours.sizes == size
