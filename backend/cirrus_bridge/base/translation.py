"""Texts for people, which can be translated later (gettext).

`tr` makes a text from a template and its fields. The text is a `str` in English, for logs. At the
outermost edge, `translated` returns the text in the reader's language. `tr` and `joined` combine
texts; an f-string would lose the translations.

Untrusted text is never a template, and a translation must have the fields of the English text.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import string
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gettext import NullTranslations

DOMAINS = ("cirrus-bridge", "cirrusctl")
FOLDER = Path(__file__).parents[1] / "locale"
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # gettext(3): the first one set counts
_ENGLISH = ("C", "POSIX", "en")  # these have no catalog

Catalog = Callable[[str, str, int], str]  # singular, plural and count (-1: no count) → translation


class Words(str):
    """A text in English, and `say`, which makes the text from a catalog."""

    __slots__ = ("say",)
    say: Callable[[Catalog], str]


def tr(template: str, /, **fields: object) -> Words:
    """Make a text from a literal, or from a constant made by `marked`. The fields are the values of
    `{names}` in the template; texts, and texts of exceptions, are translated as well."""
    return _filled(template, "", -1, fields)


def trn(one: str, many: str, count: int, /, **fields: object) -> Words:
    """Make a text with a plural. The field `{count}` has the number."""
    return _filled(one, many, count, {"count": count, **fields})


def marked(template: str) -> str:
    """Mark a constant as a template for `tr`, so that the catalogs contain it."""
    return template


def verbatim(text: str) -> Words:
    """Make a text without fields from a text that the catalogs contain; braces stay."""
    return _words(lambda catalog: catalog(text, "", -1))


def stored(texts: Mapping[str, str]) -> Words:
    """Make a text of a text that is stored in several languages, "" for English; for programs that
    speak the language of their process."""
    said = texts.get("", "")
    names = (each for name in _languages("") for each in (name, name.partition("_")[0]))
    here = next((texts[name] for name in names if name in texts), said)
    return _words(lambda catalog: said if catalog is _english else here)


def joined(separator: str, texts: Iterable[str]) -> Words:
    """Join texts to one text."""
    parts = tuple(texts)
    return _words(lambda catalog: separator.join(_said(part, catalog) for part in parts))


def changed(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` applied to it in every language."""
    if not isinstance(text, Words):
        return change(text)
    return _words(lambda catalog: change(text.say(catalog)))


def told_by(error: BaseException) -> str:
    """The text of an exception, which can still be translated (unlike `str(error)`)."""
    text = error.args[0] if len(error.args) == 1 else None
    return text if isinstance(text, Words) else str(error)


def translated(text: str, language: str = "") -> str:
    """A text in a language, such as "de" or "de-at"; by default, in the language of the process."""
    return text.say(_catalog(tuple(_languages(language)))) if isinstance(text, Words) else text


def english(text: str) -> str:
    """A text in English, for logs, which `translated` leaves as it is."""
    return "".join(text)


def _words(say: Callable[[Catalog], str]) -> Words:
    words = Words(say(_english))
    words.say = say
    return words


def _filled(one: str, many: str, count: int, fields: Mapping[str, object]) -> Words:
    """The text of a template and its fields, for any catalog."""

    def say(catalog: Catalog) -> str:
        texts = {name: _said(value, catalog) for name, value in fields.items()}
        english, template = _english(one, many, count), catalog(one, many, count)
        with contextlib.suppress(LookupError, ValueError):  # a damaged translation
            if _names(template) == _names(english):
                return template.format_map(texts)
        return english.format_map(texts)

    return _words(say)


def _names(template: str) -> set[str]:
    """The names of the fields in a template."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def _said(value: object, catalog: Catalog) -> str:
    if isinstance(value, BaseException):
        value = told_by(value)
    return value.say(catalog) if isinstance(value, Words) else str(value)


def _english(one: str, many: str, count: int) -> str:
    return many if many and count != 1 else one


def own_language() -> str:
    """The language of this process in the form of IPP (RFC 8011, 5.1.9), such as "de-at"."""
    return next(iter(_languages("")), "en").lower().replace("_", "-")


def _languages(language: str) -> list[str]:
    """The names of catalogs for a language, or for those of the process, up to English."""
    said = language.replace("-", "_") or next(filter(None, map(os.environ.get, _VARIABLES)), "")
    # a job may name any language, but only names inside our folder count
    names = [name.partition(".")[0].partition("@")[0] for name in said.split(":")]
    ours = filter(str.isidentifier, names)
    return list(itertools.takewhile(lambda name: name.partition("_")[0] not in _ENGLISH, ours))


@functools.lru_cache(maxsize=64)
def _catalog(languages: tuple[str, ...]) -> Catalog:
    """The catalog of the first language that has one; English if there is none."""
    if not languages:
        return _english

    def look_up(one: str, many: str, count: int) -> str:
        for domain in DOMAINS:  # the first has all texts of jobs
            found = translations(domain, languages)
            said = found.ngettext(one, many, count) if many else found.gettext(one)
            if said != _english(one, many, count):
                return said
        return _english(one, many, count)

    return look_up


@functools.lru_cache(maxsize=64)
def translations(domain: str, languages: tuple[str, ...]) -> NullTranslations:
    """The catalog of the first language that has one. Without one, or if it is damaged, the catalog
    is empty."""
    import gettext  # jobs in English do not need it

    try:
        return gettext.translation(domain, FOLDER, languages, fallback=True)
    except Exception:  # noqa: BLE001 - a damaged file must not cost a job
        return gettext.NullTranslations()
