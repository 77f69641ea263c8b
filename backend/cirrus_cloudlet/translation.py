"""Texts for people, in the language of the request that is answered.

The page is in the language that the browser prefers. `answering` sets the language for a block,
and `tr` looks up a text in it. A text that is made elsewhere, such as a cause that is kept, is
English: `marked` puts it into the catalogs, and `verbatim` translates it where a person reads it.

Untrusted text is never a template, and a translation must have the fields of the English text.
"""

from __future__ import annotations

import contextlib
import functools
import gettext
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

DOMAIN = "cirrus-cloudlet"
FOLDER = Path(__file__).parent / "locale"
LANGUAGES = ("en", "de", "es", "fr", "ja")
_RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")
_FIRST_STRONG_ISOLATE, _POP_DIRECTIONAL_ISOLATE = "\u2068", "\u2069"
_language: ContextVar[str] = ContextVar("language", default="en")


def tr(template: str, /, **fields: object) -> str:
    """The text of a literal, or of a constant made by `marked`, in the language of the request.
    The fields are the values of `{names}` in the template."""
    said = _catalog(_language.get()).gettext(template)
    return said.format_map(fields) if fields else said


def trn(one: str, many: str, count: int, /, **fields: object) -> str:
    """A text with a plural. The field `{count}` has the number."""
    said = _catalog(_language.get()).ngettext(one, many, count)
    return said.format_map({"count": count, **fields})


def marked(text: str) -> str:
    """Mark a constant as a text for `tr`, so that the catalogs contain it."""
    return text


def verbatim(text: str, /, **fields: object) -> str:
    """The text of a constant that was passed on, such as a cause; other texts stay as they are."""
    said = _catalog(_language.get()).gettext(text) if text else ""
    return said.format_map(fields) if fields else said


def isolated(text: str) -> str:
    """A text from a person, whose direction changes nothing around it (UAX #9, isolates).

    Use it where HTML has no `<bdi>`: in attributes, and in the fields of a text.
    """
    return f"{_FIRST_STRONG_ISOLATE}{text}{_POP_DIRECTIONAL_ISOLATE}"


@contextlib.contextmanager
def answering(accept_language: str) -> Iterator[None]:
    """Use the first language of an Accept-Language header that has a catalog, in the block."""
    token = _language.set(preferred(accept_language))
    try:
        yield
    finally:
        _language.reset(token)


def language() -> str:
    """The language of the request, such as "de"."""
    return _language.get()


def direction() -> str:
    """The direction of the language's writing, for HTML's `dir`."""
    return "rtl" if _language.get() in _RIGHT_TO_LEFT else "ltr"


def preferred(accept_language: str) -> str:
    """The best of LANGUAGES for an Accept-Language header (RFC 9110, section 12.5.4)."""
    wanted = []
    for number, item in enumerate(accept_language.split(",")):
        tag, _, weight = item.partition(";")
        name = tag.strip().partition("-")[0].lower()
        if name in LANGUAGES and (quality := _quality(weight)):
            wanted.append((-quality, number, name))
    return min(wanted)[2] if wanted else "en"


def _quality(weight: str) -> float:
    name, _, value = weight.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def translations() -> gettext.NullTranslations:
    """The catalog of the language of the request; an empty one for English."""
    return _catalog(_language.get())


@functools.cache
def _catalog(name: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, FOLDER, [name], fallback=True)
