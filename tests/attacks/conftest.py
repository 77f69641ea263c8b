"""Fixtures: an embedded cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer


@pytest.fixture
def own(tmp_path: Path) -> Iterator[CloudletServer]:
    """A server for one test."""
    server = CloudletServer()
    server.start(tmp_path / "data")
    yield server
    server.close()
