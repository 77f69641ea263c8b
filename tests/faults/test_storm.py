"""Short restart storms; `tests/storm` runs long ones."""

from __future__ import annotations

import pytest

from print_site import PrintSite
from storm import KINDS, Storm

SHORT_S = 12.0
# 3 kills each of the runs of a job of three files
SEEDS = [("kills", 1), ("kills", 3), ("faults", 1), ("restored", 1)]


@pytest.mark.sampled
@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize(("kind", "seed"), SEEDS)
def test_everything_is_delivered(kind: str, seed: int, is_warm: bool) -> None:
    """The promises of this kind of storm (`storm`) hold at its end."""
    print(f"seed {seed}")
    with PrintSite(is_warm=is_warm, directives=KINDS[kind].directives) as site:
        Storm(site, KINDS[kind], seed, print).run(SHORT_S)
