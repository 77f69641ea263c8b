"""The line of a log: any title gives a single line of plain text."""

from __future__ import annotations

from cirrus_bridge.delivery.events import Change


def test_a_line_holds_nothing_but_text() -> None:
    """Line breaks, C1 controls and changes of direction are \\u escapes, which JSON readers
    decode."""
    line = Change("x", 'a "b"\n\x1b\x9b\x85\u2028\u202eé', user="m\x7f").line
    assert line == (
        'event=x user="m\\u007f" message="a \\"b\\"\\n\\u001b\\u009b\\u0085\\u2028\\u202eé"'
    )
