"""Limits of a conversion, so that no document takes the machine from other jobs (getrlimit(2)).

The limits end with the conversion: an upload may take as long as it must. Programs that convert
inherit them.
"""

from __future__ import annotations

import contextlib
import errno
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.ipp_server.documents.raster import too_large

_MIB = 1 << 20
_PAGES = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one conversion. A process beyond `cpu_s` gets SIGXCPU, which ends it.

    Attributes:
        cpu_s: of this process and of each program.
        memory_bytes: on top of what this process has already.
        file_bytes: of each file.
    """

    cpu_s: int = 120
    memory_bytes: int = 1024 * _MIB
    file_bytes: int = 1024 * _MIB

    def of_document(self, size_bytes: int) -> Limits:
        """The limits for a document of a size."""
        return Limits(
            self.cpu_s + 2 * (size_bytes // _MIB),
            self.memory_bytes,
            self.file_bytes + 4 * size_bytes,
        )


@contextlib.contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Limit this process.

    Raises:
        BadDocument: the block needs more memory, or larger files.
    """
    own_bytes = int(_PAGES.read_text().split()[0]) * resource.getpagesize()
    wanted = {
        resource.RLIMIT_CPU: int(Clock().cpu_s()) + 1 + limits.cpu_s,
        resource.RLIMIT_AS: own_bytes + limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
    }
    before = {which: resource.getrlimit(which) for which in wanted}
    for which, most in wanted.items():
        resource.setrlimit(which, (_least(most, *before[which]), before[which][1]))
    try:
        yield
    except MemoryError as error:
        raise too_large(f"needs more than {limits.memory_bytes} bytes of memory") from error
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise too_large(f"needs more than {limits.file_bytes} bytes of a file") from error
    finally:
        for which, limit in before.items():
            resource.setrlimit(which, limit)


def _least(*limits: int) -> int:
    return min(each for each in limits if each != resource.RLIM_INFINITY)
