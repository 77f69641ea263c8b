"""The table of systems in installer/docs/install.md: its rows "run" come from tests/systems.

Each test records what its system has. As a program, this module writes the records into the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from clean_system import CleanSystem
from paths import REPO

TABLE = REPO / "installer" / "docs" / "install.md"
RECORDS = REPO / "build" / "systems"
PACKAGES = {"CUPS": "cups", "Python": "python3", "systemd": "systemd"}
_ROW = re.compile(r"(?m)^\| (Debian .*\((\w+)\)) \|.*\| run \|$")


def record(release: str, system: CleanSystem) -> None:
    """Record the versions of a release that a test has run on."""
    versions = {}
    for column, package in PACKAGES.items():
        said = system.run("apt-cache", "show", "--no-all-versions", package)
        (versions[column],) = re.findall(r"(?m)^Version: (?:\d+:)?(\d+(?:\.\d+)*)", said)
    RECORDS.mkdir(parents=True, exist_ok=True)
    (RECORDS / f"{release}.json").write_text(json.dumps(versions))


def releases(text: str) -> list[str]:
    """The releases in rows "run" of the table."""
    return [match[2] for match in _ROW.finditer(text)]


def updated(text: str, records: Mapping[str, Mapping[str, str]]) -> str:
    """The text with the versions of each recorded release."""

    def row(match: re.Match[str]) -> str:
        if match[2] not in records:
            return match[0]
        cells = (match[1], *(records[match[2]][column] for column in PACKAGES), "run")
        return f"| {' | '.join(cells)} |"

    return _ROW.sub(row, text)


def main() -> None:
    """Write all records into the table."""
    records = {file.stem: json.loads(file.read_text()) for file in RECORDS.glob("*.json")}
    TABLE.write_text(updated(TABLE.read_text(), records))


if __name__ == "__main__":
    main()
