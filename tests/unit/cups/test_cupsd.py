"""Detection of CUPS as a snap, alone or beside the system's CUPS."""

from __future__ import annotations

from pathlib import Path

from cirrus_bridge.cups.cupsd import ALONE, BESIDE, snap_notice


def test_snap_notice(tmp_path: Path) -> None:
    """Without a snap there is no notice. With only the snap, the notice says what is missing."""
    assert snap_notice(tmp_path) is None
    (tmp_path / "var/snap/cups/common").mkdir(parents=True)
    assert snap_notice(tmp_path) == ALONE
    (tmp_path / "etc/cups").mkdir(parents=True)
    (tmp_path / "etc/cups/cupsd.conf").touch()
    assert snap_notice(tmp_path) == BESIDE
