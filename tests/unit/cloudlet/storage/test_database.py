"""The database of the embedded cloud, as another version left it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.opening import open_store


def test_newer_version(tmp_path: Path) -> None:
    """A database of a newer version is refused with the next steps, and not changed."""
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / "cloudlet.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (tmp_path / "cloudlet.db").read_bytes()
    with pytest.raises(SettingsError, match=r"format 99; .*\. Install that version again, or "):
        open_store(tmp_path)
    assert (tmp_path / "cloudlet.db").read_bytes() == before
