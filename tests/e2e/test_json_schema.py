"""The JSON of each command of cirrusctl is as its schema says, which the package ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from cirrus_bridge.cirrusctl.main import COMMANDS
from json_schema import SCHEMA, check
from paths import REPO
from print_site import PrintSite


def said(site: PrintSite, *words: str) -> Any:
    """The JSON document of a command; not that of an error."""
    done = site.cirrusctl(*words, "--json")
    document = json.loads(done.stdout)
    assert "error" not in document, document
    return document


def events(site: PrintSite, *words: str) -> list[Any]:
    """The JSON documents of a command that writes one on each line."""
    return [json.loads(line) for line in site.cirrusctl(*words, "--json").stdout.splitlines()]


def test_the_schema() -> None:
    """The schema is valid, has each command, and refuses a key that it does not know."""
    Draft202012Validator.check_schema(SCHEMA)
    assert {*COMMANDS, "error"} <= SCHEMA["$defs"].keys()
    manual = REPO / "installer" / "packages" / "man" / "cirrusctl.8.scd.in"
    assert "/usr/share/doc/cirrus-bridge/cirrusctl.schema.json" in manual.read_text()
    with pytest.raises(ValidationError, match="Additional properties are not allowed"):
        check({"error": {"code": "", "message": "", "do": "", "detail": ""}, "more": 1}, "error")


def test_real_output(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """Lists with and without rows, servers that are away, invalid queues, jobs in each state."""
    site = own_site
    for command in ("queues", "jobs"):
        assert said(site, command) == []
    check(said(site, "devices"), "devices")
    check(said(site, "servers"), "servers")
    laser, refused = site.queue(), site.queue("Paris:None")
    site.cups.add_queue("bad", "cirrus://nothing", driver=None)
    jobs = [site.cups.lp(queue, pdfs[1]) for queue in (laser, refused)]
    for job_id, state in zip(jobs, ("completed", "held"), strict=True):
        site.cups.wait_job(job_id, state)
        check(said(site, "job", str(job_id)), "job")
    for command in ("queues", "jobs", "doctor", "explain"):
        document = said(site, command)
        assert len(document) > 1
        check(document, command)
    check(said(site, "explain", "CB-402"), "explain")
    check(said(site, "doctor", "--server", site.server), "doctor")
    (site.config / "queues.toml").write_text(
        '[[queue]]\nname = "new"\ntargets = ["Paris:Laser1"]\n'
        '[[queue]]\nname = "wrong"\ntargets = ["Paris:Nothing"]\n'
    )
    for option in ("--dry-run", "--force"):
        check(said(site, "apply", option), "apply")
    pages = events(site, "test", laser)
    assert pages[-1]["result"] == "done"
    for event in pages:
        check(event, "test")
    key = site.root / "key"
    key.write_text(site.key)
    answers = f"--server {site.server} --plain --company Acme --location Paris --device all --test"
    steps = events(site, "setup", *answers.split(), "--key-file", str(key), "--replace")
    assert [*dict.fromkeys(step["step"] for step in steps)] == [
        *("server", "key", "locations", "file", "queue", "test", "doctor", "end")
    ]
    for step in steps:
        check(step, "setup")
    site.cloud.stop()
    for command in ("servers", "devices"):
        check(said(site, command), command)


@pytest.mark.parametrize(
    "words", ["nonsense", "jobs --ended x", "job 999999", "devices Paris:Nothing", "setup"]
)
def test_errors(site: PrintSite, words: str) -> None:
    """Each error is a document of its own."""
    check(json.loads(site.cirrusctl(*words.split(), "--json").stdout), "error")
