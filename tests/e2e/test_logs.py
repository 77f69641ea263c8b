"""cirrusctl logs: a real journald, in a mount namespace of its own, and a real cupsd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from print_site import BACKEND, PrintSite
from programs import Program

# journald makes its files below /run, which is private to the namespace. Its sockets' names are
# fixed.
NAMESPACE = """
set -e
mount --make-rprivate /
mkdir -p /run/systemd /run/log
mount -t tmpfs tmpfs /run/systemd
mount -t tmpfs tmpfs /run/log
mkdir -p /run/systemd/journal
/lib/systemd/systemd-journald & journald=$!
trap 'kill $journald; wait $journald || true' EXIT
until [ -S /run/systemd/journal/stdout ]; do sleep 0.1; done
systemd-cat -t cirrus-statusd "$1/cirrus-statusd" --once
until journalctl -q -t cirrus-statusd | grep -q event=ended; do sleep 0.1; done
"$1/python" -c "$2"
until journalctl -q -t cirrus-statusd -o cat --all | grep -q three; do sleep 0.1; done
"$1/cirrusctl" logs --json
"""

# anybody can: several messages in one entry, an empty one, one that is no UTF-8
STRANGER = r"""
import socket
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.connect("/run/systemd/journal/socket")
for entry in (b"MESSAGE=one\nMESSAGE=two\n", b"MESSAGE=\n", b"MESSAGE=\xff three\n"):
    journal.send(b"SYSLOG_IDENTIFIER=cirrus-statusd\n" + entry)
"""


def environ(site: PrintSite) -> dict[str, str]:
    """For a site's programs."""
    return os.environ | site.environ | {"CUPS_SERVER": str(site.cups.socket)}


def logs(site: PrintSite, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    """What it says, without a journald."""
    done = subprocess.run(
        [BACKEND.with_name("cirrusctl"), "logs", "--json", *arguments],
        env=environ(site),
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return list(map(json.loads, done.stdout.splitlines()))


def test_the_poller_and_cups(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """Both are there, in the order of their times; with the job that a line is about."""
    job_id = site.cups.lp(site.queue("Paris:None"), pdfs[1])
    site.cups.wait_job(job_id, "held")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", NAMESPACE, "sh", BACKEND.parent, STRANGER],
        env=environ(site),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = list(map(json.loads, done.stdout.splitlines()))
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert any(line["program"] == "cirrus-statusd" and "event=" in line["text"] for line in lines)
    assert [line["text"] for line in lines[-3:]] == ["one two", "", "\ufffd three"]
    told = [line for line in lines if line["job"] == job_id and line["program"] == "cupsd"]
    assert any("(CB-401)" in line["text"] for line in told)
    assert not any("[Client" in line["text"] for line in lines)


def test_what_has_nothing_to_do_with_us(own_site: PrintSite) -> None:
    """colord's answers to cupsd name our queues, and are as good as errors for cupsd."""
    log = own_site.cups.root / "log" / "error_log"
    head = "[26/Nov/2026:09:00:00 +0000]"
    with log.open("a") as file:
        file.write(
            f"W {head} CreateDevice failed: org.freedesktop.ColorManager.AlreadyExists:device id "
            "'cups-cirrus-laser' already exists\n"
            f"W {head} CreateProfile failed: org.freedesktop.DBus.Error.ServiceUnknown: "
            "org.freedesktop.ColorManager\n"
            f"E {head} Unknown default SystemGroup\n"
        )
    texts = [line["text"] for line in logs(own_site, status=0)]
    assert "E Unknown default SystemGroup" in texts
    assert not any("ColorManager" in text for text in texts)


def test_of_one_job(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """All that CUPS has logged of it, and nothing of others; not more lines than asked for."""
    queue = site.queue(f"Paris:{site.device()}")
    job_id = site.cups.lp(queue, pdfs[1])
    site.cups.wait_job(job_id, "completed")
    lines = logs(site, "--job", str(job_id), "-n", "1000")
    assert {line["job"] for line in lines} == {job_id}
    assert any("cirrus-bridge" in line["text"] for line in lines)
    assert logs(site, "--job", str(job_id), "-n", "3") == lines[-3:]


def test_going_on(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """New lines come by themselves, once each, until Ctrl-C."""
    queue = site.queue("Paris:None")
    with Program(
        [BACKEND.with_name("cirrusctl"), "logs", "--json", "--follow"],
        env=environ(site),
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout
        seen: list[str] = []
        for _ in range(2):
            ours = f"[Job {site.cups.lp(queue, pdfs[1])}]"
            for line in follower.stdout:
                seen.append(line)
                if ours in line and "CB-401" in line:
                    break
        follower.send_signal(signal.SIGINT)
        seen += follower.stdout
        assert follower.wait(60) == 0
    assert len(set(seen)) == len(seen)


def test_what_can_not_be_read(own_site: PrintSite) -> None:
    """Is told; the rest is there all the same."""
    files = own_site.cups.root / "etc" / "cups-files.conf"
    files.write_text(f"ServerRoot {files.parent}\nErrorLog /nonexistent/error_log\n")
    done = subprocess.run(
        [BACKEND.with_name("cirrusctl"), "logs"],
        env=environ(own_site) | {"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "/nonexistent/error_log: No such file" in done.stderr
    assert "journalctl can not be started" in done.stderr
