"""What cirrusctl explains of each code is what the manual page says of it."""

from __future__ import annotations

import pytest

from cirrus_bridge.cirrusctl.output.codes import Explanation, coded, explanations
from made_manuals import manuals


@pytest.mark.parametrize("each", explanations().values(), ids=lambda each: each.code)
def test_every_code_is_explained(each: Explanation) -> None:
    """In a few words, and in sentences that say more; the manual page has it."""
    assert each.what and not each.what.endswith(".")
    assert each.more.endswith(".")
    page = manuals()["cirrus-bridge-codes.7"]
    assert f"\n*{each.code}* ({each.exit_code}): " in page
    for words in (each.what, each.do, each.more):
        assert words in page.replace("\\", "")


def test_no_code_is_explained_that_nobody_has() -> None:
    """Every error that a job may end with is explained, and has its words from its own class."""
    assert {cls.code for cls in coded()} == explanations().keys()
    for cls in coded():
        assert {"title", "meaning"} <= vars(cls).keys()
