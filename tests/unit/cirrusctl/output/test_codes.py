"""cirrusctl and the manual page explain each code alike."""

from __future__ import annotations

import pytest

from cirrus_bridge.cirrusctl.output.codes import Explanation, coded, explanations
from made_manuals import manual
from paths import REPO

PAGE = REPO / "installer" / "packages" / "man" / "cirrus-bridge-codes.7.scd.in"


@pytest.mark.parametrize("each", explanations().values(), ids=lambda each: each.code)
def test_every_code_is_explained(each: Explanation) -> None:
    """Each code has a title and sentences that say more, and the manual page has both."""
    assert each.what and not each.what.endswith(".")
    assert each.more.endswith(".")
    page = manual(PAGE)
    assert f"\n*{each.code}* ({each.exit_code}): " in page
    for words in (each.what, each.do, each.more):
        assert words in page.replace("\\", "")


def test_no_code_is_explained_that_nobody_has() -> None:
    """Each explained code belongs to an error, whose class has the texts."""
    assert {cls.code for cls in coded()} == explanations().keys()
    for cls in coded():
        assert {"title", "meaning"} <= vars(cls).keys()


@pytest.mark.parametrize("code", ["CB-713", "CB-714"])
def test_more_rights_do_not_bring_back_a_job(code: str) -> None:
    """Only a refusal (CB-712) is a matter of rights."""
    assert "root" in explanations()["CB-712"].do
    assert not explanations()[code].do
