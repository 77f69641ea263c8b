"""How the benchmark runs, repeats and sums up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from frame import Table
from measure import cost, interleaved, spread, tree


def test_ways_take_turns() -> None:
    """Each round has all ways; a first round for warming up does not count."""
    order: list[str] = []

    def way(name: str) -> int:
        order.append(name)
        return len(order)

    ways = {"ours": lambda: way("ours"), "peer": lambda: way("peer")}
    assert interleaved(ways, 2, warm_up=True) == {"ours": [3, 5], "peer": [4, 6]}
    assert order == ["ours", "peer"] * 3


def test_slow_ways_run_once() -> None:
    """Each way has at least one run that counts, whatever the limit."""
    assert interleaved({"ours": lambda: 1}, 5, warm_up=True, limit_s=0) == {"ours": [1]}


def test_spread() -> None:
    """The median comes with the quartiles."""
    assert spread([5]) == "5"
    assert spread([1, 2, 3, 4, 5], 1) == "3.0 (2.0–4.0)"


def test_the_cost_of_a_command() -> None:
    """Processor time and memory are those of the command and its children, in their units."""
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    taken = cost([sys.executable, "-c", f"import os\nos.fork() and os.wait()\n{burn}"])
    assert 0.4 <= taken.cpu_s < 60
    assert taken.wall_s >= 0.2
    assert 2**20 < taken.pss_bytes < 2**30


def test_the_cost_includes_the_service() -> None:
    """A service's processor time counts while its command runs."""
    work = "input()\nimport time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", work], stdin=pipe, stdout=pipe) as service:
        work = f"echo >/proc/{service.pid}/fd/0; head -n1 /proc/{service.pid}/fd/1"
        assert cost(["sh", "-c", work], service=service.pid).cpu_s >= 0.1


def test_a_command_that_fails() -> None:
    """The error has the end of what the command said."""
    with pytest.raises(RuntimeError, match="out of paper"):
        cost([sys.executable, "-c", "raise SystemExit('out of paper')"])


def test_the_tree_has_each_process_once() -> None:
    """A process that is named and is a child of another one counts once."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert tree(os.getpid(), child.pid).count(child.pid) == 1


def test_a_table() -> None:
    """Tables become Markdown; goals say whether they are met."""
    table = Table("Speed", ("what", "ms"))
    table.row("ours", "5")
    table.goal("start", "≤ 6 ms", "5 ms", is_met=True)
    assert table.markdown == "### Speed\n\n| what | ms |\n| --- | --- |\n| ours | 5 |"
    assert table.goals == [("start", "≤ 6 ms", "5 ms", "yes")]
