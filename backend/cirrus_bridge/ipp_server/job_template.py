"""The offer of a printer to its jobs: the values that the printer takes, and the defaults. Pure.

These are the Job Template attributes of a printer (RFC 8011, 5.2; PWG 5100.1 to 5100.3, 5100.6,
5100.7, 5100.11, 5100.13). Jobs are checked against the same values. What the device cannot do is
not offered.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cirrus_bridge.base.device_options import ATTRIBUTES, FINISHINGS
from cirrus_bridge.base.model import DEFAULT_PRIORITY, DeviceOptions
from cirrus_bridge.drivers.capabilities import Capabilities
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.drivers.ppd import PIN_DIGITS
from cirrus_bridge.ipp.values import (
    Collection,
    EnumValue,
    Keyword,
    OutOfBand,
    Range,
    Resolution,
    Value,
)
from cirrus_bridge.ipp_server.media import (
    CUSTOM_ACROSS,
    CUSTOM_ALONG,
    MARGIN,
    Media,
    OfferedPaper,
    custom_keyword,
)
from cirrus_bridge.ipp_server.tray_names import AUTO

Described = dict[str, Sequence[Value]]
_MOST_OFFERS = 256  # that are kept
MOST_COPIES = 99  # the API's prop
PRIORITIES = 100
NO_HOLD = "no-hold"
NO_FINISHING = EnumValue(3)
UNCOLLATED, COLLATED = (f"separate-documents-{word}-copies" for word in ("uncollated", "collated"))
RESOLUTIONS = (Resolution(300, 300, 3), Resolution(600, 600, 3))
ORIENTATIONS = tuple(map(EnumValue, (3, 4, 5, 6)))
SCALINGS = (AUTO, "auto-fit", "fill", "fit", "none")
# an override may select pages, but no attribute can be different there (PWG 5100.6)
OVERRIDES = ("document-number", "document-numbers", "pages")
MARGINS = tuple(f"media-{side}-margin" for side in ("bottom", "left", "right", "top"))
_MARGINS: Mapping[str, Sequence[Value]] = {name: [MARGIN] for name in MARGINS}
_SIDES = {"1": "one-sided", "2": "two-sided-long-edge", "3": "two-sided-short-edge"}
_COLORS = {"1": "monochrome", "2": "color"}
# names of the attributes of jobs; media-… has many more
_NAMES = frozenset(
    {
        "copies", "finishing-template", "finishings", "finishings-col", "job-account-id",
        "job-accounting-user-id", "job-hold-until", "job-priority", "job-sheets", "media",
        "multiple-document-handling", "number-up", "orientation-requested", "output-bin",
        "overrides", "page-ranges", "print-color-mode", "print-content-optimize", "print-quality",
        "print-rendering-intent", "print-scaling", "printer-resolution", "sheet-collate", "sides",
    }
)  # fmt: skip


def is_job_template(name: str) -> bool:
    """Whether an attribute of a printer is in the group `job-template`."""
    job_name = name.rpartition("-")[0]  # without -default, -supported …
    return job_name in _NAMES or job_name.startswith("media-")


@dataclass(frozen=True, slots=True)
class Offer:
    """The offer of a printer: its media, and the values that jobs may have."""

    media: Media
    template: Described


class _Same(NamedTuple):
    """A printer as a key: equal to itself only, because capabilities have no hash."""

    printer: OfferedPrinter

    def __hash__(self) -> int:
        return id(self.printer)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.printer is other.printer


def offer_of(printer: OfferedPrinter) -> Offer:
    """The offer of a printer. Do not change the offer. It is made once, because a device with
    hundreds of papers takes milliseconds and a megabyte, and the service may have many names."""
    return _offer(_Same(printer))


@functools.lru_cache(_MOST_OFFERS)
def _offer(of: _Same) -> Offer:
    media = Media(of.printer.capabilities)
    return Offer(media, _template(of.printer, media))


def _template(printer: OfferedPrinter, media: Media) -> Described:
    what = printer.capabilities
    # a range of pages is cut out of a PDF; a device that takes texts only has no pages
    cuts_pages = printer.formats != {"txt"}
    return {
        "copies-default": [1],
        "copies-supported": [Range(1, MOST_COPIES)],
        **_finishings(what.options),
        "job-account-id-default": [OutOfBand.NO_VALUE],
        "job-account-id-supported": [True],
        "job-accounting-user-id-default": [OutOfBand.NO_VALUE],
        "job-accounting-user-id-supported": [True],
        **_keywords("job-hold-until", (NO_HOLD, "indefinite"), NO_HOLD),
        "job-priority-default": [DEFAULT_PRIORITY],
        "job-priority-supported": [PRIORITIES],
        **_keywords("job-sheets", ("none",), "none"),
        **_copies(what),
        "number-up-default": [1],
        "number-up-supported": [1],
        "orientation-requested-default": [OutOfBand.NO_VALUE],
        "orientation-requested-supported": ORIENTATIONS,
        **_keywords("output-bin", _declared(what, "output-bin"), AUTO),
        "overrides-supported": list(map(Keyword, OVERRIDES)),
        "page-ranges-supported": [cuts_pages],
        **_password(what.options),
        **_colors(what),
        **_keywords("print-content-optimize", (AUTO,), AUTO),
        **_qualities(what.options),
        **_keywords("print-rendering-intent", (AUTO,), AUTO),
        **_keywords("print-scaling", SCALINGS, AUTO),
        "printer-resolution-default": [RESOLUTIONS[-1]],
        "printer-resolution-supported": RESOLUTIONS,
        **_sides(what),
        **_media(media),
    }


def _keywords(name: str, supported: Iterable[str], default: str) -> Described:
    return {
        f"{name}-default": [Keyword(default)],
        f"{name}-supported": list(map(Keyword, supported)),
    }


def _declared(what: Capabilities, attribute: str) -> list[str]:
    """The neutral value of an attribute, and the values that devices.toml declares."""
    neutral = ATTRIBUTES[attribute].neutral
    return list(dict.fromkeys((neutral, *what.options.props.get(attribute, {}))))


def _finishings(options: DeviceOptions) -> Described:
    declared = [word for word in options.props.get("finishings", {}) if word in FINISHINGS]
    numbers = [NO_FINISHING, *(EnumValue(FINISHINGS[word].number) for word in declared)]
    words = list(map(Keyword, ("none", *declared)))
    templates = [Collection({"finishing-template": [word]}) for word in words]
    return {
        "finishings-default": [NO_FINISHING],
        "finishings-ready": numbers,
        "finishings-supported": numbers,
        "finishing-template-supported": words,
        "finishings-col-database": templates,
        "finishings-col-default": templates[:1],
        "finishings-col-ready": templates,
        "finishings-col-supported": [Keyword("finishing-template")],
    }


def _password(options: DeviceOptions) -> Described:
    if not options.pin_prop:
        return {}
    repertoire = [Keyword("iana_us-ascii_digits")]
    return {
        "job-password-supported": [PIN_DIGITS],
        "job-password-encryption-supported": [Keyword("none")],
        "job-password-repertoire-configured": repertoire,
        "job-password-repertoire-supported": repertoire,
    }


def _copies(what: Capabilities) -> Described:
    is_collated = what.collate and what.defaults.get("collate") == "1"
    handling = (UNCOLLATED, COLLATED)[: 1 + what.collate]
    sheets = ("uncollated", "collated")[: 1 + what.collate]
    return {
        **_keywords("multiple-document-handling", handling, handling[is_collated]),
        **_keywords("sheet-collate", sheets, sheets[is_collated]),
    }


def _colors(what: Capabilities) -> Described:
    if not what.color:
        return _keywords("print-color-mode", (AUTO, "monochrome"), "monochrome")
    default = _COLORS.get(what.defaults.get("color", ""), AUTO)
    return _keywords("print-color-mode", (AUTO, "color", "monochrome"), default)


def _sides(what: Capabilities) -> Described:
    supported = tuple(_SIDES.values()) if what.duplex else ("one-sided",)
    default = _SIDES.get(what.defaults.get("duplex", ""), supported[0])
    return _keywords("sides", supported, default if default in supported else supported[0])


def _qualities(options: DeviceOptions) -> Described:
    _, neutral, numbers = ATTRIBUTES["print-quality"]
    words = {neutral, *options.props.get("print-quality", {})}
    return {
        "print-quality-default": [EnumValue(numbers[neutral])],
        "print-quality-supported": [EnumValue(n) for word, n in numbers.items() if word in words],
    }


def _media(media: Media) -> Described:
    names = [Keyword(each.keyword) for each in media.papers]
    custom = [
        Keyword(custom_keyword(*size, name))
        for name, size in (
            ("min", (CUSTOM_ACROSS.lowest, CUSTOM_ALONG.lowest)),
            ("max", (CUSTOM_ACROSS.highest, CUSTOM_ALONG.highest)),
        )
    ]
    cols = list(map(_media_col, media.papers))
    sizes = [size for col in cols for size in col["media-size"]]
    custom_size = _size(CUSTOM_ACROSS, CUSTOM_ALONG)
    # The location does not say which paper is in which tray. iOS offers ready papers only.
    ready = [_from_tray(col, AUTO) for col in cols]
    return {
        "media-default": names[:1],
        "media-ready": names,
        "media-supported": [*names, *custom],
        "media-size-supported": [*sizes, custom_size],
        "media-source-supported": list(map(Keyword, media.sources)),
        "media-type-supported": list(map(Keyword, media.types)),
        **{f"{margin}-supported": values for margin, values in _MARGINS.items()},
        "media-col-supported": list(
            map(
                Keyword,
                (*MARGINS, "media-size", "media-size-name", "media-source", "media-type"),
            )
        ),
        "media-col-default": [_from_tray(cols[0], media.default_source)],
        "media-col-ready": ready,
        # one entry for each paper, because each tray and each type goes with each paper
        "media-col-database": cols,
    }


def _media_col(paper: OfferedPaper) -> Collection:
    return Collection(
        {
            "media-size": [_size(paper.across, paper.along)],
            "media-size-name": [Keyword(paper.keyword)],
            **_MARGINS,
        }
    )


def _from_tray(col: Collection, source: str) -> Collection:
    return Collection({**col, "media-source": [Keyword(source)], "media-type": [Keyword(AUTO)]})


def _size(across: int | Range, along: int | Range) -> Collection:
    return Collection({"x-dimension": [across], "y-dimension": [along]})
