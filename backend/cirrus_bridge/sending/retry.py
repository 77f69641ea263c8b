"""How long to wait before the next try. Pure: no clock, no sleep."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_S = 1.0
CAP_S = 60.0


def waits(rng: random.Random) -> Iterator[float]:
    """Endless waits in seconds: exponential back-off with full jitter, so that the clients of a
    server that failed do not all come back at the same moment."""
    ceiling = FIRST_S
    while True:
        yield rng.uniform(0.1, ceiling)
        ceiling = min(ceiling * 2, CAP_S)
