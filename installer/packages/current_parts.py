"""Refuse to bundle parts that have newer versions or known vulnerabilities."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from bundled import Part

_POLICY = re.compile(r"(?m)^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)$")


def refuse_outdated(parts: Iterable[Part]) -> None:
    """Compare the distribution's packages with apt's lists, which installer/bootstrap updates.

    Raises:
        SystemExit: a package has a newer version.
    """
    names = sorted({part.name for part in parts if part.purl.startswith("pkg:deb/")})
    policy = subprocess.run(
        ["apt-cache", "policy", *names],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    old = [entry for entry in _POLICY.findall(policy) if entry[1] != entry[2]]
    if old:
        raise SystemExit(
            "These packages have newer versions, and their files go into the programs:\n"
            + "".join(f"  {name} {version} (newer: {newer})\n" for name, version, newer in old)
            + "Upgrade them as root, then build again:\n"
            + f"  apt-get install --only-upgrade {' '.join(name for name, *_ in old)}"
        )


def refuse_vulnerable(parts: Iterable[Part]) -> None:
    """Ask pip-audit's service for known vulnerabilities of the Python libraries.

    If the service does not answer for all of them, say so on standard error.

    Raises:
        SystemExit: a library has a known vulnerability.
    """
    libraries = {part.name: part.version for part in parts if part.purl.startswith("pkg:pypi/")}
    checked = _audited(libraries)
    found = [
        f"  {entry['name']} {entry['version']}: {vulnerability['id']}"
        f" (fixed in: {', '.join(vulnerability['fix_versions']) or 'no version yet'})\n"
        for entry in checked
        for vulnerability in entry["vulns"]
    ]
    if found:
        raise SystemExit(f"Bundled libraries have known vulnerabilities:\n{''.join(found)}")
    unchecked = sorted(libraries.keys() - {entry["name"] for entry in checked})
    if unchecked:
        print(
            f"NOT CHECKED for known vulnerabilities: {', '.join(unchecked)}.\n"
            "Build again where pip-audit reaches PyPI (Release, in CONTRIBUTING.md).",
            file=sys.stderr,
        )


def _audited(libraries: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the service knows of each library, without libraries that it does not know."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in libraries.items()))
        file.flush()
        command = ["pip-audit", "--requirement", file.name, "--no-deps", "--disable-pip"]
        done = subprocess.run(
            [*command, "--progress-spinner", "off", "--format", "json"],
            capture_output=True,
            text=True,
        )
    if not done.stdout:  # the service does not answer; the status is also 1 for a vulnerability
        return []
    return [entry for entry in json.loads(done.stdout)["dependencies"] if "vulns" in entry]
