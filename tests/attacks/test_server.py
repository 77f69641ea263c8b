"""Attacks by the server that the bridge talks to, and by a proxy in front of it."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import sys
import urllib.request

import pytest

from ports import reserved_port
from print_site import PrintSite, eventually
from repeated_key import ENCODINGS, shown
from scripted_server import Answer, RawBytes, Request, ScriptedServer

KEY = "v3ry-Sekret/K9+x"
WORDS = " | ".join(encode(KEY) for encode in ENCODINGS.values())
NUMBERS = itertools.count()  # a message is news only if it changes
HOOK = """#!{python}
import os, sys
with open("{record}", "a") as record:
    record.write(repr(os.environ) + "\\n")
"""


def _answer(request: Request) -> Answer | RawBytes:
    """Repeat the key in each answer, and accept the job "kept" only."""
    if request.path.endswith("/putfile"):
        if request.fields["title"] == "kept":
            return Answer("1-1", headers={"Server-Instance": "x"})
        if request.fields["title"] == "refused":
            return Answer(f"Error: {WORDS}")
        return RawBytes(f"HTTP/1.1 {WORDS} OK\r\n\r\n".encode())
    if "/get/job/" in request.path:
        return Answer(json.dumps({"State": 1, "Message": f"Error: {next(NUMBERS)} {WORDS}"}))
    if "/get/" in request.path:
        return Answer(f'{{"Devices": {{"L": {{"Name": {json.dumps(WORDS)}}}}}}}')
    return RawBytes(f"HTTP/1.1 403 {WORDS}\r\nX: {WORDS}\r\n\r\n{WORDS}".encode())


@pytest.mark.attacker("server")
def test_a_server_that_repeats_the_key(own_site: PrintSite) -> None:
    """Repeat the key in any encoding: no message, log or file shows the key."""
    site = own_site
    hook, record, port = site.root / "hook", site.root / "record", reserved_port(site)
    hook.write_text(HOOK.format(python=sys.executable, record=record))
    hook.chmod(0o755)
    with ScriptedServer(_answer) as server:
        site.configure(server=server.name, key=KEY)
        site.configure_statusd(f'hook = ["{hook}"]\nmetrics_port = {port}')
        queue = site.queue(driver=False, server=server.name, options="?waittimeout=1")
        with site.start_statusd() as poller:
            jobs = [
                site.cups.lp(queue, "-t", title, data=b"x") for title in ("refused", "lost", "kept")
            ]
            for job in jobs:
                site.cups.wait_job(job, "held")
            eventually(lambda: "event=failing" in site.statusd_log())
            eventually(lambda: "'CIRRUS_EVENT': 'failing'" in record.read_text())
            outputs = {
                "lpstat": site.cups.run("lpstat", "-l", "-p", "-o", "-W", "all"),
                "jobs": repr([site.cups.job(job) for job in jobs]),
                "queue": repr(site.cups.printer(queue)),
                "devices": site.cups.run("lpinfo", "-l", "-v"),
                "metrics": _scrape(port),
            }
            for words in (["jobs"], ["job", str(jobs[0])], ["devices"], ["doctor"]):
                done = site.cirrusctl(*words)
                outputs[f"cirrusctl {words[0]}"] = done.stdout + done.stderr
            assert poller.end() == 0
    outputs |= {"hook": record.read_text(), "log": site.statusd_log()}
    outputs["error_log"] = site.cups.error_log()
    with contextlib.closing(sqlite3.connect(site.state / "journal.db")) as journal:
        outputs["journal"] = "\n".join(journal.iterdump())
    assert all("***" in outputs[name] for name in ("error_log", "log", "journal"))
    assert {name: found for name, text in outputs.items() if (found := shown(text, KEY))} == {}


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return str(answer.read().decode())
