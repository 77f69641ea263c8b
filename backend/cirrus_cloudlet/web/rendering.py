"""The page's templates, and the words in which they tell of jobs.

Whatever comes from a job or from the inventory is text to them, and is escaped.
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
# what stands before and after a value
_AROUND = {"copies": ("", " copies"), "size": ("", ""), "tray": ("from ", "")}


def rendered(template: str, status: int = 200, /, **values: object) -> Response:
    """A page of a template, tagged by what it says, so that whoever has it is not sent it again."""
    text = _ENVIRONMENT.get_template(f"{template}.html").render(values)
    tag = hashlib.sha256(text.encode()).hexdigest()
    return HTMLResponse(text, status, {"ETag": f'"{tag}"'})


def static_file(name: str) -> str:
    """A file that is sent as it is."""
    return files(__package__).joinpath("static", name).read_text()


def in_words(props: Mapping[str, str]) -> list[str]:
    """A job's wishes; one that has no words of its own is told as it was sent."""
    # put together, and not by str.format: a stranger's name may have braces
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
