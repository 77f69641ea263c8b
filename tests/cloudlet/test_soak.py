"""A short soak: honest clients are served while hostile ones attack. tests/soak runs a long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak import Soak


@pytest.mark.attacker("print key")
def test_honest_and_hostile_clients(tmp_path: Path) -> None:
    """Send decompression bombs, slow bodies and broken requests: honest prints arrive, and nothing
    is left behind."""
    soak = Soak(tmp_path, seed=7, say=print)
    soak.run(idle_s=1.0, hostile_s=3.0)
    assert soak.broken == []
