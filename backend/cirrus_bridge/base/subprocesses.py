"""Child processes without a shell, without input, and with a time limit.

`run_program` and `output_of` kill a late program with its process group (setsid(2)). A program that
ends in time may leave background processes behind.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Mapping, Sequence

from cirrus_bridge.base.clock import Clock

_OUTPUT_BYTES = 16 * 1024 * 1024


class ProgramFailed(Exception):
    """A program that could not be started, took too long or failed; the text is the reason."""


def run_program(command: Sequence[str], environ: Mapping[str, bytes], *, limit_s: float) -> None:
    """Run a program to its end, with nothing but `environ` in its environment. The program shares
    the standard error of this process. Raises ProgramFailed if the program cannot be started, takes
    too long, or does not exit with 0."""
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
    """The standard output of a program. Limit and errors are those of `run_program`."""
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


def output_of(
    command: Sequence[str], *, limit_s: float, most_bytes: int = _OUTPUT_BYTES
) -> tuple[int, str, str]:
    """The exit status, standard output and standard error of a program, whatever the status. The
    program does not outlive the call.

    Raises:
        TimeoutError: the program took more than `limit_s`, and was ended.
        ProgramFailed: the program cannot be started, or wrote more than `most_bytes` and was ended.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramFailed(f"cannot be started: {error.strerror}") from error
    clock = Clock()
    until_s = clock.monotonic_s() + limit_s
    with process:
        try:
            out, complaint = _read_outputs(process, clock, until_s, most_bytes)
            process.wait(max(0.0, until_s - clock.monotonic_s()))
        except BaseException as error:  # also a stop of this process, which must not wait
            # its children, too: they may have its output open
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, _TooMuch):
                raise ProgramFailed(f"wrote more than {most_bytes} bytes and was ended") from None
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError(f"took more than {limit_s:g} s and was ended") from None
            raise
    return process.returncode, out.decode("utf-8", "replace"), complaint.decode("utf-8", "replace")


class _TooMuch(Exception):
    pass


def _read_outputs(
    process: subprocess.Popen[bytes], clock: Clock, until_s: float, most_bytes: int
) -> tuple[bytes, bytes]:
    """Read both outputs to their ends.

    Raises:
        TimeoutExpired: `until_s`, a time of the monotonic clock, has come.
        _TooMuch: one of the outputs has more than `most_bytes`.
    """
    found = {output: bytearray() for output in (process.stdout, process.stderr) if output}
    with selectors.DefaultSelector() as selector:
        for output in found:
            selector.register(output, selectors.EVENT_READ)
        while selector.get_map():
            left_s = until_s - clock.monotonic_s()
            if left_s <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _ in selector.select(left_s):
                piece = os.read(key.fd, 64 * 1024)
                if not piece:
                    selector.unregister(key.fileobj)
                read = next(each for output, each in found.items() if output is key.fileobj)
                read += piece
                if len(read) > most_bytes:
                    raise _TooMuch
    out, complaint = map(bytes, found.values())
    return out, complaint
