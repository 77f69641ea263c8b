"""Assembly of an upload from segments in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.storage.uploads import Segment, assemble

_places = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=12)


@given(_places)
def test_the_newest_byte_counts(places: list[tuple[int, int]]) -> None:
    """Each byte is from its newest segment; the first gap is refused."""
    segments = [
        Segment(number, position, length, str(number))
        for number, (position, length) in enumerate(places)
    ]
    painted: dict[int, tuple[str, int]] = {}
    for segment in segments:
        for offset in range(segment.length):
            painted[segment.position + offset] = (segment.file, offset)
    gap = next((at for at in range(max(painted, default=0)) if at not in painted), None)
    if not painted:
        with pytest.raises(Refusal, match="empty"):
            assemble(segments)
    elif gap is not None:
        with pytest.raises(Refusal, match=f"byte {gap} is missing"):
            assemble(segments)
    else:
        found = [
            (extent.file, extent.offset + number)
            for extent in assemble(segments)
            for number in range(extent.length)
        ]
        assert found == [painted[at] for at in sorted(painted)]
