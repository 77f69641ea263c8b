"""The Ansible role in installer/ansible, with the real Ansible, a real cupsd and a real cloud."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paths import REPO
from print_site import PrintSite

ANSIBLE = REPO / "installer" / "ansible"
PROGRAMS = Path(sys.executable).parent
QUEUE = '[[queue]]\nname = "{location}-{device}"\ntargets = ["Paris:*"]\n'


def run(program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an Ansible program with no other settings than these."""
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    environ = {"PATH": path, "LC_ALL": "C.UTF-8", "HOME": str(folder), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=ANSIBLE,
        env=environ | {"ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles")},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.complete
def test_ansible_lint_finds_nothing(tmp_path: Path) -> None:
    """ansible-lint's strictest profile finds nothing; it checks the syntax as well."""
    done = run("ansible-lint", "--offline", "--profile", "production", ".", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


class Play:
    """A playbook with the role for a site, on this machine."""

    def __init__(self, site: PrintSite, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.queues = folder / "queues.toml"
        self.queues.write_text(QUEUE)
        server = {"host": site.server, "company": "Acme", "api_key": site.key}
        variables = {
            "cirrus_bridge_servers": [server | {"locations": ["Paris"]}],
            "cirrus_bridge_queues": str(self.queues),
            "cirrus_bridge_folder": str(site.config),
            "cirrus_bridge_cirrusctl": str(PROGRAMS / "cirrusctl"),
            "cirrus_bridge_environment": site.environ | {"CUPS_SERVER": str(site.cups.socket)},
        }
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "roles": [{"role": "cirrus_bridge", "vars": variables}],
        }
        (folder / "play.yml").write_text(json.dumps([play]))

    def run(self, *options: str, status: int = 0) -> int:
        """Run the playbook; return how many tasks changed something."""
        book = str(self.folder / "play.yml")
        variables = ("-e", "ansible_python_interpreter=/usr/bin/python3")
        done = run("ansible-playbook", book, *variables, *options, folder=self.folder)
        assert done.returncode == status, done.stdout + done.stderr
        assert self.site.key not in done.stdout + done.stderr
        found = re.search(r"changed=(\d+)", done.stdout)
        assert found
        return int(found[1])


@pytest.fixture
def play(own_site: PrintSite, tmp_path: Path) -> Play:
    """A playbook for a site that has no servers yet."""
    (own_site.config / "servers.d" / "site.toml").unlink()
    return Play(own_site, tmp_path)


def test_the_role_makes_queues(play: Play) -> None:
    """The role makes queues once, and adds one for a new device, but not in check mode.

    Failures show no key.
    """
    assert play.run() == 4  # including the folder's mode
    assert "Paris-Laser1" in play.site.cups.run("lpstat", "-e")
    servers = play.site.config / "servers.d" / "ansible.toml"
    assert servers.stat().st_mode & 0o777 == 0o600
    assert servers.parent.stat().st_mode & 0o777 == 0o700
    assert play.run() == 0
    play.site.cloud.cli("device", "add", "Acme/Paris/New")
    assert play.run("--check") == 1
    assert "Paris-New" not in play.site.cups.run("lpstat", "-e")
    assert play.run() == 1
    assert "Paris-New" in play.site.cups.run("lpstat", "-e")
    play.queues.write_text(QUEUE + '[[queue]]\nname = "none"\ntargets = ["Paris:None"]\n')
    play.run(status=2)
