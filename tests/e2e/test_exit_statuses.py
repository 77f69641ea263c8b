"""The exit statuses of cirrusctl: each command uses them with the same meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.cirrusctl.main import COMMANDS
from cirrus_bridge.cirrusctl.output.exit_status import MEANINGS, ExitStatus
from paths import REPO
from print_site import PrintSite

DONE, USAGE = ExitStatus.DONE, ExitStatus.USAGE
UNKNOWN, CUPS, CONFIGURATION = ExitStatus.UNKNOWN, ExitStatus.CUPS, ExitStatus.CONFIGURATION

CASES = [
    (["nonsense"], USAGE),
    ([], USAGE),
    (["queues"], DONE),
    (["servers"], DONE),
    (["devices"], DONE),
    (["jobs"], DONE),
    (["explain"], DONE),
    (["devices", "Nowhere:*"], DONE),  # a pattern may match nothing
    (["jobs", "--user", "nobody-prints"], DONE),
    (["test", "nope"], UNKNOWN),
    (["job", "999999"], UNKNOWN),
    (["jobs", "--before", "999999"], UNKNOWN),
    (["jobs", "--queue", "nope"], UNKNOWN),
    (["devices", "Paris:Nothing"], UNKNOWN),
    (["devices", "nowhere"], UNKNOWN),
    (["explain", "CB-999"], UNKNOWN),
    (["doctor", "--server", "nowhere.example"], UNKNOWN),
    (["jobs", "--state", "sleeping"], USAGE),
    (["doctor", "--submit", "Paris:Laser1"], USAGE),
    (["setup", "--server", "http://what"], USAGE),
    (["setup"], USAGE),  # without a terminal
]


@pytest.fixture(scope="module")
def site() -> Iterator[PrintSite]:
    """A site of this file's own: other tests add servers that do not answer."""
    with PrintSite(is_warm=False) as own:
        yield own


@pytest.mark.sampled
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("words", "status"),
    [(("--help",), DONE), (("--nonsense",), USAGE), (("too", "many", "words"), USAGE)],
)
def test_each_command(
    site: PrintSite, command: str, words: tuple[str, ...], status: ExitStatus
) -> None:
    """Each command has the status of a command line that is right, or wrong."""
    _check(site, [command, *words], status)


@pytest.mark.parametrize(("words", "status"), CASES, ids=lambda each: str(each))
def test_a_healthy_site(site: PrintSite, words: list[str], status: ExitStatus) -> None:
    """Each command has the status of what it finds."""
    _check(site, words, status)


def _check(site: PrintSite, words: list[str], status: ExitStatus) -> None:
    """The status is the same for people and for programs, which get the error as JSON."""
    done = site.cirrusctl(*words)
    assert done.returncode == status, done.stdout + done.stderr
    if not words or "--help" in words:
        return
    as_json = site.cirrusctl(*words, "--json")
    assert as_json.returncode == status, as_json.stdout + as_json.stderr
    document = json.loads(as_json.stdout)
    if status is not DONE:
        assert {*document["error"]} == {"code", "message", "do", "detail"}
        assert document["error"]["message"] in done.stderr
        assert "Traceback" not in as_json.stderr


def test_without_cups(own_site: PrintSite) -> None:
    """A CUPS that is away is told apart from a name that does not exist."""
    own_site.cups.stop()
    for words in ("jobs", "job 1", "queues", "test laser", "jobs --queue laser"):
        assert own_site.cirrusctl(*words.split()).returncode == CUPS


@pytest.mark.parametrize(
    "words", [["servers"], ["devices"], ["apply"], ["doctor", "--server", "x"]]
)
def test_a_wrong_configuration(own_site: PrintSite, words: list[str]) -> None:
    """Each command that reads the configuration refuses a wrong one with the same status."""
    (own_site.config / "bridge.toml").write_text("[default]\n")
    done = own_site.cirrusctl(*words)
    assert done.returncode == CONFIGURATION
    assert "Did you mean defaults?" in done.stderr


def test_guesses(site: PrintSite) -> None:
    """Names that are nearly right are guessed, wherever they are refused."""
    queue = site.queue()
    for words, guess in (
        (["job", "--jason", "1"], "--json"),
        (["queuess"], "queues"),
        (["test", queue + "x"], queue),
        (["jobs", "--queue", queue + "x"], queue),
        (["devices", "Paris:Lasr1"], "Paris:Laser1"),
        (["devices", "Pari"], "Paris:*"),
        (["explain", "CB-40"], "CB-4"),
        (["doctor", "--server", site.server + "0"], site.server),
    ):
        done = site.cirrusctl(*words)
        found = re.search(r"Did you mean (.*?)\?", done.stderr)
        assert found and guess in found[1], done.stderr


def test_the_manual() -> None:
    """The manual page's table is made from the same meanings, and scripts can rely on it."""
    template = REPO / "installer" / "packages" / "man" / "cirrusctl.8.scd.in"
    assert "$statuses" in Path(template).read_text()
    assert sorted(MEANINGS) == list(range(len(ExitStatus)))
