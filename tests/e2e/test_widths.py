"""The output of cirrusctl in terminals of each width: no line is broken within a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from print_site import PrintSite
from widths import CJK, LONG, WIDTHS, is_broken, lines_at

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


def lines_of(site: PrintSite, width: int, *words: str) -> list[str]:
    """The lines of a command's output in a terminal of this width."""
    environ = {**site.environ, "CUPS_SERVER": str(site.cups.socket)}
    return lines_at(environ, width, *words)


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
            for line in lines_of(site, width, *words):
                assert cell_len(line) <= width or " " not in line.strip(), (words, width, line)
                if whole is not None:
                    broken = [word for word in line.split() if is_broken(word, whole)]
                    assert not broken, (words, width, line, broken)


def test_names_stay_whole(wordy: PrintSite) -> None:
    """Names that other commands need are never shortened."""
    for width in WIDTHS:
        for command in ("queues", "jobs", "devices"):
            text = "\n".join(lines_of(wordy, width, command))
            assert LONG in text
        assert f"{LONG}-Farbe" in "\n".join(lines_of(wordy, width, "queues"))
