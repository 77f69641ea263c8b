"""Deliver to the command in a device's target.

No shell is involved, and tags are replaced after the command line is split into words. So no
text of a job becomes another word, option or command. A command that runs too long or outlives
the server is killed, with every process that it started.
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
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cirrus_cloudlet.delivery.delivery import Delivery, DeliveryFault
from cirrus_cloudlet.delivery.queue import RETRY_ADVICE
from cirrus_cloudlet.inventory.tags import substitute

_TIME_LIMIT_S = 600.0
_POLL_S = 0.05
_MESSAGE_CHARACTERS = 300


def deliver_command(delivery: Delivery) -> str:
    """Run the command with the document on its standard input; return no message.

    Raises:
        DeliveryFault: the command cannot be started, fails, or takes too long.
    """
    values = {**delivery.tags(), "file": str(delivery.document)}
    words = [substitute(word, values) for word in shlex.split(delivery.device.target)]
    delivery.aim(shlex.join(words), None)
    with tempfile.TemporaryFile() as errors, delivery.document.open("rb") as document:
        try:
            process = subprocess.Popen(
                words,
                stdin=document,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=delivery.folder,
                env=os.environ | _environment(delivery.props),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise DeliveryFault(f"{words[0]}: {error}; {RETRY_ADVICE}", again=False) from error
        status = _wait(process, delivery)
        if status:
            said = _last_line(errors) or f"exit status {status}"
            raise DeliveryFault(f"{Path(words[0]).name}: {said}; {RETRY_ADVICE}", again=False)
    return ""


def _wait(process: subprocess.Popen[bytes], delivery: Delivery) -> int:
    """Wait for a process within the time limit, and return its exit status."""
    until = time.monotonic() + _TIME_LIMIT_S
    while process.poll() is None:
        late = time.monotonic() > until
        if late or delivery.stopping():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            why = f"took more than {_TIME_LIMIT_S:.0f} s" if late else "interrupted by a stop"
            raise DeliveryFault(f"{why}; {RETRY_ADVICE}", again=False)
        time.sleep(_POLL_S)
    return process.returncode


def _environment(props: Mapping[str, str]) -> dict[str, str]:
    return {
        "CIRRUS_PROP_" + re.sub(r"[^A-Z0-9_]", "_", name.upper()): value
        for name, value in props.items()
    }


def _last_line(errors: BinaryIO) -> str:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")[:_MESSAGE_CHARACTERS]
    return "".join(character if character.isprintable() else " " for character in last)
