"""What a conversion may use."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadDocument
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


def test_the_limits_end() -> None:
    """The upload has the limits from before."""
    names = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE)
    before = [resource.getrlimit(name) for name in names]
    with limited(Limits()):
        assert [resource.getrlimit(name) for name in names] != before
    assert [resource.getrlimit(name) for name in names] == before
