"""What a program that reads a stranger's document can reach, and use up: the real walls."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cirrus_cloudlet.sandbox import SandboxFault, run_shut_in


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
    """The document comes in, and what is written comes out."""
    assert run_shut_in(["tr", "a-z", "A-Z"], document) == b"WHAT IT SAYS"


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
        ),  # it has a loopback of its own
        ("os.fork()", "EAGAIN"),
        ("os.setuid(0)", "EINVAL"),
        ("os.kill({pid}, 0)", "ESRCH"),
    ],
)
def test_nothing_else_is_within_reach(document: Path, text: str, refusal: str) -> None:
    """No file, no place to write to, no network, no other process, no other user."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        own = {"document": str(document), "port": server.getsockname()[1], "pid": os.getpid()}
        program = (
            f"import errno, os, socket\ntry: {text.format(**own)}\n"
            "except OSError as error: print(errno.errorcode[error.errno], end='')"
        )
        assert run_shut_in(_python(program), document).decode() == refusal


def test_it_is_nobody_of_this_machine(document: Path) -> None:
    """Neither root nor, where the server is root, anybody whose files are of use."""
    told = run_shut_in(_python("import os; print(os.getuid(), len(os.environ))"), document)
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
    """Memory, output and time are bounded, and it is said which of them was reached."""
    with pytest.raises(SandboxFault, match=why):
        run_shut_in(_python(text), document, wait_s=5)


def test_a_program_that_is_not_there(document: Path) -> None:
    """It fails, and nothing is run in its place."""
    with pytest.raises(SandboxFault):
        run_shut_in(["no-such-program"], document)
