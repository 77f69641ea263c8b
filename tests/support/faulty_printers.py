"""Printers whose way to the cloud can break, and documents to print there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
from collections.abc import Iterator

import pikepdf

from printer_site import PrinterSite
from tcp_proxy import TcpProxy


def inventory(*devices: str) -> str:
    """The inventory of a cloud with these devices at Paris."""
    places = '[[company]]\nid = "Acme"\n[[location]]\ncompany = "Acme"\nid = "Paris"\n'
    device = '[[device]]\ncompany = "Acme"\nlocation = "Paris"\nid = "{0}"\nname = "{0}"\n'
    return places + "".join(f'{device.format(each)}type = "file"\n' for each in devices)


@contextlib.contextmanager
def faulty_printers(
    settings: str = "", devices: tuple[str, ...] = ("Laser1",)
) -> Iterator[tuple[PrinterSite, TcpProxy]]:
    """A service that offers these devices, and its line to the cloud."""
    site = PrinterSite(settings, inventory(*devices))
    with TcpProxy(site.server) as line:
        site.server = line.name
        with site:
            yield site, line


def pdf(size_bytes: int, seed: str) -> bytes:
    """A document of one page with noise, which differs by its seed."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        noise = random.Random(seed).randbytes(size_bytes)
        document.pages[0].obj.PieceInfo = document.make_indirect(pikepdf.Stream(document, noise))
        document.save(made, deterministic_id=True)
    return made.getvalue()


def printed(site: PrinterSite, data: bytes) -> int:
    """How often the cloud got a document."""
    digest = hashlib.sha256(data).hexdigest()
    return sum(job["sha256"] == digest for job in site.cloud.jobs())
