"""Texts for people, which know how to say themselves in another language (gettext).

`tr` makes one of a template and of what goes into its fields. As a `str` it is English, which is
what logs get; `translated` has it in a language, and is called where people read it, at the
outermost edge. Texts are put together by `tr` and `joined`: what an f-string makes is English for
ever.

No text of strangers is a template. A translation whose fields are not those of the English text is
not used.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gettext import NullTranslations

DOMAINS = ("cirrus-bridge", "cirrusctl")
FOLDER = Path(__file__).parents[1] / "locale"
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set: gettext(3)
_ENGLISH = ("C", "POSIX", "en")

Catalog = Callable[[str, str, int], str]  # a template, for many, and how many (-1: it has no count)


class Words(str):
    """A text in English, and `say`, which makes the same of another catalog."""

    __slots__ = ("say",)
    say: Callable[[Catalog], str]


def tr(template: str, /, **fields: object) -> Words:
    """A text. `template` is a literal, or a constant made by `marked`.

    Args:
        fields: what goes into the template's `{names}`; texts among them, and those of exceptions,
            are translated with it.
    """
    return _filled(template, "", -1, fields)


def trn(one: str, many: str, count: int, /, **fields: object) -> Words:
    """A text of so many things; its field `{count}` is their number."""
    return _filled(one, many, count, {"count": count, **fields})


def marked(template: str) -> str:
    """A template that is a constant, for `tr`: so the catalogs have it."""
    return template


def verbatim(text: str) -> Words:
    """A text of ours that has no fields, whatever braces are in it, and that no `tr` names."""
    return _words(lambda catalog: catalog(text, "", -1))


def joined(separator: str, texts: Iterable[str]) -> Words:
    """The texts as one."""
    parts = tuple(texts)
    return _words(lambda catalog: separator.join(_said(part, catalog) for part in parts))


def changed(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` made to it, in whatever language."""
    if not isinstance(text, Words):
        return change(text)
    return _words(lambda catalog: change(text.say(catalog)))


def told_by(error: BaseException) -> str:
    """The text of an exception, which `str` would have in English."""
    text = error.args[0] if len(error.args) == 1 else None
    return text if isinstance(text, Words) else str(error)


def translated(text: str, language: str = "") -> str:
    """A text in a language, such as "de" or "de-at"; without one, in that of the process."""
    return text.say(_catalog(language)) if isinstance(text, Words) else text


def _words(say: Callable[[Catalog], str]) -> Words:
    words = Words(say(_english))
    words.say = say
    return words


def _filled(one: str, many: str, count: int, fields: Mapping[str, object]) -> Words:
    """A template with its fields, in whatever language."""

    def say(catalog: Catalog) -> str:
        texts = {name: _said(value, catalog) for name, value in fields.items()}
        english, needed = _format(_english(one, many, count), texts)
        try:
            text, used = _format(catalog(one, many, count), texts)
        except (LookupError, ValueError, AttributeError):
            return english
        return text if used == needed else english  # a damaged translation

    return _words(say)


def _format(template: str, texts: Mapping[str, str]) -> tuple[str, set[str]]:
    """The template with these texts in its fields, and the names of the fields that it has."""
    fields = _Fields(texts)
    return template.format_map(fields), fields.used


def _said(value: object, catalog: Catalog) -> str:
    if isinstance(value, BaseException):
        value = told_by(value)
    return value.say(catalog) if isinstance(value, Words) else str(value)


class _Fields(dict[str, str]):
    """Texts by the names of fields, and `used`: the fields that a template has used."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(texts)
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.used.add(name)
        return super().__getitem__(name)


def _english(one: str, many: str, count: int) -> str:
    return many if many and count != 1 else one


def own_language() -> str:
    """The language of this process, as IPP has it (RFC 8011, 5.1.9), such as "de-at"."""
    return next(iter(_languages("")), "en").lower().replace("_", "-")


def _languages(language: str) -> list[str]:
    """A language, or those of the process, up to English, as catalogs are called."""
    said = language.replace("-", "_") or next(filter(None, map(os.environ.get, _VARIABLES)), "")
    # a job may name any language; none of them leads out of our folder
    names = [name.partition(".")[0].partition("@")[0] for name in said.split(":")]
    return list(itertools.takewhile(_is_foreign, filter(str.isidentifier, names)))


@functools.lru_cache(maxsize=64)
def _catalog(language: str) -> Catalog:
    """The translations into a language, or those of the process; English where there are none."""
    languages = _languages(language)
    if not languages:
        return _english

    def look_up(one: str, many: str, count: int) -> str:
        for domain in DOMAINS:  # a job's texts are all in the first
            found = translations(domain, tuple(languages))
            said = found.ngettext(one, many, count) if many else found.gettext(one)
            if said != _english(one, many, count):
                return said
        return _english(one, many, count)

    return look_up


@functools.lru_cache(maxsize=64)
def translations(domain: str, languages: tuple[str, ...]) -> NullTranslations:
    """A catalog in the first of the languages that has one; an empty one if none has.

    A damaged file has no translations.
    """
    import gettext  # which a job whose language is English does not need

    try:
        return gettext.translation(domain, FOLDER, languages, fallback=True)
    except Exception:  # noqa: BLE001 - a file that is damaged: no job is to be lost over a language
        return gettext.NullTranslations()


def _is_foreign(language: str) -> bool:
    """A translation would come before English, for which there is no catalog."""
    return language.partition("_")[0] not in _ENGLISH
