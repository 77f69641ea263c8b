"""Real applications print to a queue that a dialog would add; tests/README.md has the table.

The device is a color multifunction printer with trays. The tests compare props, pages and paper.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfReader

from print_site import PrintSite
from programs import Program

HERE = Path(__file__).parent
PYTHON = "/usr/bin/python3"  # the system's own, which has the toolkits
PROGRAM_S = 120


@dataclass(frozen=True)
class Desk:
    """A queue, and the home folder of a person who prints to it."""

    site: PrintSite
    device: str
    queue: str
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of programs that print."""
        own = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home)}
        return {**self.site.cups.env, **own, "QT_QPA_PLATFORM": "offscreen"}

    def run(self, *command: str | Path) -> None:
        """Run a program to its end."""
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=PROGRAM_S
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def printed(self, count: int = 1) -> tuple[Mapping[str, str], list[str], tuple[int, int]]:
        """The last job: its props, the text of each page, and the paper in points."""
        job = self.site.cloud_jobs(self.device, count)[-1]
        assert job["state_name"] == "delivered"
        pages = PdfReader(job["document"]).pages
        texts = [" ".join(page.extract_text().split()) for page in pages]
        box = pages[0].mediabox
        return job["props"], texts, (round(box.width), round(box.height))


@pytest.fixture(autouse=True)
def one_at_a_time() -> Iterator[None]:
    """Run one test with a display at a time.

    xvfb-run -a may give one display to two programs that begin at once. The display ends with the
    first.
    """
    with (Path(tempfile.gettempdir()) / "cirrus-bridge-display.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def desk(site: PrintSite, tmp_path: Path) -> Desk:
    """A desk for each application."""
    device = site.device("--kind", "color-mfp", "--name", "Corridor")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Desk(site, device, site.discovered_queue(device), home)


@pytest.fixture
def four_pages(desk: Desk) -> Path:
    """A text document of four pages."""
    path = desk.home / "four.txt"
    path.write_text("\f".join(f"Page {number}\n" for number in range(1, 5)))
    return path


def test_lp(desk: Desk, pdfs: dict[int, Path]) -> None:
    """lp prints with IPP's names."""
    words = [
        "-n", "3", "-P", "2-3", "-o", "sides=two-sided-short-edge", "-o", "collate=true",
        "-o", "print-color-mode=monochrome", "-o", "media=A5,Tray-2",
    ]  # fmt: skip
    desk.run("lp", "-d", desk.queue, *words, pdfs[4])
    props, pages, paper = desk.printed()
    assert props == {
        "copies": "3", "duplex": "3", "color": "1", "collate": "1", "size": "A5", "tray": "Tray 2",
    }  # fmt: skip
    assert ["Page 2 of 4" in pages[0], "Page 3 of 4" in pages[1], len(pages)] == [True, True, 2]
    assert paper == (420, 595)


def test_qt(desk: Desk) -> None:
    """QPrinter prints; Qt does not pass gray to CUPS, and renders as it likes."""
    desk.run(PYTHON, HERE / "print_by_qt.py", desk.queue)
    props, pages, paper = desk.printed()
    assert props == {"copies": "3", "duplex": "3", "collate": "1", "size": "A5"}
    assert pages == ["Page 1", "Page 2", "Page 3"]
    assert paper == (420, 595)


def test_qt_dialog(desk: Desk) -> None:
    """The dialog offers tray and gray among the driver's options; Qt selects the pages."""
    desk.run(PYTHON, HERE / "print_by_qt_dialog.py", desk.queue)
    props, pages, paper = desk.printed()
    assert props == {
        "copies": "3", "duplex": "3", "color": "1", "collate": "1", "size": "A5", "tray": "Tray 2",
    }  # fmt: skip
    assert [page[:6] for page in pages] == ["Page 2", "Page 3"]
    assert paper == (420, 595)


def test_gtk(desk: Desk) -> None:
    """Gtk.PrintOperation prints with its dialog's settings; GTK selects the pages itself."""
    desk.run("xvfb-run", "-a", PYTHON, HERE / "print_by_gtk.py", desk.queue, "Tray-2")
    props, pages, paper = desk.printed()
    assert props == {
        "copies": "2", "duplex": "2", "color": "1", "collate": "1", "size": "A5", "tray": "Tray 2",
    }  # fmt: skip
    assert pages == ["Page 2", "Page 3"]
    assert paper == (420, 595)


@pytest.mark.parametrize(
    ("script", "copies", "color"),
    [("print_by_gtk_dialog.py", "4", "2"), ("print_by_gtk4_dialog.py", "2", "1")],
)
def test_gtk_dialog(desk: Desk, script: str, copies: str, color: str) -> None:
    """The real dialogs of GTK 3 and 4 offer the driver's options; the application draws pages."""
    desk.run("xvfb-run", "-a", PYTHON, HERE / script, desk.queue)
    props, pages, paper = desk.printed()
    assert props == {
        "copies": copies, "duplex": "2", "color": color, "collate": "1", "size": "A5",
        "tray": "Tray 2",
    }  # fmt: skip
    assert pages == ["Page 2", "Page 3"]
    assert paper == (420, 595)


def test_libreoffice(desk: Desk, four_pages: Path) -> None:
    """Writer (UNO) selects the pages itself, and leaves copies to the device."""
    profile = desk.home / "profile"
    desk.run(PYTHON, HERE / "print_by_libreoffice.py", desk.queue, four_pages, profile)
    props, pages, paper = desk.printed()
    assert props == {"copies": "3", "duplex": "3", "collate": "1", "size": "A5", "tray": "Tray 2"}
    assert pages == ["Page 2", "Page 3"]
    assert paper == (420, 595)


def test_libreoffice_dialog(desk: Desk, four_pages: Path) -> None:
    """Writer's dialog offers copies, pages, both sides and paper."""
    profile = desk.home / "profile"
    script = HERE / "print_by_libreoffice_dialog.py"
    plugin = "SAL_USE_VCLPLUGIN=svp"
    desk.run("env", plugin, PYTHON, script, desk.queue, four_pages, profile)
    props, pages, paper = desk.printed()
    assert props == {"copies": "3", "duplex": "3", "collate": "1", "size": "A5"}
    assert pages == ["Page 2", "Page 3"]
    assert paper == (420, 595)


def test_libreoffice_heeds_lpoptions(desk: Desk, four_pages: Path) -> None:
    """lpoptions(1) sets defaults for LibreOffice."""
    words = ("Duplex=DuplexNoTumble", "InputSlot=Tray-3", "ColorModel=Gray")
    options = [word for each in words for word in ("-o", each)]
    desk.run("lpoptions", "-p", desk.queue, *options)
    profile = f"-env:UserInstallation=file://{desk.home}/profile"
    desk.run("soffice", "--headless", "--norestore", profile, "--pt", desk.queue, four_pages)
    props, pages, _ = desk.printed()
    assert props == {"copies": "1", "duplex": "2", "color": "1", "tray": "Tray 3", "size": "A4"}
    assert pages == ["Page 1", "Page 2", "Page 3", "Page 4"]


def test_chromium(desk: Desk) -> None:
    """The print preview has no field for trays, and respects lpoptions."""
    desk.run("lpoptions", "-p", desk.queue, "-o", "InputSlot=Tray-3")
    page = desk.home / "page.html"
    breaks = "<style>p { page-break-after: always }</style>"
    page.write_text(f"{breaks}<p>Page 1</p><p>Page 2</p><p>Page 3</p><div>Page 4</div>")
    command: list[str | Path] = [
        "xvfb-run", "-a", sys.executable, HERE / "print_by_chromium.py", desk.queue, page,
        desk.home / "profile",
    ]  # fmt: skip
    env = {**os.environ, **desk.env}
    with (desk.home / "chromium.log").open("w") as log:
        browser = Program[bytes](
            command, env=env, stdin=subprocess.PIPE, stderr=log, start_new_session=True
        )
        try:
            desk.site.wait_jobs(
                lambda jobs: any(job["device"] == desk.device and job["state"] > 1 for job in jobs),
                timeout_s=PROGRAM_S,
            )
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                browser.communicate(b"\n", timeout=20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)  # the whole group, if it hangs
            browser.end()
    props, pages, paper = desk.printed()
    assert props == {
        "copies": "3", "duplex": "3", "color": "1", "collate": "1", "size": "A5", "tray": "Tray 3",
    }  # fmt: skip
    assert pages == ["Page 2", "Page 3"]
    assert paper == (420, 595)
