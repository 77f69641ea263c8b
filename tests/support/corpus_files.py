"""A small corpus: documents of the kinds that print systems get wrong.

The project makes each of them itself: PDF by pypdf, JPEG and PWG raster by Ghostscript.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from pypdf import PdfReader, PdfWriter, Transformation

from images import png, tiff
from one_page_pdf import one_page_pdf

POINTS_PER_MM = 72 / 25.4
A4, A5, LETTER, LABEL, ENVELOPE = (
    (595.0, 842.0), (420.0, 595.0), (612.0, 792.0), (62 * POINTS_PER_MM, 29 * POINTS_PER_MM),
    (220 * POINTS_PER_MM, 110 * POINTS_PER_MM),
)  # fmt: skip
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
_UEL = b"\x1b%-12345X"  # PJL's Universal Exit Language

# Charset (Python's name) → a line of text in it.
CHARSETS: Mapping[str, str] = {
    "ascii": "The quick brown fox jumps over the lazy dog.",
    "utf-8": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 10\u00a0€",
    "utf-8-sig": "Le cœur déçu mais l’âme plutôt naïve, Louÿs rêva de crapaüter.",
    "utf-16": "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia.",
    "iso-8859-1": "Falsches Üben von Xylophonmusik quält jeden größeren Zwerg.",
    "iso-8859-2": "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "windows-1252": "“Voilà” – 10 € déjà dépensés, où ça ?",
    "koi8-r": "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "iso-8859-7": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "shift_jis": "いろはにほへと ちりぬるを わかよたれそ つねならむ",
    "gb18030": "我能吞下玻璃而不伤身体。天地玄黄，宇宙洪荒。",
}

NO_DSC = b"""%!
/page { /Times-Roman findfont 40 scalefont setfont 72 600 moveto show showpage } def
(one) page (two) page (three) page
"""
CONFORMING = b"""%!PS-Adobe-3.0
%%Pages: 2
%%BoundingBox: 0 0 595 842
%%EndComments
%%Page: 1 1
/Helvetica findfont 30 scalefont setfont 72 700 moveto (First) show showpage
%%Page: 2 2
/Helvetica findfont 30 scalefont setfont 72 700 moveto (Second) show showpage
%%EOF
"""
FIGURE = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 200 100
%%EndComments
0.5 setgray 10 10 180 80 rectfill
%%EOF
"""


def make(folder: Path) -> list[Path]:
    """Make the documents in a folder."""
    plain = one_page_pdf(b"BT /F1 48 Tf 72 700 Td (Plain) Tj ET", "Font", _FONT)
    made = {
        "plain.pdf": plain,
        "no-dsc.ps": NO_DSC,
        "conforming.ps": CONFORMING,
        "ctrl-d.ps": b"\x04" + CONFORMING + b"\x04",
        "pjl.ps": _UEL + b"@PJL ENTER LANGUAGE=POSTSCRIPT\r\n" + CONFORMING + _UEL,
        "figure.eps": FIGURE,
        "figure-showpage.eps": FIGURE.replace(b"%%EOF", b"showpage\n%%EOF"),
        "small.png": png(),
        "one.tif": tiff(1),
        "three.tif": tiff(3),
    }
    made |= {f"{name}.txt": f"{text}\n".encode(name) for name, text in CHARSETS.items()}
    for name, data in made.items():
        (folder / name).write_bytes(data)
    _write_pdfs(folder)
    _rasterize(folder / "plain.pdf", folder / "photo.jpg", "jpeg")
    _rasterize(folder / "plain.pdf", folder / "phone.pwg", "pwgraster")
    return sorted(folder.iterdir())


def _write_pdfs(folder: Path) -> None:
    plain = PdfReader(folder / "plain.pdf").pages[0]
    for name, sizes in {
        "zero-pages.pdf": [],
        "label.pdf": [LABEL],
        "envelope.pdf": [ENVELOPE],
        "mixed.pdf": [A4, A5[::-1], LETTER, A4[::-1]],
    }.items():
        writer = PdfWriter()
        for width, height in sizes:
            page = writer.add_blank_page(width, height)
            page.merge_transformed_page(plain, Transformation().scale(width / 595, height / 842))
        writer.write(folder / name)
    turned = PdfWriter()
    for degrees in (0, 90, 180, 270):
        turned.add_page(plain).rotate(degrees)
    turned.write(folder / "turned.pdf")
    # the first opens without a password, and only changing it needs one
    for name, password in {"protected.pdf": "", "locked.pdf": "secret"}.items():
        writer = PdfWriter()
        writer.add_page(plain)
        writer.encrypt(password, "owner", algorithm="RC4-128")
        writer.write(folder / name)


def _rasterize(pdf: Path, path: Path, device: str) -> None:
    command = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-r60", f"-sDEVICE={device}"]
    subprocess.run([*command, f"-o{path}", pdf], check=True, capture_output=True, timeout=60)
