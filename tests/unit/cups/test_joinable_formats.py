"""Formats that CUPS may join, by their first bytes."""

from __future__ import annotations

import gzip
import os

import pytest

from cirrus_bridge.cups.joinable_formats import HEAD_BYTES, can_be_joined, unpacked
from paths import WELCOME


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Text\r\n\twith tabs\f",
        "\ufeffΚείμενο\n".encode(),
        "Entrée\n".encode("latin-1"),
        b"%!PS-Adobe-3.0\n%%Title: a.pdf\n" + bytes(range(256)),
        b"\x04%!\n",
        b"\x1bE\x1b&l1X" + bytes(256),
        b"\x1b*rbC",
        b"\x1b%-12345X@PJL ENTER LANGUAGE = PCLXL\n) HP-PCL XL;2;0\n\xd1X",
        b"\x1b%-12345X@PJL ENTER LANGUAGE=PDF\n%PDF-1.7\n",
        b"\x1b@\x1b(R\x08\0\0REMOTE1",
        bytes(200) + b"\x1b@\x1biS",
        b"^XA^FDlabel^FS^XZ\n",
        b"IN;SP1;PU0,0;\n",
        b"text" * HEAD_BYTES + b"\0",
    ],
)
def test_joinable(head: bytes) -> None:
    """Text and streams of printer commands can be joined."""
    assert can_be_joined(head)


@pytest.mark.parametrize(
    "head",
    [
        WELCOME.read_bytes(),
        b"%PDF-1.4\n",
        b"\xef\xbb\xbf\r\n%PDF-1.4\n",
        b"x" * (HEAD_BYTES - 5) + b"%PDF-1.4\n",
        b"%!PS-Adobe-3.0 PDF-1.4\n",
        b"#PDF-BANNER\nTemplate default.pdf\n",
        b"#CUPS-BANNER\nShow job-id\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"II*\0\x08\0\0\0",
        b"MM\0*\0\0\0\x08",
        b"GIF89a\x01\0\x01\0\x80\0\0",
        b"RIFF\x24\0\0\0WEBPVP8 ",
        b"BM\x46\0\0\0\0\0\0\0",
        b"RaS2PwgRaster\0",
        b"UNIRAST\0\0\0\0\x01",
        b"3SaR\0\0\0\0",
        b"PK\x03\x04\x14\0\x06\0",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
        gzip.compress(b"text", mtime=0),
        b") HP-PCL XL;2;0\n\xd1X\x02X\x02",
        b"\xc5\xd0\xd3\xc6\x1e\0\0\0%!PS",
        "Text".encode("utf-16"),
        b"<?xml version='1.0'?>",
        b"\n<!DOCTYPE html>",
        b"<HTML>",
        b"{\\rtf1\\ansi",
        bytes(HEAD_BYTES),
    ],
)
def test_not_joinable(head: bytes) -> None:
    """PDF, pictures, office documents, page images, packed data and text with an end marker
    cannot be joined."""
    assert not can_be_joined(head)


@pytest.mark.parametrize("head", [b"", b"text", gzip.compress(b"text", mtime=0)])
def test_unpacked(head: bytes) -> None:
    """Data that is not packed stays as it is."""
    assert unpacked(head) == (b"text" if head else b"")


def test_unpacked_in_part() -> None:
    """The first part of a packed file is enough. Damaged data stays as it is."""
    assert unpacked(gzip.compress(b"text" + os.urandom(9000))[:5000])[:4] == b"text"
    assert unpacked(b"\x1f\x8b\xff" * 9) == b"\x1f\x8b\xff" * 9
