"""The limits of the real sandbox for programs that read untrusted documents."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cirrus_cloudlet.sandbox import SandboxFault, run_sandboxed


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A document."""
    path = tmp_path / "document"
    path.write_bytes(b"what it says")
    path.chmod(0o600)
    return path


def _python(text: str) -> list[str]:
    return ["/usr/bin/python3", "-I", "-S", "-c", text]


def test_it_reads_and_writes(document: Path) -> None:
    """A program reads the document, and its output is returned."""
    assert run_sandboxed(["tr", "a-z", "A-Z"], document) == b"WHAT IT SAYS"


def test_a_large_document(document: Path) -> None:
    """A document larger than the pipe arrives unchanged, and the program need not read it all."""
    document.write_bytes(b"line of a document\n" * 600_000)
    assert run_sandboxed(["wc", "-c"], document).split() == [b"11400000"]
    assert run_sandboxed(["head", "-c", "4"], document) == b"line"


@pytest.mark.attacker("local account")
def test_another_process_opens_what_the_program_reads(document: Path) -> None:
    """Open a document through the program that makes its page image: access is denied."""
    document.chmod(0o644)  # the pipe alone has to protect the document
    program = _python(f"import signal; signal.pause()  # {document}")

    def show() -> None:
        with pytest.raises(SandboxFault):
            run_sandboxed(program, document)

    shown = threading.Thread(target=show)
    shown.start()
    pid = _find(program)
    for attack in (
        f"open('/proc/{pid}/fd/0', 'rb')",
        f"open('/proc/{pid}/fd/0', 'r+b')",
        f"open('/proc/{pid}/mem', 'rb')",
        "import ctypes, os\n"
        f"if ctypes.CDLL(None).syscall(438, os.pidfd_open({pid}), 0, 0) < 0:  # pidfd_getfd(2)\n"
        "    raise PermissionError",
    ):
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *_python(attack)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "PermissionError" in done.stderr
    os.kill(pid, signal.SIGKILL)
    shown.join()


def _find(program: list[str]) -> int:
    """Wait for the process of a program, and return its id."""
    wanted = "\0".join([*program, ""]).encode()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.read_bytes() == wanted:
                    return int(path.parent.name)
            except (FileNotFoundError, ProcessLookupError):
                continue
        time.sleep(0.02)
    raise AssertionError("the program does not run")


@pytest.mark.attacker("print key")
@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("open('/etc/passwd')", "ENOENT"),
        ("open({document!r})", "ENOENT"),
        ("open('/proc/1/environ')", "ENOENT"),
        ("open('/new', 'w')", "EROFS"),
        ("open('/usr/new', 'w')", "EROFS"),
        ("open('/dev/shm/new', 'w')", "ENOENT"),
        (
            "socket.create_connection(('127.0.0.1', {port}), 5)",
            "ECONNREFUSED",
        ),  # the sandbox has its own loopback interface
        ("os.fork()", "EAGAIN"),
        ("os.setuid(0)", "EINVAL"),
        ("os.kill({pid}, 0)", "ESRCH"),
    ],
)
def test_nothing_else_is_within_reach(document: Path, text: str, refusal: str) -> None:
    """Take over the program for page images with a document: nothing else is within reach.

    A program reaches no file, writable place, network, process or other user.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        own = {"document": str(document), "port": server.getsockname()[1], "pid": os.getpid()}
        program = (
            f"import errno, os, socket\ntry: {text.format(**own)}\n"
            "except OSError as error: print(errno.errorcode[error.errno], end='')"
        )
        assert run_sandboxed(_python(program), document).decode() == refusal


def test_the_program_runs_without_rights(document: Path) -> None:
    """A program sees itself as nobody, and gets no environment of the server."""
    told = run_sandboxed(_python("import os; print(os.getuid(), len(os.environ))"), document)
    uid, variables = map(int, told.split())
    assert uid == 65534
    assert variables <= 4  # nothing of this process's environment


@pytest.mark.attacker("print key")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("bytearray(1024**3)", "too large"),
        ("import sys\nwhile True: sys.stdout.write('x' * 10**6)", "too large"),
        ("import time; time.sleep(60)", "too long"),
    ],
    ids=["memory", "output", "time"],
)
def test_limits(document: Path, text: str, why: str) -> None:
    """Make a page image use much memory, output or time: the program is stopped, and the error
    names the limit."""
    with pytest.raises(SandboxFault, match=why):
        run_sandboxed(_python(text), document, wait_s=5)


def test_a_missing_program(document: Path) -> None:
    """A missing program is a fault of the sandbox."""
    with pytest.raises(SandboxFault):
        run_sandboxed(["no-such-program"], document)
