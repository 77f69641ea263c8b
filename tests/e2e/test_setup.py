"""`cirrusctl setup`: by questions at a terminal, and by options from a script."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pexpect
import pytest
import trustme

from cloudlet_server import CloudletServer, Tls
from print_site import BACKEND, PrintSite, eventually
from terminal import PROMPT
from terminal import Terminal as TmuxTerminal


@pytest.fixture
def bare(own_site: PrintSite) -> PrintSite:
    """A site with a cloud and CUPS, without a configuration."""
    (own_site.config / "servers.d" / "site.toml").unlink()
    (own_site.config / "servers.d").rmdir()
    (own_site.config / "bridge.toml").unlink()
    return own_site


@pytest.fixture
def polled(bare: PrintSite) -> Iterator[PrintSite]:
    """Such a site with a poller, so that the doctor finds no fault."""
    with bare.statusd():
        yield bare


class Terminal:
    """`cirrusctl setup` at a terminal; each answer is typed once its question is there."""

    def __init__(self, site: PrintSite, *arguments: str) -> None:
        self.log = (site.root / "terminal").open("w+")
        self._child = pexpect.spawn(
            str(BACKEND.with_name("cirrusctl")),
            ["setup", *arguments],
            env={
                **os.environ,
                **site.environ,
                "CUPS_SERVER": str(site.cups.socket),
                "TERM": "xterm",
                "LC_ALL": "C.UTF-8",
                "COLUMNS": "250",
            },
            timeout=60,
            encoding="utf-8",
            dimensions=(40, 250),
            logfile=self.log,
        )
        self._child.logfile_read, self._child.logfile = self.log, None

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and type an answer."""
        self._child.expect_exact(question)
        self._child.sendline(text)

    def answer_unseen(self, question: str, text: str) -> None:
        """Wait for a question that already hides its answer, and type."""
        self._child.expect_exact(question)
        assert not self._child.getecho()
        self._child.sendline(text)

    def sees(self, text: str) -> None:
        """Wait for a text."""
        self._child.expect_exact(text)

    def match(self, pattern: str) -> str:
        """The first group of a pattern once it matches; empty if the group did not."""
        self._child.expect(pattern)
        assert isinstance(self._child.match, re.Match)
        return self._child.match[1] or ""

    def leave(self) -> None:
        """End the session at once."""
        self._child.close(force=True)
        self.log.close()

    def end(self) -> tuple[int | None, str]:
        """The exit status, and everything that was on the screen."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        self.log.flush()
        self.log.seek(0)
        with self.log:
            return self._child.exitstatus, self.log.read()


def entries(site: PrintSite) -> list[dict[str, Any]]:
    """The entries of servers.d, which is private, as are its files."""
    assert stat.S_IMODE((site.config / "servers.d").stat().st_mode) == 0o700
    found = []
    for path in (site.config / "servers.d").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found += tomllib.loads(path.read_text())["server"]
    return found


def options(site: PrintSite, *but: str, **more: str) -> list[str]:
    """A command line that needs no answer, without some options."""
    key = site.root / "key"
    key.write_text(f"{site.key}\n")
    values = {
        "server": site.server,
        "key-file": str(key),
        "company": "Acme",
        "location": "Paris",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    words = ["--plain"]
    for name, value in values.items():
        words += [] if name in but else [f"--{name}", value]
    return words


def test_poller_that_starts_again(bare: PrintSite) -> None:
    """The doctor at setup's end waits for a poller that systemd restarts for a new key."""
    with ThreadPoolExecutor() as beside:
        words = ("setup", *options(bare), "--device", "Paris:Laser1", "--no-test")
        asked = beside.submit(bare.cirrusctl, *words)
        eventually(lambda: list((bare.config / "servers.d").glob("*.toml")))
        time.sleep(1)
        with bare.statusd():
            done = asked.result()
    assert done.returncode == 0, done.stdout


