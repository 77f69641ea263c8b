"""Pictures of hostile documents, made by the real programs."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cirrus_cloudlet.storage.previews import MAX_PAGES, NoPicture, Previews, Size
from paths import WELCOME

Look = Callable[[bytes], Previews]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Previews of one document, `doc`."""

    def of(document: bytes) -> Previews:
        (tmp_path / "doc").write_bytes(document)
        return Previews(tmp_path, lambda name: tmp_path / name)

    return of


def _pdf(content: bytes, *, box: str = "0 0 100 100", pages: int = 1, more: bytes = b"") -> bytes:
    """Make a PDF whose pages all show `content`; poppler needs no table of its objects."""
    packed = zlib.compress(content)
    kids = " ".join(["3 0 R"] * pages)
    return b"".join([
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n",
        f"2 0 obj<</Type/Pages/Count {pages}/Kids[{kids}]>>endobj\n".encode(),
        f"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents 4 0 R".encode(),
        b"/Resources<</XObject<</F0 5 0 R>>>>>>endobj\n",
        f"4 0 obj<</Filter/FlateDecode/Length {len(packed)}>>stream\n".encode(),
        packed, b"\nendstream endobj\n", more,
        b"trailer<</Root 1 0 R>>\n%%EOF\n",
    ])  # fmt: skip


def _drawn_by_drawing(depth: int) -> bytes:
    """Make a page that draws a form ten times, which draws another ten times, and so on."""
    forms = []
    for level in range(depth):
        content = f"/F{level + 1} Do ".encode() * 10 if level < depth - 1 else b"0 0 9 9 re f "
        resources = f"<</XObject<</F{level + 1} {6 + level} 0 R>>>>"
        head = (
            f"{5 + level} 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 100 100]"
            f"/Resources{resources}/Length {len(content)}>>stream\n"
        )
        forms.append(head.encode() + content + b"\nendstream endobj\n")
    return _pdf(b"/F0 Do", more=b"".join(forms))


def test_a_page_as_a_picture(look: Look) -> None:
    """A picture has the wanted size for any page, and later views show the same picture."""
    previews = look(WELCOME.read_bytes())
    assert previews.outline("doc") is None
    small = previews.page("doc", 1, Size.SMALL)
    assert _pixels(small) == (340, 480)
    outline = previews.outline("doc")
    assert outline is not None
    assert (outline.pages, outline.problem) == (4, "")
    assert previews.page("doc", 1, Size.SMALL) == small
    assert _pixels(previews.page("doc", 4, Size.LARGE)) == (1132, 1600)
    for number in (0, 5):
        with pytest.raises(NoPicture):
            previews.page("doc", number, Size.SMALL)


def test_a_page_as_large_as_a_field(look: Look) -> None:
    """A huge page gives a picture of normal size."""
    previews = look(_pdf(b"0 0 9 9 re f", box="0 0 99999999 50000000"))
    assert max(_pixels(previews.page("doc", 1, Size.LARGE))) == 1600


def test_many_pages(look: Look) -> None:
    """Only the first pages of a long document are shown."""
    previews = look(_pdf(b"0 0 9 9 re f", pages=MAX_PAGES + 1))
    assert previews.page("doc", MAX_PAGES, Size.SMALL)
    with pytest.raises(NoPicture):
        previews.page("doc", MAX_PAGES + 1, Size.SMALL)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"%PDF-1.4 and no more", "damaged"),
        (b"", "damaged"),
        (_drawn_by_drawing(9), "too long"),
    ],
    ids=["no PDF", "empty", "a billion rectangles"],
)
def test_documents_that_cannot_be_shown(look: Look, document: bytes, why: str) -> None:
    """The cause is reported and kept, so the second view does not wait."""
    previews = look(document)
    with pytest.raises(NoPicture, match=why):
        previews.page("doc", 1, Size.SMALL)
    outline = previews.outline("doc")
    assert outline is not None
    assert outline.problem


def test_a_document_that_is_gone(look: Look, tmp_path: Path) -> None:
    """The sweep removes the pictures of a removed document, and keeps all others."""
    previews = look(WELCOME.read_bytes())
    previews.page("doc", 1, Size.SMALL)
    previews.sweep()
    assert (tmp_path / "previews" / "doc").exists()
    (tmp_path / "doc").unlink()
    previews.sweep()
    assert not (tmp_path / "previews" / "doc").exists()
    with pytest.raises(NoPicture, match="no longer kept"):
        previews.page("doc", 1, Size.SMALL)


def _pixels(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG")
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


@pytest.mark.parametrize(
    ("encoding", "ordering", "text"),
    [
        ("UniJIS-UCS2-H", "Japan1", "請求書"),
        ("UniGB-UCS2-H", "GB1", "发票"),
        ("UniCNS-UCS2-H", "CNS1", "發票"),
        ("UniKS-UCS2-H", "Korea1", "청구서"),
    ],
)
def test_fonts_that_are_not_in_the_document(
    look: Look, tmp_path: Path, encoding: str, ordering: str, text: str
) -> None:
    """A page in Chinese, Japanese or Korean has its text, with a font of this machine."""
    font = (
        f"5 0 obj<</Type/Font/Subtype/Type0/BaseFont/Unknown/Encoding/{encoding}"
        "/DescendantFonts[6 0 R]>>endobj\n"
        "6 0 obj<</Type/Font/Subtype/CIDFontType0/BaseFont/Unknown/FontDescriptor 7 0 R"
        f"/CIDSystemInfo<</Registry(Adobe)/Ordering({ordering})/Supplement 2>>>>endobj\n"
        "7 0 obj<</Type/FontDescriptor/FontName/Unknown/Flags 4/FontBBox[0 -200 1000 900]"
        "/ItalicAngle 0/Ascent 800/Descent -200/CapHeight 700/StemV 80>>endobj\n"
    ).encode()
    shown = f"BT /F0 20 Tf 10 40 Td <{text.encode('utf-16-be').hex()}> Tj ET".encode()
    pictures = []
    for content in (shown, b""):
        document = _pdf(content, more=font).replace(b"/XObject<<", b"/Font<<", 1)
        pictures.append(look(document).page("doc", 1, Size.SMALL))
        shutil.rmtree(tmp_path / "previews")
    with_text, blank = pictures
    assert len(with_text) > 2 * len(blank)
