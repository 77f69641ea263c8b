"""cirrusctl and the manual page explain each code alike."""

from __future__ import annotations

import re

import pytest

from cirrus_bridge.base.translation import translated
from cirrus_bridge.cirrusctl.commands.explain import THE_JOB, explained
from cirrus_bridge.cirrusctl.output.codes import Explanation, coded, explanations
from made_manuals import manual
from paths import REPO

# words for a job that goes on without a person, and for a job that waits for one
FATES = {
    "en": (
        r"by itself|automatic|\bretrie[ds]|runs the (print )?job again|starts again",
        r"\bjob (is|stays) held|held until",
    ),
    "de": (
        r"von selbst|automatisch|erneut versucht|sofort noch einmal",
        r"Auftrag (wird|ist|bleibt)\b.*angehalten|angehalten, bis",
    ),
    "es": (
        r"por sí solo|automátic|reintenta|vuelve a ejecutar",
        r"trabajo .*(está|queda) retenido|retenido hasta",
    ),
    "fr": (
        r"de lui-même|automatiq|retenté|CUPS (réessaie|relance)",
        r"travail .*est retenu|retenu jusqu",
    ),
    "ja": ("自動的|再試行|再実行", "ジョブは保留|まで保留|まで、印刷ジョブは保留"),
}
PAGE = REPO / "installer" / "packages" / "man" / "cirrus-bridge-codes.7.scd.in"


@pytest.mark.parametrize("each", explanations().values(), ids=lambda each: each.code)
def test_every_code_is_explained(each: Explanation) -> None:
    """Each code has a title and sentences that say more, and the manual page has both."""
    assert each.what and not each.what.endswith(".")
    assert each.more.endswith(".")
    page = manual(PAGE)
    assert f"\n*{each.code}* ({each.exit_code}): " in page
    for words in (each.what, each.do, each.more, THE_JOB[each.job]):
        assert words in page.replace("\\", "")


@pytest.mark.parametrize("language", FATES)
@pytest.mark.parametrize("each", explanations().values(), ids=lambda each: each.code)
def test_only_the_disposition_says_what_becomes_of_the_job(
    each: Explanation, language: str
) -> None:
    """An explanation has one such sentence, that of the disposition. No other text of the code says
    that the job continues by itself if it is held, or that it is held if it continues."""
    said = " ".join(translated(explained(each), language).split())
    fates = {job: translated(text, language) for job, text in THE_JOB.items()}
    assert [job for job, text in fates.items() if _squeezed(text) in _squeezed(said)] == [each.job]
    goes_on, is_held = (re.search(words, said) for words in FATES[language])
    assert not (goes_on and is_held), (goes_on, is_held)


@pytest.mark.parametrize("language", FATES)
def test_the_words_for_fates_are_those_of_the_explanations(language: str) -> None:
    """The words of FATES are in the sentences of the dispositions, so the test above sees them."""
    goes_on, is_held = FATES[language]
    assert re.search(goes_on, translated(THE_JOB["wait"], language))
    assert re.search(is_held, translated(THE_JOB["hold"], language))
    assert not re.search(is_held, translated(THE_JOB["wait"], language))


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


def _squeezed(text: str) -> str:
    """A text without spaces: lines may break at them, and in Japanese anywhere."""
    return "".join(text.split())
