"""The output of cirrusctl in terminals of each width: no line is broken within a word."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pexpect
import pytest
from rich.cells import cell_len

from print_site import BACKEND, PrintSite

WIDTHS = (60, 80, 120, 200)
LONG = "Multifunktionsdrucker-Verwaltungsgebaeude-Erdgeschoss-Nord"
CJK = "会議室の大型プリンター、三階東側（総務部）"
TITLE = "Quarterly figures of the northern branches 四半期決算報告書の最終版（取締役会用）"
TABLES = ("queues", "devices", "servers", "jobs", "explain", "doctor")


@pytest.fixture
def wordy(own_site: PrintSite, pdfs: dict[int, Path]) -> PrintSite:
    """A site with long names, also in Japanese, with jobs, and with faults for the doctor."""
    site = own_site
    for device, name in ((LONG, "The large one in the hall of the northern wing"), ("J1", CJK)):
        site.cloud.cli("device", "add", f"Acme/Paris/{device}", "--name", name)
    for name, target in (
        (f"{LONG}-Farbe", f"Paris:{LONG}"),
        ("japan", "Paris:J1"),
        ("no", "Paris:X"),
    ):
        site.cups.add_queue(name, f"cirrus://{site.server}/Acme/{target}")
        job_id = site.cups.lp(name, "-t", TITLE, pdfs[1])
        site.cups.wait_job(job_id, "completed", "held")
    site.cups.run("cupsdisable", "-r", "Waiting for a new drum from the supplier", "japan")
    (site.config / "queues.toml").write_text(
        f'[[queue]]\nname = "declared-{LONG}"\ntargets = ["Paris:{LONG}"]\n'
        '[[queue]]\nname = "wrong"\ntargets = ["Paris:Nothing"]\n'
    )
    return site


def lines_at(site: PrintSite, width: int, *words: str) -> list[str]:
    """The lines of a command's output in a terminal of this width, without colors."""
    environ = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    program = pexpect.spawn(
        str(BACKEND.with_name("cirrusctl")),
        list(words),
        env={
            **environ,
            **site.environ,
            "CUPS_SERVER": str(site.cups.socket),
            "TERM": "xterm",
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        },
        encoding="utf-8",
        timeout=120,
        dimensions=(60, width),
    )
    program.expect(pexpect.EOF)
    program.close()
    text = re.sub(r"\x1b\[[\d;]*m", "", str(program.before))  # bold
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.complete
def test_every_command(wordy: PrintSite) -> None:
    """Each line fits, but for single words that are longer than the terminal. Each word is a word
    of the output without a terminal, or has been shortened with an ellipsis."""
    site = wordy
    key = site.root / "key"
    key.write_text(site.key)
    setup = ("setup", "--server", site.server, "--plain", "--key-file", str(key))
    answers = ("--company", "Acme", "--location", "Paris", "--device", "none", "--no-test")
    site.cirrusctl(*setup, *answers, "--replace")  # later runs find the same entry
    held = next(line.split()[0] for line in site.cirrusctl("jobs").stdout.splitlines()[1:])
    commands = [
        *((name,) for name in TABLES),
        *(("job", held), ("explain", "CB-402"), ("apply", "--dry-run"), ("devices", "Paris:nope")),
        (*setup, *answers, "--replace"),
        ("test", "japan", "--timeout", "0"),
    ]
    for words in commands:
        if words[0] == "test":  # the queue is paused, so each run leaves a job
            whole = None
        else:
            done = site.cirrusctl(*words)
            whole = set((done.stdout + done.stderr).split())
        for width in WIDTHS if words[0] != "setup" else WIDTHS[:1]:
            for line in lines_at(site, width, *words):
                assert cell_len(line) <= width or " " not in line.strip(), (words, width, line)
                if whole is not None:
                    broken = [word for word in line.split() if _is_broken(word, whole)]
                    assert not broken, (words, width, line, broken)


def _is_broken(word: str, whole: set[str]) -> bool:
    """Whether a word is only a part of a word. Words of scripts without spaces have parts, and
    times and bars are written differently for people."""
    if not word.isascii() or re.fullmatch(r"[\d:.,%-]+", word) or word.endswith(":"):
        return False
    return word not in whole


def test_names_stay_whole(wordy: PrintSite) -> None:
    """Names that other commands need are never shortened."""
    for width in WIDTHS:
        for command in ("queues", "jobs", "devices"):
            text = "\n".join(lines_at(wordy, width, command))
            assert LONG in text
        assert f"{LONG}-Farbe" in "\n".join(lines_at(wordy, width, "queues"))
