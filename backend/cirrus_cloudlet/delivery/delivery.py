"""One delivery: what the ways of delivering share.

A way of delivering gets a `Delivery` and either returns, which means that the document has
arrived, or raises `Undelivered`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cirrus_cloudlet.inventory.inventory import Device
from cirrus_cloudlet.inventory.tags import safe
from cirrus_cloudlet.storage.jobs import Job


class Undelivered(Exception):
    """It did not arrive; says why. `again`: trying it again can do no harm."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job, its device, and the document's file.

    Args:
        props: the job's, over the device's own.
        folder: where relative targets begin.
        aim: called with the target (and the file's path) before anything is sent there.
        stopping: whether the server is about to end.
    """

    job: Job
    device: Device
    document: Path
    props: Mapping[str, str]
    folder: Path
    aim: Callable[[str, str | None], None]
    stopping: Callable[[], bool]

    def tags(self) -> dict[str, str]:
        """The values of the target's tags, each safe as a part of a file name."""
        values = {
            "jobid": self.job.id,
            "title": self.job.title,
            "location": self.job.location,
            "device": self.job.device,
            "ext": self.job.format,
            "date": time.strftime("%Y-%m-%d", time.localtime(self.job.submitted)),
        }
        return {name: safe(value) for name, value in values.items()}
