"""cirrusctl on several hosts, over a real sshd. Some hosts have a fault of their own."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from json_schema import check
from print_site import BACKEND, PrintSite
from ssh_daemon import SshDaemon

SILENCE_S = 86_399  # of no other program


@pytest.fixture
def fleet(own_site: PrintSite, tmp_path: Path) -> Iterator[SshDaemon]:
    """Hosts: `paris` works, `lyon` has no CUPS, `old` writes anything, `bare` has no cirrusctl.

    `closed` listens nowhere, and `silent` does not answer.
    """
    path = f"{BACKEND.parent}:/usr/bin:/bin"
    works = {**own_site.environ, "PATH": path, "CUPS_SERVER": str(own_site.cups.socket)}
    (tmp_path / "old").mkdir()
    old = tmp_path / "old" / "cirrusctl"
    old.write_text("#!/bin/sh\necho '{\"version\": 1}'\n")
    old.chmod(0o755)
    hosts = {
        "paris": works,
        "lyon": {**works, "CUPS_SERVER": str(tmp_path / "none.sock")},
        "old": {"PATH": f"{old.parent}:/usr/bin:/bin"},
        "bare": {"PATH": "/usr/bin:/bin"},
    }
    with SshDaemon(tmp_path, hosts) as daemon:
        daemon.add_client("closed", ["HostName 127.0.0.1", "Port 1"])
        daemon.add_client("silent", [f"ProxyCommand sleep {SILENCE_S}"])
        yield daemon


def test_one_table(own_site: PrintSite, fleet: SshDaemon, pdfs: dict[int, Path]) -> None:
    """Jobs, queues and findings of all hosts are in one table with a column for the host."""
    queue = own_site.queue()
    job = own_site.cups.lp(queue, "-t", "A letter; id", pdfs[1])
    own_site.cups.wait_job(job, "completed")
    ssh = ("--host", "paris", "--ssh-config", str(fleet.config))
    done = own_site.cirrusctl("jobs", *ssh)
    assert done.returncode == 0, done.stderr
    titles, row = done.stdout.splitlines()
    assert titles.startswith("HOST   JOB  QUEUE")
    assert row.split()[:3] == ["paris", str(job), queue] and "delivered" in row
    (answer,) = documents(own_site, "jobs", "--queue", "a b; touch /tmp/x", *ssh, status=8)
    assert answer["exit_status"] == 7 and "no queue a b; touch /tmp/x that" in answer["error"]
    (answer,) = documents(own_site, "queues", *ssh)
    assert [each["name"] for each in answer["output"]] == [queue]
    check(answer["output"], "queues")
    own_site.cups.run("cupsdisable", queue)
    done = own_site.cirrusctl("doctor", *ssh)
    assert done.returncode == 1, done.stderr  # there is no poller
    assert "paris" in done.stdout and "Start the poller" in done.stdout
    assert done.stdout.index("Start the poller") < done.stdout.index("The queue is paused")
    assert "The driver produces" not in done.stdout  # what is well is not listed


def test_errors_of_hosts(own_site: PrintSite, fleet: SshDaemon) -> None:
    """A host that does not answer hides no other; each says why, and the exit status tells."""
    queue = own_site.queue()
    names = ("lyon", "closed", "paris", "bare", "old")
    inventory = fleet.folder / "inventory"
    inventory.write_text("[print]\n" + "\n".join(names))
    ssh = ("--inventory", str(inventory), "--ssh-config", str(fleet.config))
    limits = ("--host-timeout", "120", "--parallel", "5")
    answers = documents(own_site, "queues", *ssh, *limits, status=8)
    assert [answer["host"] for answer in answers] == list(names)
    by_host = {answer["host"]: answer for answer in answers}
    assert [each["name"] for each in by_host["paris"]["output"]] == [queue]
    for host, status, error in (
        ("lyon", 5, "CUPS does not answer. (CB-711)"),
        ("closed", None, "Connection refused"),
        ("bare", None, "the host has no cirrusctl"),
        ("old", 0, "the host has another version of cirrusctl"),
    ):
        assert error in by_host[host]["error"], by_host[host]
        assert by_host[host]["exit_status"] == status and by_host[host]["output"] is None
    done = own_site.cirrusctl("queues", *ssh, *limits)
    assert done.returncode == 8 and queue in done.stdout
    assert "! closed: " in done.stderr and "4 of 5 hosts gave no answer." in done.stderr


def test_a_silent_host(own_site: PrintSite, fleet: SshDaemon) -> None:
    """A host that never answers is given up, and no process of ssh is left. Nothing is said about
    what such a host has."""
    ssh = ("--host", "silent", "--ssh-config", str(fleet.config), "--host-timeout", "2")
    (answer,) = documents(own_site, "queues", *ssh, status=8)
    assert (answer["error"], answer["exit_status"]) == ("no response in 2 s", None)
    done = own_site.cirrusctl("queues", *ssh)
    assert (done.returncode, done.stdout) == (8, "") and "no response in 2 s" in done.stderr
    left = f"sleep\0{SILENCE_S}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found += [path] if left in path.read_bytes() else []
    assert found == []


def test_an_inventory_in_yaml(
    own_site: PrintSite, fleet: SshDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ansible itself reads such an inventory; a wrong one is a mistake of the user."""
    inventory = fleet.folder / "inventory.yml"
    inventory.write_text(
        "print_servers:\n  hosts:\n    first:\n      ansible_host: paris\n    bare:\n"
        "  vars:\n    ansible_user: root\n"
    )
    ssh = ("--inventory", str(inventory), "--ssh-config", str(fleet.config))
    monkeypatch.setenv("PATH", f"{BACKEND.parent}:{os.environ['PATH']}")
    answers = documents(own_site, "queues", *ssh, status=8)
    assert [answer["host"] for answer in answers] == ["first", "bare"]
    assert answers[0]["output"] == [] and "no cirrusctl" in answers[1]["error"]
    inventory.write_text("print_servers: [")
    assert own_site.cirrusctl("queues", *ssh).returncode == 2
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = own_site.cirrusctl("queues", *ssh)
    assert done.returncode == 2 and "Install Ansible, or write a list" in done.stderr


def test_one_after_the_other(own_site: PrintSite, fleet: SshDaemon) -> None:
    """With a limit of one, all hosts are asked all the same."""
    ssh = ("--host", "paris,lyon,paris,bare", "--ssh-config", str(fleet.config), "--parallel", "1")
    answers = documents(own_site, "queues", *ssh, status=8)
    assert [answer["host"] for answer in answers] == ["paris", "lyon", "bare"]


def test_wrong_command_lines(own_site: PrintSite, tmp_path: Path) -> None:
    """Names that are options of ssh or commands of a shell are refused before ssh is started."""
    mark = tmp_path / "mark"
    for words in (
        ("queues", "--host", f"-oProxyCommand=touch {mark}"),
        ("queues", f"--host=$(touch${{IFS}}{mark})"),
        ("jobs", "--host", "a", "--watch"),
        ("doctor", "--host", "a", "--server", "b"),
        ("queues", "--sudo"),
        ("queues", "--parallel", "2"),
        ("queues", "--host-timeout", "9"),
        ("queues", "--host", ","),
        ("queues", "--inventory", str(tmp_path / "none")),
    ):
        done = own_site.cirrusctl(*words)
        assert done.returncode == 2, (words, done.stderr)
    assert not mark.exists()


def documents(site: PrintSite, *words: str, status: int = 0) -> list[dict[str, Any]]:
    """The JSON of a command on hosts, which is as its schema says."""
    done = site.cirrusctl(*words, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    check(found, "hosts")
    return found