def test_from_nothing_to_paper(polled: PrintSite) -> None:
    """Every question is asked, most are answered wrong at first, and a page is delivered."""
    polled.cloud.cli("device", "add", "Acme/Paris/Second")
    terminal = Terminal(polled)
    terminal.answer("Print server", "127.0.0.1:1")
    terminal.sees("(CB-411)")
    terminal.answer("Print server", polled.server)
    terminal.answer("without TLS? [Y/n]", "y")
    terminal.sees("answers (version cirrus-cloudlet")
    terminal.answer("Company", "Acme")
    terminal.sees(
        f"The key is sent only to {polled.server}, and stored in {polled.config}/servers.d/"
    )
    terminal.answer_unseen("API key (not shown)", "no key at all")
    terminal.answer_unseen("API key (not shown)", "a-key-that-is-none")
    terminal.sees("Check that the key is complete")  # before anything else is asked
    terminal.answer("Company (its id) [Acme]", "Acne")
    terminal.answer_unseen("API key (not shown)", polled.key)
    terminal.sees("(CB-404)")  # the key is right, but not for this company
    terminal.answer("Company (its id) [Acne]", "Acme")
    terminal.answer_unseen("API key (not shown)", polled.key)
    terminal.sees(f"{polled.server} accepts the key for Acme.")
    terminal.answer("Location", "Atlantis")
    terminal.sees("Use the server's ids for company and location")
    terminal.answer("Location", "Paris")
    terminal.sees("Devices at Paris: 2")
    terminal.sees("Paris:Second  Second at Paris office")
    terminal.answer("Queues for which devices", "1, 7")
    terminal.sees("no active device 7. Name one of Paris:Laser1, Paris:Second")
    terminal.answer("Queues for which devices", "1")
    terminal.answer("[Laser1]", "bad name")
    terminal.sees("(CB-7")
    terminal.answer("[bad name]", "laser")
    terminal.answer("Print a test page on laser? [Y/n]", "")
    terminal.sees("delivered at Paris:Laser1")
    status, screen = terminal.end()
    assert status == 0, screen
    assert screen.splitlines()[-2:] == [
        "The doctor finds nothing wrong.",
        "Done. Try: lp -d laser file.pdf",
    ]
    assert polled.key not in screen and "a-key-that-is-none" not in screen
    (entry,) = entries(polled)
    assert entry == {
        "host": polled.server,
        "company": "Acme",
        "api_key": polled.key,
        "locations": ["Paris"],
        "encryption": "never",
    }
    (job,) = polled.cloud_jobs("Laser1", 1)
    assert job["title"] == "Cirrus Bridge test page"
    printer = polled.cups.printer("laser")
    assert printer["printer-info"] == "Laser1 at Paris office"
    assert printer["printer-make-and-model"].startswith("Cirrus Laser1 at Paris office")


def test_a_key_at_a_wrong_question(polled: PrintSite) -> None:
    """A key that is pasted at any other question is refused, and the screen does not keep it."""
    with TmuxTerminal(polled.root, polled.environ | cups(polled), 100, 40) as terminal:
        terminal.type("cirrusctl setup; echo status $?")
        for question, answer in (
            (r"Print server \(.*\):", polled.server),
            (r".* Continue without TLS\? \[Y/n\]:", "y"),
            (r"Company \(its id\):", "Acme"),
            (r"API key \(not shown\):", polled.key),
            (r"Location \(its id; several with commas\):", "Paris"),
            (r"Queues for which devices \(numbers with commas, all, or none\) \[1\]:", "1"),
            (r"Name of the queue for .*:", "laser"),
            (r"Print a test page on laser\? \[Y/n\]:", "n"),
        ):
            wait_for(terminal, rf"(?:^|\n){question}$")
            if "not shown" not in question:
                terminal.type(polled.key)
                wait_for(terminal, rf"\n! This looks like an API key,(?:.*\n)+?{question}$")
                assert polled.key[:8] not in terminal.before()
            terminal.type(answer)
        terminal.sees(f"\nDone. Try: lp -d laser file.pdf\nstatus 0\n{PROMPT}")
        assert polled.key[:8] not in terminal.before()
    assert [entry["api_key"] for entry in entries(polled)] == [polled.key]


def test_a_pasted_key_is_never_echoed(polled: PrintSite) -> None:
    """At a question for yes or no, not even the terminal's own echo shows a pasted key."""
    terminal = Terminal(polled)
    terminal.answer("Print server", polled.server)
    terminal.answer_unseen("without TLS? [Y/n]", polled.key)
    terminal.sees("! This looks like an API key")
    terminal.answer_unseen("without TLS? [Y/n]", "noyes\x7f\x7f\x7f\x7fx\x15y")
    terminal.sees("answers (version cirrus-cloudlet")
    terminal.sees("Company")
    terminal.leave()
    screen = (polled.root / "terminal").read_text()
    assert polled.key not in screen and polled.key[2:10] not in screen


