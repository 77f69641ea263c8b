"""Hypothesis profiles: a few examples, the same in each run, by default.

`tests/run tests/fuzz --hypothesis-profile=long --timeout=0` searches for minutes. Each finding
becomes a file of the corpus.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "short", max_examples=150, derandomize=True, deadline=None, suppress_health_check=_SLOW
)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("short")
