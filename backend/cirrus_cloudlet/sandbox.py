"""Run a program on a stranger's document: shut in, and with limits on all that it can use up.

Bubblewrap shuts it in: no network, no other process, none of this machine's files but its
programs and fonts, nothing to write to. The document is its standard input. Where that can not
be had, nothing is run at all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

WAIT_S = 15.0
_CPU_S = 10
_MEMORY_BYTES = 512 * 1024**2
_OUTPUT_BYTES = 16 * 1024**2
_NOBODY = 65534
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_READABLE = ("/usr", "/lib", "/lib64", "/etc/fonts", "/var/cache/fontconfig")
_SHUT_IN = (
    *("nice", "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
    *("--die-with-parent", "--new-session"),
    *(word for path in _READABLE for word in ("--ro-bind-try", path, path)),
    *("--chdir", "/", "--remount-ro", "/"),
    # within, where they hold for nothing else: the program can not start another, either
    *("prlimit", "--nproc=1", "--nofile=32", "--core=0", f"--cpu={_CPU_S}"),
    *(f"--as={_MEMORY_BYTES}", f"--fsize={_OUTPUT_BYTES}"),
)


class SandboxFault(Exception):
    """The program did not do it; the text says why, for people."""


def run_shut_in(command: Sequence[str], document: Path, *, wait_s: float = WAIT_S) -> bytes:
    """What the program writes to its standard output, with the document as its standard input.

    Raises:
        SandboxFault: it can not be run, fails, or reaches a limit.
    """
    as_nobody = os.geteuid() == 0  # within the walls, too, root would be more than is needed
    with document.open("rb") as source, tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                [*_SHUT_IN, *command],
                stdin=source,
                stdout=output,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
                user=_NOBODY if as_nobody else None,
                group=_NOBODY if as_nobody else None,
                extra_groups=() if as_nobody else None,
            )
        except OSError as error:
            raise SandboxFault(f"it can not be started: {error.strerror}") from error
        try:
            status = process.wait(wait_s)
        except subprocess.TimeoutExpired:
            raise SandboxFault("it takes too long") from None
        finally:
            _end(process)
        if status:
            raise SandboxFault(_why(status))
        output.seek(0)
        return output.read()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _why(status: int) -> str:
    # bubblewrap says that its program was ended by a signal as a shell does
    number = -status if status < 0 else status - 128
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return "it takes too long"
    return (
        "it is too large" if number == signal.SIGXFSZ else "it is damaged, protected or too large"
    )
