"""cirrusctl in the user's language: text for people, but not JSON for programs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pexpect
import pytest

from print_site import BACKEND, PATIENCE_S, PrintSite

PROGRAM = BACKEND.with_name("cirrusctl")


def said(site: PrintSite, language: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The output in a language, set by gettext's variables."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env=os.environ
        | site.environ
        | {"CUPS_SERVER": str(site.cups.socket), "LANGUAGE": language, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.sampled(language=["ja"])
@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "de",
            (
                "BEFUND",
                "Der Server nimmt den Schlüssel an.",
                "Es gibt noch kein Journal",
                "Warteschlange",
            ),
        ),
        ("fr", ("CONSTAT", "Le serveur accepte la clé.", "Il n’y a pas encore de journal", "file")),
        ("es", ("HALLADO", "El servidor acepta la clave.", "Aún no hay diario", "cola")),
        ("ja", ("所見", "サーバーがキーを受け付けました。", "ジャーナルはありません", "キュー")),
    ],
)
def test_the_doctor(own_site: PrintSite, language: str, texts: tuple[str, ...]) -> None:
    """Headings, findings and advice are translated; JSON is the same in each language."""
    own_site.cups.run("lpadmin", "-p", "q", "-E", "-v", f"cirrus://{own_site.server}/Acme/P:L")
    done = said(own_site, language, "doctor")
    for text in texts:
        assert text in done.stdout, done.stdout
    assert "→ " in done.stdout and "checks passed" not in done.stderr
    document = json.loads(said(own_site, language, "doctor", "--json").stdout)
    assert {"key", "journal", "poller"} <= {each["check"] for each in document["findings"]}
    (key,) = [each for each in document["findings"] if each["check"] == "key"]
    assert key["text"] == "The server accepts the key."


def test_queues_and_jobs(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """Tables have translated states; JSON and options use IPP's words."""
    assert "in die Cloud führt" in said(own_site, "de", "queues").stdout
    queue = own_site.queue("Paris:None")
    own_site.cups.wait_job(own_site.cups.lp(queue, pdfs[1]), "held")
    titles, row = said(own_site, "de", "queues").stdout.splitlines()
    assert titles.startswith("WARTESCHLANGE  ZUSTAND") and row.split()[1:3] == ["bereit", "ja"]
    titles, row = said(own_site, "ja", "queues").stdout.splitlines()
    assert titles.startswith("キュー") and "待機中" in row
    done = said(own_site, "de", "jobs", "--state", "held")
    assert "angehalten" in done.stdout and "(CB-401)" in done.stdout
    (job,) = json.loads(said(own_site, "de", "jobs", "--json").stdout)
    assert job["state"] == "held"
    done = said(own_site, "de", "jobs", "--user", "bob")
    assert done.stdout.startswith("Keiner der 1 Aufträge passt dazu. Vorhanden: Benutzer ")


@pytest.mark.parametrize(
    ("language", "head", "end"),
    [
        (
            "de",
            "CB-402: der Server hat den Schlüssel abgelehnt.",
            "Exit-Code des Backends ist 3).",
        ),
        ("ja", "CB-402: サーバーがキーを拒否しました。", "(バックエンドの終了コードは 3)。"),
        ("en_GB:de", "CB-402: the server refused the key.", "exit code is 3)."),
        ("tlh", "CB-402: the server refused the key.", "exit code is 3)."),
    ],
)
def test_a_code(site: PrintSite, language: str, head: str, end: str) -> None:
    """The explanation is in the first available language."""
    text = said(site, language, "explain", "CB-402").stdout
    assert text.startswith(head)
    # Japanese lines are wrapped within words, so white space says nothing
    assert "".join(text.split()).endswith("".join(end.split()))
    assert json.loads(said(site, language, "explain", "402", "--json").stdout)["what"] == (
        "the server refused the key"
    )


def test_letters_that_the_locale_lacks(site: PrintSite) -> None:
    """Such letters are escaped, as are titles in other scripts; JSON stays JSON."""
    environ = os.environ | site.environ | {"LANGUAGE": "fr", "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([PROGRAM, "explain"], env=environ, capture_output=True, check=True)
    assert rb"\u2019" in done.stdout and "é".encode("latin-1") in done.stdout
    environ["LANGUAGE"] = "ja"
    done = subprocess.run([PROGRAM, "explain", "402"], env=environ, capture_output=True, check=True)
    assert done.stdout.startswith(rb"CB-402: \u30b5")
    done = subprocess.run(
        [PROGRAM, "explain", "--json"], env=environ, capture_output=True, check=True
    )
    assert done.stdout.isascii() and json.loads(done.stdout)


def test_a_test_page(own_site: PrintSite) -> None:
    """The test page's job speaks the language of its user."""
    done = said(own_site, "de", "test", own_site.queue("Paris:None"))
    assert done.returncode == 1 and "hat die Anfrage abgelehnt" in done.stdout, done.stdout


def test_errors_and_questions(own_site: PrintSite) -> None:
    """Errors with their advice and the questions of setup are translated."""
    done = said(own_site, "de", "setup", "--server", "127.0.0.1:1", "--plain")
    assert done.returncode == 4
    assert "127.0.0.1:1" in done.stderr and "Cannot reach" not in done.stderr
    assert "Mehr dazu: cirrusctl explain CB-411" in done.stderr
    done = said(own_site, "de", "servers", "--json")
    assert json.loads(done.stdout)[0]["state"] == "ok"
    terminal = pexpect.spawn(
        str(PROGRAM),
        ["setup"],
        env=os.environ
        | own_site.environ
        | {"CUPS_SERVER": str(own_site.cups.socket), "LANGUAGE": "de", "LANG": "C.UTF-8"},
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect_exact("Druckserver (HOST oder HOST:PORT")
    terminal.sendline(own_site.server)
    terminal.expect_exact("[J/n]")
    terminal.sendline("vielleicht")
    terminal.expect_exact("! Antworten Sie mit ja oder nein.")
    terminal.sendline("j")
    terminal.expect_exact("antwortet (Version cirrus-cloudlet")
    terminal.expect_exact("Firma (ihre ID)")
    terminal.close(force=True)
