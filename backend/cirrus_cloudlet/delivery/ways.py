"""What all deliveries have in common, and the delivery to a command.

A way of delivering returns a message when the document has arrived, or raises `DeliveryFault`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cirrus_cloudlet.inventory.inventory import Device
from cirrus_cloudlet.inventory.tags import make_safe, substitute
from cirrus_cloudlet.storage.jobs import Job

JOB_WAITS = "the job waits until somebody delivers it again"
_TIME_LIMIT_S = 600.0
_POLL_S = 0.05
_MESSAGE_CHARACTERS = 300


class DeliveryFault(Exception):
    """The document did not arrive; the text gives the cause. `again`: a retry is harmless."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job, its device, and the document's file."""

    job: Job
    device: Device
    document: Path  # in the charset of the device
    props: Mapping[str, str]  # of the job, over the device's defaults
    folder: Path  # the base of relative targets
    aim: Callable[[str, str | None], None]  # gets target and path before anything is sent there
    stopping: Callable[[], bool]
    mark: str = ""  # by which a printer can tell later whether it has the job

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


def deliver_command(delivery: Delivery) -> str:
    """Run the device's command with the document on its standard input; return no message.

    No shell is involved, and tags are replaced after the command line is split into words. So no
    text of a job becomes another word, option or command. A command that runs too long or
    outlives the server is killed, with every process that it started.
    """
    values = {**delivery.tags(), "file": str(delivery.document)}
    words = [substitute(word, values) for word in shlex.split(delivery.device.target)]
    props = {
        "CIRRUS_PROP_" + re.sub(r"[^A-Z0-9_]", "_", name.upper()): value
        for name, value in delivery.props.items()
    }
    delivery.aim(shlex.join(words), None)
    with tempfile.TemporaryFile() as errors, delivery.document.open("rb") as document:
        try:
            process = subprocess.Popen(
                words,
                stdin=document,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # not the delivery folder: a program may load files from where it runs
                cwd=delivery.folder.parent,
                env=os.environ | props,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise DeliveryFault(f"{words[0]}: {error}; {JOB_WAITS}", again=False) from error
        _wait(process, delivery)
        if process.returncode:
            said = _last_line(errors) or f"exit status {process.returncode}"
            raise DeliveryFault(f"{Path(words[0]).name}: {said}; {JOB_WAITS}", again=False)
    return ""


def _wait(process: subprocess.Popen[bytes], delivery: Delivery) -> None:
    until = time.monotonic() + _TIME_LIMIT_S
    while process.poll() is None:
        late = time.monotonic() > until
        if late or delivery.stopping():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            why = f"took more than {_TIME_LIMIT_S:.0f} s" if late else "interrupted by a stop"
            raise DeliveryFault(f"{why}; {JOB_WAITS}", again=False)
        time.sleep(_POLL_S)


def _last_line(errors: BinaryIO) -> str:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")[:_MESSAGE_CHARACTERS]
    return "".join(character if character.isprintable() else " " for character in last)
