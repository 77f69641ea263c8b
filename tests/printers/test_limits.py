"""What a conversion may use."""

from __future__ import annotations

import os
import resource
import signal
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.ipp.values import Range
from cirrus_bridge.ipp_server.documents.conversion import Wanted, convert
from cirrus_bridge.ipp_server.documents.limits import Limits, limited

MIB = 1 << 20


def _in_a_process(work: Callable[[], None]) -> int:
    """Do work in a child; return its exit status, or the negative signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BadDocument:
            status = 3
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.attacker("network")
def test_memory() -> None:
    """Print a document that needs gigabytes of memory: the job is refused, and others go on."""

    def work() -> None:
        with limited(Limits(memory_bytes=64 * MIB)):
            bytearray(256 * MIB)

    assert _in_a_process(work) == 3


@pytest.mark.attacker("network")
def test_files(tmp_path: Path) -> None:
    """Print a document that becomes a huge file: the job is refused, and the disk stays free."""

    def work() -> None:
        with limited(Limits(file_bytes=MIB)), (tmp_path / "made").open("wb") as file:
            file.write(bytes(2 * MIB))

    assert _in_a_process(work) == 3
    assert (tmp_path / "made").stat().st_size <= MIB


@pytest.mark.attacker("network")
def test_processor_time() -> None:
    """Print a document that takes forever to convert: the run is ended."""

    def work() -> None:
        with limited(Limits(cpu_s=0)):
            while True:
                pass

    assert _in_a_process(work) == -signal.SIGXCPU


def _pdf_with(parts: Iterable[bytes], size_bytes: int, folder: Path) -> Path:
    """A PDF of two pages whose first page draws a stream of some bytes, as they are in the file."""
    path = folder / "document.pdf"
    head = (
        "%PDF-1.5\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        "2 0 obj<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 5 0 R>>endobj\n"
        "4 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
        f"5 0 obj<</Length {size_bytes}>>stream\n"
    )
    with path.open("wb") as file:
        file.write(head.encode())
        file.writelines(parts)
        file.write(b"\nendstream endobj\ntrailer<</Root 1 0 R/Size 6>>\n%%EOF\n")
    return path


@pytest.mark.parametrize("page", [1, 2])
def test_a_large_pdf(page: int, tmp_path: Path) -> None:
    """200 MB are cut to a page within the limits."""
    piece = os.urandom(MIB)
    source = _pdf_with([piece] * 200, 200 * MIB, tmp_path)
    wanted = Wanted(page_ranges=(Range(page, page),))

    def work() -> None:
        with limited(Limits().of_document(source.stat().st_size)):
            made = convert(source, tmp_path, "application/pdf", wanted)
        assert (made.stat().st_size > 200 * MIB) is (page == 1)

    assert _in_a_process(work) == 0


@pytest.mark.attacker("network")
def test_a_pdf_bomb(tmp_path: Path) -> None:
    """Print a small PDF whose objects become gigabytes while it is read: the job is refused."""
    packer = zlib.compressobj(1)
    begin = b"2 0 <</Type/Pages/Count 1/Kids[3 0 R]>>"
    pieces = [begin, *(bytes(MIB) for _ in range(600))]
    packed = b"".join([*map(packer.compress, pieces), packer.flush()])
    catalog = b"%PDF-1.5\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    # free, at a place in the file, in the stream, free, at a place in the file (ISO 32000-1, 7.5.8)
    table = bytes([0, 0, 0, 1, 9, 0, 2, 4, 0, 0, 0, 0, 1, len(catalog), 0])
    body = b"".join(
        [
            catalog,
            b"4 0 obj<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>" % len(packed),
            b"stream\n" + packed + b"\nendstream endobj\n",
        ]
    )
    source = tmp_path / "bomb.pdf"
    source.write_bytes(
        body
        + b"5 0 obj<</Type/XRef/W[1 1 1]/Index[0 5]/Size 6/Root 1 0 R/Length 15>>stream\n"
        + table
        + b"\nendstream endobj\nstartxref\n%d\n%%%%EOF\n" % len(body)
    )

    def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(BadDocument), limited(Limits(memory_bytes=256 * MIB)):
            convert(source, tmp_path, "application/pdf", Wanted())
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown * 1024 < 256 * MIB

    assert _in_a_process(work) == 0


def test_the_limits_end() -> None:
    """The upload has the limits from before."""
    names = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE)
    before = [resource.getrlimit(name) for name in names]
    with limited(Limits()):
        assert [resource.getrlimit(name) for name in names] != before
    assert [resource.getrlimit(name) for name in names] == before
