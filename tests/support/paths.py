"""Paths of this repository."""

from __future__ import annotations

from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SUPPORT = REPO / "tests" / "support"
WELCOME = REPO / "installer" / "welcome.pdf"
