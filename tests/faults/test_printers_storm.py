"""A short storm of faults for IPP clients' jobs; `tests/storm --kind printers` runs long ones."""

from __future__ import annotations

import pytest

from faulty_printers import faulty_printers
from printer_storm import DEVICES, PrinterStorm

SHORT_S = 12.0


@pytest.mark.parametrize("seed", [1, 2])
def test_everything_is_delivered(seed: int) -> None:
    """Each accepted document comes out once at its printer."""
    with faulty_printers(devices=DEVICES) as (site, line):
        PrinterStorm(site, line, seed, print).run(SHORT_S)
