"""CUPS as a snap is told from the system's."""

from __future__ import annotations

from pathlib import Path

from cirrus_bridge.cups.snap import ALONE, BESIDE, snap_notice


def test_snap_notice(tmp_path: Path) -> None:
    """Who has no snap hears nothing of it; who has nothing but the snap hears what is missing."""
    assert snap_notice(tmp_path) is None
    (tmp_path / "var/snap/cups/common").mkdir(parents=True)
    assert snap_notice(tmp_path) == ALONE
    (tmp_path / "etc/cups").mkdir(parents=True)
    (tmp_path / "etc/cups/cupsd.conf").touch()
    assert snap_notice(tmp_path) == BESIDE