def test_a_known_key_is_kept(polled: PrintSite) -> None:
    """A second run offers the key of servers.d, and adds to its locations."""
    done = polled.cirrusctl("setup", *options(polled, device="none"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Done. To add a queue, run: cirrusctl setup\n")
    polled.cloud.cli("location", "add", "Acme/Lyon")
    terminal = Terminal(polled, "--plain")
    terminal.answer("Print server", polled.server)
    terminal.answer("Company", "Acme")
    terminal.answer("has a key for this company. Use it? [Y/n]", "")
    terminal.sees("accepts the key for Acme")
    terminal.answer("Location", "Lyon")
    status, screen = terminal.end()
    assert status == 0, screen
    (entry,) = entries(polled)
    assert (entry["api_key"], entry["locations"]) == (polled.key, ["Paris", "Lyon"])
    polled.key = polled.cloud.cli("key", "add", "--company", "Acme")
    terminal = Terminal(polled, "--plain")
    terminal.answer("Print server", polled.server)
    terminal.answer("Company", "Acme")
    terminal.answer("has a key for this company. Use it? [Y/n]", "n")
    terminal.answer_unseen("API key", polled.key)
    terminal.answer("Location", "Lyon")
    assert terminal.end()[0] == 0
    assert [entry["api_key"] for entry in entries(polled)] == [polled.key]


def test_it_does_not_work_yet(bare: PrintSite) -> None:
    """If the doctor finds an error, setup does not say that it is done."""
    done = bare.cirrusctl("setup", *options(bare, device="all"), "--no-test")
    assert done.returncode == 1
    assert "Start the poller" in done.stdout
    assert done.stdout.endswith("Not everything works yet. Next, run: cirrusctl doctor\n")


def wait_for(terminal: TmuxTerminal, pattern: str) -> None:
    """Wait until a pattern is on the screen."""
    found = re.compile(pattern)
    try:
        eventually(lambda: found.search(terminal.screen()))
    except AssertionError:
        raise AssertionError(f"{pattern} is not on:\n{terminal.screen()}") from None


def cups(site: PrintSite) -> dict[str, str]:
    """The variable with the site's cupsd."""
    return {"CUPS_SERVER": str(site.cups.socket)}


def test_from_a_script(polled: PrintSite) -> None:
    """Each question is an option, and each step a line of JSON.

    A second run replaces the file on request, and adds queues under other names.
    """
    done = polled.cirrusctl("setup", *options(polled, device="all"), "--test", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert steps[0] == {
        "step": "server",
        "server": polled.server,
        "version": steps[0]["version"],
        "tls": False,
    }
    assert {"step": "queue", "queue": "Laser1", "device": "Paris:Laser1"} in steps
    assert steps[-2] == {"step": "doctor", "findings": []}
    assert steps[-1] == {"step": "end", "works": True, "queues": ["Laser1"]}
    assert len(polled.cloud_jobs("Laser1", 1)) == 1
    polled.key = polled.cloud.cli("key", "add", "--company", "Acme")
    done = polled.cirrusctl("setup", *options(polled, device="all"))
    assert done.returncode == 3 and "Use --replace to replace it" in done.stderr
    done = polled.cirrusctl("setup", *options(polled, device="all"), "--replace")
    assert "Queue Paris-Laser1 prints to" in done.stdout
    done = polled.cirrusctl(
        "setup", *options(polled, device="Paris:Laser1", queue_name="{device}"), "--replace"
    )
    assert done.returncode == 5 and "already has a queue Laser1" in done.stderr
    assert len(entries(polled)) == 1
    done = polled.cirrusctl(
        "setup", *options(polled, device="all", queue_name="{what}"), "--replace"
    )
    assert done.returncode == 2 and "unknown placeholder {what}" in done.stderr


def test_printers_without_drivers(polled: PrintSite) -> None:
    """The chosen devices are offered, too. The doctor says that the service does not run."""
    done = polled.cirrusctl("setup", *options(polled, device="all"), "--printers", "--json")
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    path = polled.config / "bridge.toml"
    assert {"step": "printers", "path": str(path), "devices": ["Paris:Laser1"]} in steps
    assert tomllib.loads(path.read_text())["printers"]["devices"] == ["Paris:Laser1"]
    assert "cirrus-printers" in str(steps[-2]["findings"])
    assert (done.returncode, steps[-1]["works"]) == (1, False)
    done = polled.cirrusctl("setup", *options(polled, device="all"), "--replace", "--printers")
    assert 'For the network, set listen = "0.0.0.0"' in " ".join(done.stdout.split())


def test_printers_without_cups(bare: PrintSite) -> None:
    """Devices are offered, and no queue is added. Without the option, the error names it."""
    bare.cups.stop()
    done = bare.cirrusctl("setup", *options(bare, device="all"), "--json")
    assert done.returncode == 5
    assert "--printers" in str(json.loads(done.stdout)["error"])
    done = bare.cirrusctl("setup", *options(bare, device="all"), "--printers", "--json")
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["step"] for each in steps[-3:]] == ["printers", "doctor", "end"]
    assert steps[-3]["devices"] == ["Paris:Laser1"]
    assert steps[-1]["queues"] == []


def test_printers_without_a_device(polled: PrintSite) -> None:
    """The setup says that nothing is offered."""
    done = polled.cirrusctl("setup", *options(polled, device="none"), "--printers")
    assert "No device was chosen" in done.stdout, done.stdout + done.stderr


def test_the_same_again(polled: PrintSite) -> None:
    """A second run with the same answers does not ask whether to replace anything."""
    done = polled.cirrusctl("setup", *options(polled, device="none"))
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = (polled.config / "servers.d").iterdir()
    before = written.stat()
    done = polled.cirrusctl("setup", *options(polled, device="all"))
    assert done.returncode == 0 and f"{written} already has this entry." in done.stdout
    assert written.stat() == before
    assert polled.cups.printer("Laser1")


def test_told_before_anything_is_asked(bare: PrintSite) -> None:
    """Missing root rights or a missing CUPS are reported before anyone types a key."""
    words = ["setup", *options(bare, device="all"), "--json"]
    bare.config.chmod(0o755)
    done = subprocess.run(
        [BACKEND.with_name("cirrusctl"), *words],
        env=os.environ | bare.environ | {"CUPS_SERVER": str(bare.cups.socket)},
        user="nobody",
        group="nogroup",
        extra_groups=[],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 3
        and "Run this command as root" in json.loads(done.stdout)["error"]["message"]
    )
    bare.cups.stop()
    done = bare.cirrusctl(*words)
    assert done.returncode == 5, done.stdout + done.stderr
    said = json.loads(done.stdout)["error"]
    assert said["code"] == "CB-711" and said["detail"].endswith(": No such file or directory")
    assert not (bare.config / "servers.d").exists()


@pytest.mark.parametrize("missing", ["server", "key-file", "company", "location"])
def test_what_is_missing(bare: PrintSite, missing: str) -> None:
    """Without a terminal, the missing option is named and nothing is written."""
    done = bare.cirrusctl("setup", *options(bare, missing))
    assert done.returncode == 2 and f"--{missing}" in done.stderr
    assert not (bare.config / "servers.d").exists()


def test_what_is_wrong(bare: PrintSite) -> None:
    """Without a terminal, a wrong option ends with its exit status, and nothing is written."""
    wrong = bare.root / "wrong"
    wrong.write_text("a-key-that-is-none")
    several = bare.root / "several"
    several.write_text("one\ntwo\n")
    for words, status, says in (
        (options(bare, server="127.0.0.1:1"), 4, "(CB-411)"),
        (options(bare, server="http://what"), 2, "not a host name, or host name and port. Write"),
        (options(bare)[1:], 4, "without TLS, use --plain"),
        (options(bare, location="Atlantis"), 4, "Use the server's ids for company and"),
        (options(bare, "location", key_file=str(wrong)), 4, "Check that the key is complete"),
        (options(bare, key_file=str(bare.root / "none")), 2, "(No such file or directory). Name"),
        (
            options(bare, key_file=str(several)),
            2,
            "(the file holds no key, or more than one). Name a",
        ),
        (options(bare, ca_file=str(bare.root / "none")), 2, "none. Name the file"),
    ):
        done = bare.cirrusctl("setup", *words)
        assert done.returncode == status and says in done.stderr, done.stderr
        assert "servers.d" not in done.stderr and "Errno" not in done.stderr
        assert ("(CB-" in done.stderr) == (status == 4)
    assert not (bare.config / "servers.d").exists()
    done = bare.cirrusctl("setup", *options(bare, device="Paris:None"))
    assert done.returncode == 7 and "Name one of Paris:Laser1, or all, or none." in done.stderr


def test_a_server_without_tls(polled: PrintSite) -> None:
    """The detected encryption applies to later requests, and to queues that people add."""
    done = polled.cirrusctl("setup", *options(polled, device="all", queue_name="laser"))
    assert done.returncode == 0, done.stderr
    for words in (["servers"], ["devices"], ["doctor"]):
        done = polled.cirrusctl(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    uri = polled.discovered("Laser1")["uri"]
    (polled.config / "queues.toml").write_text(
        '[[queue]]\nname = "declared"\ntargets = ["Paris:Laser1"]\n'
    )
    done = polled.cirrusctl("apply")
    assert done.returncode == 0, done.stderr
    for queue in ("laser", "declared"):
        assert polled.cups.printer(queue)["device-uri"] == uri and "?" not in uri
        done = polled.cirrusctl("test", queue)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_configuration_stays_as_it_was(bare: PrintSite) -> None:
    """An invalid file of the administrator is named; the new file does not stay."""
    other = bare.config / "servers.d" / "other.toml"
    other.parent.mkdir()
    other.touch(0o600)
    other.write_text("[[server]\n")
    done = bare.cirrusctl("setup", *options(bare))
    assert done.returncode == 3 and str(other) in done.stderr
    assert list(other.parent.iterdir()) == [other]


def test_several_entries_in_one_file(bare: PrintSite) -> None:
    """The administrator edits such files; setup does not."""
    path = bare.config / "servers.d" / "mine.toml"
    path.parent.mkdir()
    path.touch(0o600)
    text = "".join(
        f'[[server]]\nhost = "{host}"\ncompany = "Acme"\napi_key = "k"\n'
        for host in (bare.server, "else.example")
    )
    path.write_text(text)
    done = bare.cirrusctl("setup", *options(bare), "--replace")
    assert done.returncode == 3 and f"{path} has this server's entry and others" in done.stderr
    assert path.read_text() == text


def test_a_ca_of_its_own(polled: PrintSite, tmp_path: Path) -> None:
    """For an untrusted certificate, setup asks for the CA and writes its path down."""
    ca = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    issued = ca.issue_cert("127.0.0.1")
    tls = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    issued.private_key_pem.write_to_path(str(tls.key))
    tls.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (tmp_path / "cloud").mkdir()
    cloud = CloudletServer()
    cloud.start(tmp_path / "cloud" / "data", tls)
    try:
        terminal = Terminal(polled)
        terminal.answer("Print server", cloud.url.partition("://")[2])
        terminal.sees("(CB-405)")
        terminal.answer("File of the CA", str(ca_file))
        terminal.answer("Company", "ACME")
        terminal.answer("API key", cloud.key)
        terminal.answer("Location", "Office")
        terminal.answer("Queues for which devices", "none")
        status, screen = terminal.end()
    finally:
        cloud.close()
    assert status == 0, screen
    (entry,) = entries(polled)
    assert entry["ca_file"] == str(ca_file)
    assert entry["encryption"] == "required"  # as tried, whatever [defaults] contains


def test_servers_of_the_network(polled: PrintSite, tmp_path: Path) -> None:
    """An announced server is proposed with its company."""
    cloud = CloudletServer(announce=True)
    (tmp_path / "cloud").mkdir()
    cloud.start(tmp_path / "cloud" / "data")
    try:
        listed = rf"(\d+)  [^\n]*:{cloud.port}, company ACME|HOST or HOST:PORT"
        while not (number := (terminal := Terminal(polled)).match(listed)):
            terminal.leave()  # browsing lasts a second, which may be too short on a busy machine
        terminal.answer("or a number of the list)", number)
        terminal.answer("without TLS? [Y/n]", "y")
        terminal.sees(f"127.0.0.1:{cloud.port} answers")
        terminal.answer("Company (its id) [ACME]", "")
        terminal.answer("API key", cloud.key)
        terminal.answer("Location", "Office")
        terminal.answer("Queues for which devices", "")
        terminal.answer("[Folder]", "")
        terminal.answer("test page on Folder? [Y/n]", "n")
        status, screen = terminal.end()
    finally:
        cloud.close()
    assert status == 0, screen
    assert entries(polled)[0]["host"] == f"127.0.0.1:{cloud.port}"
