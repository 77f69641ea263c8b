"""The number of pages in TIFF files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.cups import tiff
from images import tiff as tiff_of

BIG = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16)
BIG_PAGE = struct.pack("<Q20s", 1, b"")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("pages", [1, 3])
def test_pages(tmp_path: Path, order: str, pages: int) -> None:
    """Each directory of the file is a page."""
    (tmp_path / "x").write_bytes(tiff_of(pages, order))
    assert tiff.pages(tmp_path / "x") == pages


def test_big_tiff(tmp_path: Path) -> None:
    """BigTIFF has offsets of eight bytes."""
    two = BIG + BIG_PAGE + struct.pack("<Q", 16 + len(BIG_PAGE) + 8) + BIG_PAGE + bytes(8)
    (tmp_path / "x").write_bytes(two)
    assert tiff.pages(tmp_path / "x") == 2


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        (b"", 0),
        (b"%PDF-1.4", 0),
        (tiff_of(2)[:-121], 1),
        (struct.pack("<2sHIHI", b"II", 42, 8, 0, 8), tiff.MOST_PAGES),
    ],
    ids=["empty", "other", "cut off", "endless"],
)
def test_damaged(tmp_path: Path, data: bytes, pages: int) -> None:
    """A damaged file has the pages that begin in it; a circle of directories ends."""
    (tmp_path / "x").write_bytes(data)
    assert tiff.pages(tmp_path / "x") == pages
    assert tiff.pages(tmp_path / "missing") == 0


@given(st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]), st.binary(max_size=60))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, magic: bytes, data: bytes) -> None:
    """Any file has a number of pages."""
    path = tmp_path_factory.getbasetemp() / "any.tif"
    path.write_bytes(magic + data)
    assert 0 <= tiff.pages(path) <= tiff.MOST_PAGES
