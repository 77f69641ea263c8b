"""The table of attacks."""

from __future__ import annotations

from attack_table import README, table


def test_the_table_is_up_to_date() -> None:
    """README.md has each attack of the tests."""
    assert README.read_text() == table(), "run: python tests/support/attack_table.py"
