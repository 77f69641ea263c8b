"""The limits of the real sandbox for programs that read untrusted documents."""

from __future__ import annotations

import os
import socket
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
    """A program reaches no file, writable place, network, process or other user."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        own = {"document": str(document), "port": server.getsockname()[1], "pid": os.getpid()}
        program = (
            f"import errno, os, socket\ntry: {text.format(**own)}\n"
            "except OSError as error: print(errno.errorcode[error.errno], end='')"
        )
        assert run_sandboxed(_python(program), document).decode() == refusal


def test_the_program_runs_without_rights(document: Path) -> None:
    """A program of a root server runs as nobody, and with no environment of the server."""
    told = run_sandboxed(_python("import os; print(os.getuid(), len(os.environ))"), document)
    uid, variables = map(int, told.split())
    assert uid == (65534 if os.geteuid() == 0 else os.geteuid())
    assert variables <= 4  # nothing of this process's environment


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
    """Memory, output and time are limited, and the error names the limit."""
    with pytest.raises(SandboxFault, match=why):
        run_sandboxed(_python(text), document, wait_s=5)


def test_a_missing_program(document: Path) -> None:
    """A missing program is a fault of the sandbox."""
    with pytest.raises(SandboxFault):
        run_sandboxed(["no-such-program"], document)
