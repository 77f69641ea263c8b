"""The page's templates, and job properties in words.

Every text of a job or of the inventory is escaped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from time import localtime, strftime
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.ext import InternationalizationExtension
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.inventory.inventory import DeviceType
from cirrus_cloudlet.storage.jobs import JobState
from cirrus_cloudlet.storage.text_index import PERSON
from cirrus_cloudlet.translation import (
    direction,
    isolated,
    language,
    marked,
    tr,
    translations,
    trn,
)

_PROPS = {
    ("collate", "1"): marked("collated"),
    ("color", "1"): marked("gray"),
    ("color", "2"): marked("color"),
    ("duplex", "1"): marked("one-sided"),
    ("duplex", "2"): marked("two-sided"),
    ("duplex", "3"): marked("two-sided, short edge"),
    ("orientation", "1"): marked("portrait"),
    ("orientation", "2"): marked("landscape"),
}
_STEPS = {
    JobState.SUBMITTED: marked("submitted"),
    JobState.RECEIVED: marked("received"),
    JobState.DELIVERED: marked("delivered"),
    JobState.DELETED: marked("deleted"),
    JobState.SAVED: marked("saved"),
    JobState.TRASHED: marked("trashed"),
}
_KINDS = {
    DeviceType.PRINTER: marked("printer"),
    DeviceType.FILE: marked("file"),
    DeviceType.COMMAND: marked("command"),
    DeviceType.VIEWER: marked("browser"),
    DeviceType.NETWORK_PRINTER: marked("network printer"),
}
_COPIES = re.compile("[1-9][0-9]{0,5}", re.ASCII)
_DECIMAL_COMMA = ("de", "es", "fr")

# names of secrets: PIN, JobPIN, user-pin, job-password, Passcode …; no others, such as pinned
_SECRET = re.compile(
    r"(?i:pass-?(word|code|phrase)|secret)|(?<![A-Za-z])[Pp][Ii][Nn](?![a-z])|P(IN|in)(?![a-z])"
)
_HIDDEN = "•••"


def render(template: str, status: int = 200, /, **values: object) -> Response:
    """Render a template, with an ETag so that an unchanged page is not sent again."""
    text = render_text(f"{template}.html", **values)
    tag = hashlib.sha256(text.encode()).hexdigest()
    return HTMLResponse(text, status, {"ETag": f'"{tag}"'})


def render_text(template: str, /, **values: object) -> str:
    """Render a template of any kind; its texts are escaped."""
    return _ENVIRONMENT.get_template(template).render(values)


def in_words(props: Mapping[str, str]) -> list[str]:
    """Describe a job's properties, without the person, whom pages show by themselves.

    A property without words is shown as it was sent.
    """
    return [_word(name, value) for name, value in shown(props).items() if name != PERSON]


def _word(name: str, value: str) -> str:
    if (name, value) in _PROPS:
        return tr(_PROPS[name, value])
    if name == "copies" and _COPIES.fullmatch(value):
        return trn("{count} copy", "{count} copies", int(value))
    if name == "tray":
        return tr("from {tray}", tray=isolated(value))
    return value if name == "size" else f"{name}={value}"


def shown(props: Mapping[str, str]) -> dict[str, str]:
    """A job's properties without the PIN that its owner enters at the device.

    The API has no property for PINs, so the name tells.
    """
    return {name: _HIDDEN if _SECRET.search(name) else value for name, value in props.items()}


def size_in_words(size_bytes: int) -> str:
    """A size in words, such as "1.2 MB"."""
    if size_bytes < 1000:
        return trn("{count} byte", "{count} bytes", size_bytes)
    kilobytes = size_bytes / 1000
    if kilobytes < 1000:
        return tr("{size} kB", size=number(kilobytes))
    return tr("{size} MB", size=number(kilobytes / 1000))


def number(value: float) -> str:
    """A number with a digit behind the point if it is small, as the language writes it."""
    written = f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
    return written.replace(".", ",") if language() in _DECIMAL_COMMA else written


_ENVIRONMENT = Environment(
    loader=PackageLoader("cirrus_cloudlet.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=[InternationalizationExtension],
)
_ENVIRONMENT.policies["ext.i18n.trimmed"] = True
_ENVIRONMENT.install_gettext_callables(  # type: ignore[attr-defined] # by the extension
    lambda text: translations().gettext(text),
    lambda one, many, count: translations().ngettext(one, many, count),
    newstyle=True,
)
_ENVIRONMENT.globals |= {"language": language, "direction": direction}
_ENVIRONMENT.filters |= {
    "bdi": lambda name: Markup("<bdi>{}</bdi>").format(name),
    "isolated": isolated,
    "size": size_in_words,
    "segment": lambda text: quote(text, safe=""),
    "kind": lambda kind: tr(_KINDS[kind]),
    "step": lambda state: tr(_STEPS[state]),
    "time": lambda time_s: strftime("%Y-%m-%d %H:%M:%S", localtime(time_s)),
    "timestamp": timestamp,
    "in_words": in_words,
    "shown": shown,
}
