"""The log's line: whatever a title holds, it is one line, of text alone."""

from __future__ import annotations

from cirrus_bridge.delivery.events import Change


def test_a_line_holds_nothing_but_text() -> None:
    """No line break of any kind, no C1 control, no change of direction: as \\u escapes, which JSON
    readers take back."""
    line = Change("x", 'a "b"\n\x1b\x9b\x85\u2028\u202eé', user="m\x7f").line
    assert line == (
        'event=x user="m\\u007f" message="a \\"b\\"\\n\\u001b\\u009b\\u0085\\u2028\\u202eé"'
    )
