"""Programs that are run, for a change or to read them: with no shell, no input, in limited time.

A program that takes too long is ended together with what it has started. One that ends by itself
may leave others behind, as scripts do that start something in the background.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence


class ProgramFailed(Exception):
    """A program could not be started, took too long, or says that it failed; the text says why.
    Whoever starts one knows what to make of it."""


def run_program(command: Sequence[str], environ: Mapping[str, bytes], *, limit_s: float) -> None:
    """Run a program to its end. Its standard error is ours.

    Raises:
        ProgramFailed.
    """
    try:
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ProgramFailed(f"cannot be started: {why}") from error
    try:
        status = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise ProgramFailed(f"took more than {limit_s:g} s and was ended") from None
    if status < 0:
        raise ProgramFailed(f"was ended by signal {-status}")
    if status:
        raise ProgramFailed(f"failed with exit status {status}")


def read_program(command: Sequence[str], *, limit_s: float) -> bytes:
    """What a program writes to its standard output.

    Raises:
        ProgramFailed.
    """
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"took more than {limit_s:g} s and was ended") from None
    except OSError as error:
        raise ProgramFailed(f"cannot be started: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ProgramFailed(f"failed with exit status {done.returncode}: {said}")
    return done.stdout
