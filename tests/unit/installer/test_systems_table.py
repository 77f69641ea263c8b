"""The table of systems says "run" for the releases that the tests run, and for no others."""

from __future__ import annotations

from clean_system import RELEASES
from systems_table import TABLE, releases, updated

SEEN = {"CUPS": "2.4.99", "Python": "3.15.0", "systemd": "261"}


def test_rows_of_the_releases_that_are_run() -> None:
    """tests/systems runs RELEASES."""
    assert releases(TABLE.read_text()) == list(RELEASES)


def test_what_a_test_has_seen_replaces_a_row() -> None:
    """The other rows stay."""
    text = TABLE.read_text()
    before, after = text.splitlines(), updated(text, {"sid": SEEN}).splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["| Debian unstable (sid) | 2.4.99 | 3.15.0 | 261 | run |"]
    assert updated(text, {}) == text
