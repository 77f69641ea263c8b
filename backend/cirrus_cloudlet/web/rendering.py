"""The page's templates, and job properties in words.

Every text of a job or of the inventory is escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from cirrus_cloudlet.api.answers import timestamp

_PROPS = {
    ("collate", "1"): "collated",
    ("color", "1"): "grey",
    ("color", "2"): "colour",
    ("copies", "1"): "1 copy",
    ("duplex", "1"): "one-sided",
    ("duplex", "2"): "two-sided",
    ("duplex", "3"): "two-sided, short edge",
    ("orientation", "1"): "portrait",
    ("orientation", "2"): "landscape",
}
# the text before and after a value
_AROUND = {"copies": ("", " copies"), "size": ("", ""), "tray": ("from ", "")}


def render(template: str, status: int = 200, /, **values: object) -> Response:
    """Render a template, with an ETag so that an unchanged page is not sent again."""
    text = _ENVIRONMENT.get_template(f"{template}.html").render(values)
    tag = hashlib.sha256(text.encode()).hexdigest()
    return HTMLResponse(text, status, {"ETag": f'"{tag}"'})


def read_static(name: str) -> str:
    """Read a file that is sent unchanged."""
    return files(__package__).joinpath("static", name).read_text()


def in_words(props: Mapping[str, str]) -> list[str]:
    """Describe a job's properties; a property without words is shown as it was sent."""
    # not by str.format: the name of a property may have braces
    return [
        _PROPS.get((name, value)) or value.join(_AROUND.get(name, (f"{name}=", "")))
        for name, value in props.items()
    ]


def _local_time(time_s: float) -> str:
    return datetime.fromtimestamp(time_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cirrus_cloudlet.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segment"] = lambda text: quote(text, safe="")
    environment.filters["time"] = _local_time
    environment.filters["timestamp"] = timestamp
    environment.filters["in_words"] = in_words
    return environment


_ENVIRONMENT = _environment()
