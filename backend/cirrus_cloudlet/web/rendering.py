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
from starlette.responses import HTMLResponse, Response

from cirrus_cloudlet.api.answers import timestamp

_PROPS = {
    ("collate", "1"): "collated",
    ("color", "1"): "gray",
    ("color", "2"): "color",
    ("copies", "1"): "1 copy",
    ("duplex", "1"): "one-sided",
    ("duplex", "2"): "two-sided",
    ("duplex", "3"): "two-sided, short edge",
    ("orientation", "1"): "portrait",
    ("orientation", "2"): "landscape",
}
# the text before and after a value
_AROUND = {"copies": ("", " copies"), "size": ("", ""), "tray": ("from ", "")}

# names of secrets: PIN, JobPIN, user-pin, job-password, Passcode …; no others, such as pinned
_SECRET = re.compile(
    r"(?i:pass-?(word|code|phrase)|secret)|(?<![A-Za-z])[Pp][Ii][Nn](?![a-z])|P(IN|in)(?![a-z])"
)
_HIDDEN = "•••"


def render(template: str, status: int = 200, /, **values: object) -> Response:
    """Render a template, with an ETag so that an unchanged page is not sent again."""
    text = _ENVIRONMENT.get_template(f"{template}.html").render(values)
    tag = hashlib.sha256(text.encode()).hexdigest()
    return HTMLResponse(text, status, {"ETag": f'"{tag}"'})


def in_words(props: Mapping[str, str]) -> list[str]:
    """Describe a job's properties; a property without words is shown as it was sent."""
    # not by str.format: the name of a property may have braces
    return [
        _PROPS.get((name, value)) or value.join(_AROUND.get(name, (f"{name}=", "")))
        for name, value in shown(props).items()
    ]


def shown(props: Mapping[str, str]) -> dict[str, str]:
    """A job's properties without the PIN that its owner enters at the device.

    The API has no property for PINs, so the name tells.
    """
    return {name: _HIDDEN if _SECRET.search(name) else value for name, value in props.items()}


_ENVIRONMENT = Environment(
    loader=PackageLoader("cirrus_cloudlet.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "segment": lambda text: quote(text, safe=""),
    "time": lambda time_s: strftime("%Y-%m-%d %H:%M:%S", localtime(time_s)),
    "timestamp": timestamp,
    "in_words": in_words,
    "shown": shown,
}
