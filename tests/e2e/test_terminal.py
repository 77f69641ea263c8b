"""cirrusctl at a terminal, with keys to press and a screen to read."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from print_site import PrintSite, eventually
from tcp_proxy import TcpProxy
from terminal import PROMPT, Terminal

HEIGHT = 14
TITLE = "Minutes"


@pytest.fixture(params=[80, 120])
def terminal(own_site: PrintSite, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A terminal of a usual width, but lower than usual, so that text scrolls."""
    cups = {"CUPS_SERVER": str(own_site.cups.socket)}
    with (
        own_site.statusd(),
        Terminal(own_site.root, own_site.environ | cups, request.param, HEIGHT) as terminal,
    ):
        terminal.sees(PROMPT)
        yield terminal


@pytest.mark.sampled(terminal=[120])
def test_setup(own_site: PrintSite, terminal: Terminal) -> None:
    """Each question is a line with its answer, and a page is delivered at the end."""
    shutil.rmtree(own_site.config)
    own_site.config.mkdir()
    terminal.type("cirrusctl setup; echo status $?")
    # servers of the network may be first
    eventually(lambda: re.search(r"\nPrint server \(HOST or HOST:PORT.*\):$", terminal.screen()))
    terminal.type(own_site.server)
    for question, answer in (
        (f"{own_site.server} (this machine) does not use TLS. Continue without TLS? [Y/n]:", ""),
        ("Company (its id):", "Acme"),
        ("API key (not shown):", own_site.key),
        ("Location (its id; several with commas):", "Paris"),
        ("Queues for which devices (numbers with commas, all, or none) [1]:", ""),
        ("Name of the queue for Laser1 at Paris office (- for none) [Laser1]:", ""),
        ("Print a test page on Laser1? [Y/n]:", ""),
    ):
        terminal.sees(f"\n{question}")
        terminal.type(answer)
    terminal.sees(f"status 0\n{PROMPT}")
    (job,) = own_site.cloud_jobs("Laser1", 1)
    assert job["title"] == "Cirrus Bridge test page"
    screen = terminal.screen().splitlines()
    assert screen[-4:-2] == ["The doctor finds nothing wrong.", "Done. Try: lp -d Laser1 file.pdf"]
    assert re.fullmatch(r"  \d\d:\d\d:\d\d  delivered", screen[-5])
    assert re.fullmatch(r"  \d\d:\d\d:\d\d  ended in CUPS: completed", screen[-6])
    assert own_site.key not in terminal.before()


@pytest.mark.sampled(terminal=[80])
def test_watch(own_site: PrintSite, terminal: Terminal, pdfs: dict[int, Path]) -> None:
    """Jobs change in place, even more jobs than lines; the screen is restored at the end."""
    noise = own_site.root / "noise"
    noise.write_bytes(random.Random(1).randbytes(2_000_000))
    own_site.cloud.cli("location", "offline", "Paris")
    with TcpProxy(own_site.server) as slow:
        own_site.configure(server=slow.name)
        with (own_site.config / "bridge.toml").open("a") as bridge:
            bridge.write("connections = 1\n")  # in [upload]
        queue = own_site.queue(server=slow.name, driver=False, options="?waittimeout=0")
        terminal.type("cirrusctl jobs --watch; echo status $?")
        eventually(lambda: terminal.screen() == "There are no print jobs for the cloud.")
        slow.bytes_per_s = 100_000
        own_site.cups.lp(queue, "-o", "raw", "-t", TITLE, noise)
        eventually(lambda: _row(terminal, "processing  ━+─+  .*  not submitted$"))
        slow.bytes_per_s = None
        eventually(lambda: _row(terminal, "processing  ━{10}  .*  waiting$"))
        own_site.cloud.cli("location", "online", "Paris")
        eventually(lambda: _row(terminal, "completed  .*  delivered$"))
        jobs = [own_site.cups.lp(queue, pdfs[1]) for _ in range(HEIGHT)]
        eventually(lambda: f"\n{jobs[-1]}  " in terminal.screen())
        own_site.cups.stop()
        eventually(lambda: terminal.screen().startswith("! CUPS does not answer. (CB-711)\nJOB  "))
        own_site.cups.start()
        eventually(lambda: terminal.screen().startswith("JOB  "))
        assert (terminal.says("alternate_on"), terminal.says("cursor_flag")) == ("1", "0")
        terminal.press("C-c")
        terminal.sees(f"status 0\n{PROMPT}")
    assert (terminal.says("alternate_on"), terminal.says("cursor_flag")) == ("0", "1")
    assert terminal.before() == (
        f"{PROMPT}cirrusctl jobs --watch; echo status $?\nstatus 0\n{PROMPT}".rstrip()
    )


def _row(terminal: Terminal, look: str) -> bool:
    """Whether a job's only row matches, below the titles at the top.

    During a redraw, the screen may have two rows.
    """
    titles, *rows = terminal.screen().splitlines() or [""]
    mine = [row for row in rows if f"  {TITLE}  " in row]
    return titles.startswith("JOB  QUEUE ") and len(mine) == 1 and bool(re.search(look, mine[0]))
