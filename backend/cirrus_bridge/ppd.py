"""A PPD for one device: its papers, trays, colour and duplex, in several languages. Pure.

PPD 4.3 with CUPS's extensions (https://www.cups.org/doc/spec-ppd.html). The choices that are the
default ask the device for nothing. Pages are laid out by CUPS's filters, copies made by the device:
manual copies would have the filters repeat the pages, and the device once more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from cirrus_bridge.capabilities import Capabilities
from cirrus_bridge.ppd_words import LANGUAGES, WORDS

MARGIN_PT = 12
_HEAD = """\
*PPD-Adobe: "4.3"
*FormatVersion: "4.3"
*FileVersion: "1.0"
*LanguageVersion: English
*LanguageEncoding: ISOLatin1
*PCFileName: "CIRRUS.PPD"
*Manufacturer: "Cirrus"
*PSVersion: "(3010.000) 0"
*LanguageLevel: "3"
*FileSystem: False
*LandscapeOrientation: Plus90
*TTRasterizer: Type42
*cupsVersion: 2.4
*cupsManualCopies: False
*cupsSingleFile: True
*cupsFilter2: "application/vnd.cups-pdf application/pdf 0 -"
"""
_DUPLEX = {"1": "None", "2": "DuplexNoTumble", "3": "DuplexTumble"}


def ppd(model: str, capabilities: Capabilities) -> str:
    """The PPD's text.

    Args:
        model: the name to be shown, and to be matched by `device_id`; see `model_name`.
    """
    return "\n".join(_lines(model, capabilities)) + "\n"


def device_id(model: str) -> str:
    """The IEEE 1284 device id by which CUPS finds the driver for a discovered device."""
    return f"MFG:Cirrus;MDL:{model};CMD:PDF;"


def model_name(device: str, place: str, digest: str) -> str:
    """A name that no other device's begins with: `digest` (hexadecimal, of the device's address)
    is its end, and nobody has it within a name."""
    words = f"{_ascii(device)[:40]} at {_ascii(place)[:40]}"
    return f"{words} {digest[:8]}"


def choice_keyword(text: str) -> str:
    """Any text as the keyword of a choice, from which urllib.parse.unquote makes it again."""
    return quote(text, safe="!$&'()*+,-._~@ ").replace(" ", "%20")


def _lines(model: str, what: Capabilities) -> Iterator[str]:
    yield _HEAD.rstrip()
    name = f"Cirrus {model}"
    yield f'*Product: "({_ascii(model)})"'
    yield f'*ModelName: "{name}"'
    yield f'*ShortNickName: "{name[:31]}"'
    yield f'*NickName: "{name}"'
    yield f'*1284DeviceID: "{device_id(model)}"'
    yield f"*ColorDevice: {what.color}"
    yield f"*DefaultColorSpace: {'RGB' if what.color else 'Gray'}"
    yield f'*cupsLanguages: "{" ".join(("en", *LANGUAGES))}"'
    yield from _papers(what)
    yield from _options(what)
    yield "*DefaultFont: Courier"
    yield '*Font Courier: Standard "(1.05)" Standard ROM'


def _papers(what: Capabilities) -> Iterator[str]:
    wanted = what.defaults.get("size", "")
    names = [paper.name for paper in what.papers]
    default = wanted if wanted in names else names[0]
    for option in ("PageSize", "PageRegion"):
        yield f"*OpenUI *{option}/{WORDS['en'][option]}: PickOne"
        yield f"*OrderDependency: 10 AnySetup *{option}"
        yield f"*Default{option}: {default}"
        for name, wide, high in what.papers:
            yield f'*{option} {name}/{name}: "<</PageSize[{wide:g} {high:g}]>>setpagedevice"'
        yield f"*CloseUI: *{option}"
        yield from _translations(option, dict(zip(names, names, strict=True)))
    yield f"*DefaultImageableArea: {default}"
    yield f"*DefaultPaperDimension: {default}"
    for name, wide, high in what.papers:
        area = f"{MARGIN_PT} {MARGIN_PT} {wide - MARGIN_PT:g} {high - MARGIN_PT:g}"
        yield f'*ImageableArea {name}: "{area}"'
        yield f'*PaperDimension {name}: "{wide:g} {high:g}"'
    yield f'*HWMargins: "{" ".join([str(MARGIN_PT)] * 4)}"'
    yield "*ParamCustomPageSize Width: 1 points 36 3168"
    yield "*ParamCustomPageSize Height: 2 points 36 14400"
    for number, word in enumerate(("WidthOffset", "HeightOffset"), 3):
        yield f"*ParamCustomPageSize {word}: {number} points 0 0"
    yield "*ParamCustomPageSize Orientation: 5 int 0 0"
    yield '*CustomPageSize True: "pop pop pop <</PageSize[5 -2 roll]>>setpagedevice"'
    yield '*MaxMediaWidth: "3168"'
    yield '*MaxMediaHeight: "14400"'


def _options(what: Capabilities) -> Iterator[str]:
    trays = {choice_keyword(tray): tray for tray in what.trays}
    if trays:
        wanted = choice_keyword(what.defaults.get("tray", ""))
        default = wanted if wanted in trays else "Auto"
        yield from _option("InputSlot", {"Auto": ""} | trays, default)
    colors = {"RGB": "", "Gray": ""} if what.color else {"Gray": ""}
    is_gray = not what.color or what.defaults.get("color") == "1"
    yield from _option("ColorModel", colors, "Gray" if is_gray else "RGB")
    if what.duplex:
        default = _DUPLEX.get(what.defaults.get("duplex", ""), "None")
        yield from _option("Duplex", dict.fromkeys(_DUPLEX.values(), ""), default)
    if what.collate:
        yield from _option("Collate", {"False": "", "True": ""}, "False", kind="Boolean")
    yield "*OpenGroup: Cirrus/Cloud"
    priorities = dict.fromkeys(("Default", "1", "25", "50", "75", "99"), "")
    yield from _option("CirrusPriority", priorities, "Default")
    if what.bitmaps:
        yield from _option("CirrusBitmap", {"Default": "", "300": "", "600": ""}, "Default")
    yield "*CloseGroup: Cirrus"


def _option(
    option: str, choices: Mapping[str, str], default: str, kind: str = "PickOne"
) -> Iterator[str]:
    """An option whose choices have the text given, or the words of WORDS."""
    yield f"*OpenUI *{option}/{WORDS['en'][option]}: {kind}"
    yield f"*OrderDependency: 10 AnySetup *{option}"
    yield f"*Default{option}: {default}"
    for keyword, text in choices.items():
        shown = _text(_plain(text)) or WORDS["en"].get(f"{option} {keyword}", keyword)
        yield f'*{option} {keyword}/{shown}: ""'
    yield f"*CloseUI: *{option}"
    yield from _translations(option, choices)


def _translations(option: str, choices: Mapping[str, str]) -> Iterator[str]:
    """UTF-8, unlike the rest (cupsLanguages)."""
    for language in LANGUAGES:
        words = WORDS[language]
        yield f'*{language}.Translation {option}/{words[option]}: ""'
        for keyword, text in choices.items():
            shown = _text(text) or words.get(f"{option} {keyword}", keyword)
            yield f'*{language}.{option} {keyword}/{shown}: ""'


def _text(text: str) -> str:
    """A translation string: what has a meaning in PPDs is written in hexadecimal."""
    return "".join(f"<{ord(c):02X}>" if c in '<>:/"' else c for c in text)


def _plain(text: str) -> str:
    """Text for the part of a PPD that is ASCII: é as e, and what has no such letter as -."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c if c.isascii() else "-" for c in letters if not unicodedata.combining(c))


def _ascii(text: str) -> str:
    """Text for names that go through device ids and PPD keywords alike."""
    kept = "".join(c if c.isalnum() or c in " -_.+" else "-" for c in _plain(text))
    return " ".join(kept.split()) or "-"
