"""The demo as people run it: its output, and what remains at its end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from paths import REPO
from programs import Program
from visitor import Visitor

DEMO = REPO / "installer" / "demo.py"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a short name, which user lp may enter."""
    folder = Path(tempfile.mkdtemp(prefix="cb-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _start(temporary: Path, *arguments: str) -> Program[str]:
    return Program(
        [sys.executable, DEMO, *arguments],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_nothing_is_left(temporary: Path) -> None:
    """The demo delivers, shows the command for people, and cleans up."""
    with _start(temporary) as demo:
        told, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, told
    assert re.search(
        r"lpadmin -p demo -E -v cirrus://127\.0\.0\.1:\d+/Demo/Paris:Laser1"
        r" -m drv:///cirrus-bridge\.drv/cirrus-generic-pdf\.ppd -o print-color-mode-default=auto\n",
        told,
    )
    assert list(temporary.iterdir()) == []


def test_what_keep_leaves(temporary: Path, page: Page) -> None:
    """With `--keep`, Ctrl-C ends the demo, and the delivered document stays.

    Its link shows the document in a browser. The output explains how to remove the document.
    """
    told = ""
    with _start(temporary, "--keep") as demo:
        assert demo.stdout is not None
        while "online:" not in told:
            line = demo.stdout.readline()
            assert line, told
            told += line
        found = re.search(
            r"look: +((http://\S+)/sign-in#\S+)\n.* sign in as (\S+), password (\S+)\)\n", told
        )
        assert found, told
        page.goto(found[1])
        expect(page.get_by_text("welcome.pdf").first).to_be_visible()
        assert "#" not in page.url
        visitor = Visitor(found[2])
        visitor.sign_in(found[3], found[4])
        assert "welcome.pdf" in visitor.get("/").text
        demo.send_signal(signal.SIGINT)
        told, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, told
    (folder,) = temporary.iterdir()
    left = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert left == [Path("delivered/welcome.pdf")]
    assert f"rm -r {folder}\n" in told
