"""Guesses for misspelled names."""

from __future__ import annotations

from collections.abc import Iterable

from cirrus_bridge.base.translation import Words, joined, tr

MOST_GUESSES = 3
_LEAST_LIKENESS = 0.6  # of 1.0, as difflib measures it


def did_you_mean(name: str, known: Iterable[str]) -> Words:
    """The sentence "Did you mean …?" with the known names that are most like `name`, case aside; an
    empty text if none is."""
    guesses = similar(name, known)
    if not guesses:
        return joined("", ())
    return tr("Did you mean {names}?", names=", ".join(guesses))


def similar(name: str, known: Iterable[str]) -> list[str]:
    """The known names that are most like `name`, the most similar first."""
    import difflib  # jobs do not need it

    by_letters = {_letters(each): each for each in known if each != name}
    matches = difflib.get_close_matches(
        _letters(name), by_letters, n=MOST_GUESSES, cutoff=_LEAST_LIKENESS
    )
    return [by_letters[match] for match in matches]


def _letters(name: str) -> str:
    """A name for comparison: options are not alike because they begin with --."""
    return name.lstrip("-").casefold()
