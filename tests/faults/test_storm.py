"""A short restart storm; `tests/storm` makes long ones."""

from __future__ import annotations

import pytest

from print_site import PrintSite
from storm import Storm

SHORT_S = 12.0


@pytest.mark.parametrize("seed", [1, 3])  # 3 kills each of the runs of a job of three files
def test_everything_is_delivered_once(own_site: PrintSite, seed: int) -> None:
    """Whatever is killed: each document is delivered once, and nothing is left open or stopped."""
    print(f"seed {seed}")
    Storm(own_site, seed, print).run(SHORT_S)
