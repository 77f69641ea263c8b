"""Run a program on an untrusted document in a sandbox, with limits on all resources.

Bubblewrap gives the program no network, no other process, no writable place, and no files but
programs and fonts. Without bubblewrap nothing is run.

Its standard input is a pipe with the document. Other processes of the program's user may open its
files again through /proc, and read its memory. So if root runs the server, the program has its own
user.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from cirrus_cloudlet.translation import marked

WAIT_S = 15.0
_CPU_S = 10
_MEMORY_BYTES = 512 * 1024**2
_OUTPUT_BYTES = 16 * 1024**2
_USER = 65533  # of nobody else: unused by https://systemd.io/UIDS-GIDS and Debian's policy, 9.2.2
_TOO_LONG = marked("the document takes too long")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_READABLE = ("/usr", "/lib", "/lib64", "/etc/fonts", "/var/cache/fontconfig")
_SANDBOX = (
    *("nice", "bwrap", "--disable-userns", "--cap-drop", "ALL"),
    # all namespaces that matter here, and that cirrus-cloudlet.service may make
    *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"),
    *("--uid", "65534", "--gid", "65534", "--die-with-parent", "--new-session"),
    *(word for path in _READABLE for word in ("--ro-bind-try", path, path)),
    *("--chdir", "/", "--remount-ro", "/"),
    # set within the sandbox: they limit this program alone, and --nproc=1 forbids children
    *("prlimit", "--nproc=1", "--nofile=32", "--core=0", f"--cpu={_CPU_S}"),
    *(f"--as={_MEMORY_BYTES}", f"--fsize={_OUTPUT_BYTES}"),
)


class SandboxFault(Exception):
    """The program failed; the text gives the cause, for people."""


def run_sandboxed(command: Sequence[str], document: Path, *, wait_s: float = WAIT_S) -> bytes:
    """Run a program with the document as standard input, and return its standard output.

    Raises:
        SandboxFault: the program cannot be run, fails, or reaches a limit.
    """
    user = _USER if os.geteuid() == 0 else None  # the program needs no root, even in the sandbox
    with _pipe_from(document) as source, tempfile.TemporaryFile() as output:
        try:
            status = subprocess.run(
                [*_SANDBOX, *command],
                stdin=source,
                stdout=output,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=() if user else None,
                timeout=wait_s,  # at the end of bubblewrap the kernel ends the whole sandbox
            ).returncode
        except OSError as error:
            raise SandboxFault(f"cannot start bubblewrap ({error.strerror})") from error
        except subprocess.TimeoutExpired:
            raise SandboxFault(_TOO_LONG) from None
        if status:
            raise SandboxFault(_cause(status))
        output.seek(0)
        return output.read()


@contextlib.contextmanager
def _pipe_from(document: Path) -> Iterator[int]:
    """Yield the reading end of a pipe, which gets the document while the block runs."""
    with document.open("rb") as source:
        reader, writer = os.pipe()
        feeder = threading.Thread(target=_feed, args=(source, os.fdopen(writer, "wb")))
        feeder.start()
        try:
            yield reader
        finally:
            os.close(reader)  # the feeder ends with EPIPE if the program has not read everything
            feeder.join()


def _feed(source: BinaryIO, pipe: BinaryIO) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:
        shutil.copyfileobj(source, pipe, 1024 * 1024)


def _cause(status: int) -> str:
    # bubblewrap reports a signal as a shell does: 128 + its number
    number = -status if status < 0 else status - 128
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return _TOO_LONG
    if number == signal.SIGXFSZ:
        return marked("the page image is too large")
    return marked("the document is damaged, protected or too large")
