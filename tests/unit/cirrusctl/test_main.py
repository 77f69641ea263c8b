"""The end of `cirrusctl`."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from cirrus_bridge.cirrusctl.main import run
ThreadPoolExecutor().submit(threading.Event().wait)
sys.argv = ["cirrusctl", *sys.argv[1:]]
run()
"""


def test_a_thread_that_hangs_does_not_keep_the_program() -> None:
    """Output and exit status are complete although a thread hangs."""
    ends = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, argument], capture_output=True, text=True, timeout=60
        )
        for argument in ("--version", "--nothing")
    ]
    assert [end.returncode for end in ends] == [0, 2]
    assert ends[0].stdout.startswith("cirrus-bridge ")
    assert "--nothing" in ends[1].stderr
