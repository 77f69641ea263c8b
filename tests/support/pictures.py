"""Take the two pictures of README.md again: `.venv/bin/python3 tests/support/pictures.py`.

installer/docs/demo.svg shows the output of installer/demo. installer/docs/page.png shows the web
page of its cloud, with a delivered job and a waiting one. Look at both afterwards.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess

from playwright.sync_api import expect, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from paths import REPO, WELCOME
from programs import Program

PICTURES = REPO / "installer" / "docs"
COLUMNS = 110
LAST_STEP = "\n==> Both servers stay"


def main() -> None:
    """Run the demo, take the pictures, and clean up."""
    command = [str(REPO / "installer" / "demo"), "--keep"]
    with Program[str](command, stdout=subprocess.PIPE, text=True) as demo:
        output = _output(demo)
        _picture_of_terminal(output.partition(LAST_STEP)[0])
        _print_to_offline_location(output)
        _picture_of_page(output)
    if folder := re.search(r"CUPS_SERVER=(/tmp/cirrus-demo-\w+)/", output):
        shutil.rmtree(folder[1])


def _output(demo: Program[str]) -> str:
    lines = []
    for line in demo.stdout or ():
        lines.append(line)
        if line.startswith("    online:"):  # the last line before the demo waits
            return "".join(lines)
    raise SystemExit("".join(lines))


def _picture_of_terminal(output: str) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(f"$ installer/demo\n{output.rstrip()}", overflow="fold"))
    # without web fonts: GitHub loads none for a picture
    picture = console.export_svg(title="installer/demo", theme=MONOKAI)
    picture = re.sub(r"\s*@font-face \{.*?\}\n", "\n", picture, flags=re.DOTALL)
    (PICTURES / "demo.svg").write_text(picture)


def _print_to_offline_location(output: str) -> None:
    commands = dict(re.findall(r"(print|offline): +(.+)\n", output))
    subprocess.run(shlex.split(commands["offline"]), check=True, stdout=subprocess.DEVNULL)
    server, *command = shlex.split(commands["print"])
    name, _, socket = server.partition("=")
    words = [str(WELCOME) if word == "FILE" else word for word in command]
    subprocess.run(
        [*words, "-t", "minutes.pdf"],
        env={**os.environ, name: socket},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _picture_of_page(output: str) -> None:
    (link,) = re.findall(r"look: +(\S+)\n", output)
    with sync_playwright() as playwright:
        # Chromium's sandbox does not run as root
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 640})
        page.goto(link)
        expect(page.get_by_role("link", name="minutes.pdf").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=PICTURES / "page.png")
        browser.close()


if __name__ == "__main__":
    main()
