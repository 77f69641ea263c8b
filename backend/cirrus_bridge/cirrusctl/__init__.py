"""The administrator's program `cirrusctl`. Nothing that takes part in printing imports it."""
