"""What cirrusctl explains of each code is what the README says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.admin.codes import Explanation, explanations, markdown_rows

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("each", explanations().values(), ids=lambda each: each.code)
def test_every_code_is_explained(each: Explanation) -> None:
    """In a few words, and in sentences that say more."""
    assert each.what and not each.what.endswith(".")
    assert each.more.endswith(".")


def test_the_readme_has_the_same_words() -> None:
    """codes.toml is the one source; a row that differs is to be taken from `markdown_rows`."""
    lines = README.read_text().splitlines()
    assert [line for line in lines if line.startswith("| CB-")] == list(markdown_rows())
