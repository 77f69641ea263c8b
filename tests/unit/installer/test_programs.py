"""Programs of tests and demo always end, and no wait is without a limit."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paths import REPO
from programs import Program

# folders under pytest or of the demo; other programs are run by hand or in other Pythons
SOURCES = sorted(
    path
    for folder in ("tests", "installer")
    for path in (REPO / folder).rglob("*.py")
    if "bench" not in path.parts and not path.name.startswith("print_by_")
)


def test_one_that_does_not_want_to_end() -> None:
    """The program is killed with its context, even after an exception there."""
    command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]
    with (
        pytest.raises(ZeroDivisionError),
        Program(command, stdout=subprocess.PIPE, text=True) as stubborn,
    ):
        output = stubborn.stdout
        assert output and output.readline() == "ready\n"
        assert stubborn.end(0.1) == -signal.SIGKILL
        raise ZeroDivisionError
    assert output and output.closed


def test_one_that_reads_nothing() -> None:
    """Unread input is lost without an error."""
    with Program(["sleep", "60"], stdin=subprocess.PIPE, text=True) as sleeper:
        assert sleeper.stdin
        sleeper.stdin.write("unread")
    assert sleeper.returncode == -signal.SIGTERM


def test_ctrl_c() -> None:
    """Ctrl-C ends a program of a test."""
    with Program(["sleep", "60"]) as sleeper:
        sleeper.send_signal(signal.SIGINT)
        assert sleeper.wait(60) == -signal.SIGINT


def test_ctrl_c_in_the_background() -> None:
    """Ctrl-C works in the background, too, where a shell has the tests ignore SIGINT."""
    again = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{__file__}::test_ctrl_c")
    done = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *again],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_each_wait_has_a_limit(path: Path) -> None:
    """Each wait has a timeout, and each started program is a `Program`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            limited = node.args or node.keywords
            assert node.func.attr not in ("wait", "communicate") or limited, node.lineno
            assert ast.unparse(node.func) != "subprocess.Popen", node.lineno
