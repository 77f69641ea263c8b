"""One delivery: what the ways of delivering share.

A way of delivering takes a `Delivery`. It returns when the document has arrived, or raises
`DeliveryFault`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cirrus_cloudlet.inventory.inventory import Device
from cirrus_cloudlet.inventory.tags import make_safe
from cirrus_cloudlet.storage.jobs import Job


class DeliveryFault(Exception):
    """The document did not arrive; the text gives the cause. `again`: a retry is harmless."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job, its device, and the document's file.

    Args:
        props: the job's properties, over the device's defaults.
        folder: the base of relative targets.
        aim: called with the target (and the file's path) before anything is sent there.
        stopping: tells whether the server is stopping.
    """

    job: Job
    device: Device
    document: Path
    props: Mapping[str, str]
    folder: Path
    aim: Callable[[str, str | None], None]
    stopping: Callable[[], bool]

    def tags(self) -> dict[str, str]:
        """The values of the target's tags, each safe in a file name."""
        values = {
            "jobid": self.job.id,
            "title": self.job.title,
            "location": self.job.location,
            "device": self.job.device,
            "ext": self.job.format,
            "date": time.strftime("%Y-%m-%d", time.localtime(self.job.submitted)),
        }
        return {name: make_safe(value) for name, value in values.items()}
