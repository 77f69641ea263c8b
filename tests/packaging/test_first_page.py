"""The README's promise to newcomers: from the packages to a delivered page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from clean_system import CleanSystem
from paths import REPO
from print_site import eventually
from terminal import PROMPT, SHELL, Terminal

HEADING = "## Your first page"
DATA = "/var/lib/cirrus-cloudlet"


def _commands() -> list[str]:
    """The README's commands, without comments."""
    section = (REPO / "README.md").read_text().partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    block = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[-1]
    return [line.partition("  #")[0].rstrip() for line in block.splitlines()]


@pytest.mark.timeout(900)
def test_the_way_of_the_readme(packages: Path, tmp_path: Path) -> None:
    """The README's commands alone print a page on a fresh system, and the doctor finds no fault."""
    install, serve, add_device, add_key, setup = _commands()
    assert install == "apt-get install ./dist/*.deb"
    with CleanSystem() as system:
        shutil.copytree(packages / "now", system.path("/root/dist"))
        system.apt_get("update")
        system.apt_get(
            "install", *(f"/root/dist/{path.name}" for path in (packages / "now").glob("*.deb"))
        )
        system.boot()
        with Terminal(tmp_path, {}, 100, 40, shell=system.entering(*SHELL)) as terminal:
            terminal.sees(PROMPT)
            for command in ("cd", serve, add_device, add_key):
                terminal.type(command)
            shown = re.compile(rf"^([\w-]{{43}})\n{re.escape(PROMPT.strip())}$", re.MULTILINE)
            eventually(lambda: shown.search(terminal.screen()))
            key = shown.findall(terminal.screen())[-1]
            terminal.type(setup)
            eventually(lambda: re.search(r"\nPrint server \(.*\):$", terminal.screen()))
            terminal.type("127.0.0.1:27082")
            for question, answer in (
                ("Continue without TLS? [Y/n]:", ""),
                ("\nCompany (its id):", "Demo"),
                ("\nAPI key (not shown):", key),
                ("\nLocation (its id; several with commas):", "Paris"),
                ("or none) [1]:", ""),
                ("[Laser1]:", ""),
                ("\nPrint a test page on Laser1? [Y/n]:", ""),
            ):
                terminal.sees(question)
                terminal.type(answer)
            terminal.sees(f"\nThe doctor finds nothing wrong.\n{PROMPT}")
            # the poller may be restarting, because it got a key
            eventually(lambda: _worst(system) in ("ok", "note"))
        jobs = system.run("cirrus-cloudlet", "job", "list", "--json", "--data", DATA)
        assert [job["state_name"] for job in json.loads(jobs)] == ["delivered"]


def _worst(system: CleanSystem) -> str:
    """The worst severity that the packages' doctor finds."""
    doctor = ("sh", "-c", "cirrusctl doctor --json 2>/dev/null")
    return str(json.loads(system.run(*doctor, may_fail=True))["worst"])
