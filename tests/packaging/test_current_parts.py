"""The release refuses parts that have newer versions or known vulnerabilities."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bundled import Part
from current_parts import refuse_outdated, refuse_vulnerable
from scripted_server import Answer, Request, ScriptedServer

LIBRARY = Part("certifi", "2019.1.1", "pkg:pypi/certifi@2019.1.1", ())
OTHER = Part("requests", "2.32.0", "pkg:pypi/requests@2.32.0", ())
PACKAGE = "Package: example\nVersion: {}\nArchitecture: all\nMaintainer: a\nDescription: a\n"
APT = """\
Dir::State "{0}/state"; Dir::State::status "{0}/status"; Dir::Cache "{0}/cache";
Dir::Etc::sourcelist "{0}/sources"; Dir::Etc::sourceparts "/dev/null"; APT::Sandbox::User "root";
"""


def test_outdated_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names versions and the command, until the package is upgraded."""
    (tmp_path / "state").mkdir()
    (tmp_path / "apt.conf").write_text(APT.format(tmp_path))
    (tmp_path / "sources").write_text(f"deb [trusted=yes] file:{tmp_path} ./\n")
    about = PACKAGE.format("2") + f"Filename: ./a.deb\nSize: 1\nSHA256: {'0' * 64}\n"
    (tmp_path / "Packages").write_text(about)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    status, installed = tmp_path / "status", "Status: install ok installed\n"
    status.write_text(PACKAGE.format("1") + installed)
    subprocess.run(["apt-get", "-qq", "update"], check=True)

    parts = [Part("example", "1", "pkg:deb/debian/example@1", ()), LIBRARY]
    with pytest.raises(SystemExit) as refused:
        refuse_outdated(parts)
    assert "\n  example 1 (newer: 2)\n" in str(refused.value)
    assert str(refused.value).endswith("\n  apt-get install --only-upgrade example")
    status.write_text(PACKAGE.format("2") + installed)
    refuse_outdated(parts)


def test_known_vulnerabilities(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One of the libraries has a vulnerability; the service is asked about each."""
    answers = {"certifi": {"vulns": [VULNERABILITY]}}

    def answer(request: Request) -> Answer:
        return Answer(json.dumps(answers.get(json.loads(request.body)["package"]["name"], {})))

    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    with ScriptedServer(answer) as server:
        monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://{server.name}/")
        with pytest.raises(SystemExit, match=r"certifi 2019.1.1: PYSEC-1 \(fixed in: 2022.12.7\)"):
            refuse_vulnerable([LIBRARY, OTHER])
        refuse_vulnerable([OTHER])
    assert capfd.readouterr() == ("", "")
    refuse_vulnerable([OTHER])
    assert capfd.readouterr().err.startswith("NOT CHECKED for known vulnerabilities: requests.\n")


VULNERABILITY = {
    "id": "PYSEC-1",
    "summary": "a vulnerability",
    "affected": [
        {
            "package": {"name": "certifi", "ecosystem": "PyPI"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2022.12.7"}]}
            ],
        }
    ],
}
