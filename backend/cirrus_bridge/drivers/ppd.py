"""A PPD for one device: its papers, trays, colour and duplex, in several languages. Pure.

PPD 4.3 with CUPS's extensions (https://www.cups.org/doc/spec-ppd.html), and two of our own, which
the backend reads (`cups/ppd_file`): `cirrusDefault OPTION` is the choice that asks the device for
nothing, to be told from a default that an administrator has set; `cirrusPaper NAME` and
`cirrusTray NAME` are what the location calls a paper and a tray. Pages are laid out by CUPS's
filters, copies made by the device; where it can not collate, they are made by the filters (manual
copies).
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cirrus_bridge.base.media import paper as paper_name
from cirrus_bridge.base.media import shown_as
from cirrus_bridge.drivers.capabilities import Capabilities
from cirrus_bridge.drivers.formats import PageLanguage
from cirrus_bridge.drivers.ppd_strings import LANGUAGES, WORDS

MARGIN_PT = 12
# cups/ppd.h: ppdOpen refuses a file with a longer keyword, and cuts off what of a text is longer
_KEYWORD_BYTES = 40
_TEXT_BYTES = 80
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
*cupsSingleFile: True
*cupsMaxCopies: 99
"""
_MODEL_NAME = str.maketrans("_", "-", "[]")  # PPD 4.3, 5.3
_SOURCES = ("auto", "lower", "middle", "side", "upper")  # whatever follows
_DUPLEX = {"1": "None", "2": "DuplexNoTumble", "3": "DuplexTumble"}


def ppd(model: str, language: PageLanguage, capabilities: Capabilities) -> str:
    """The PPD's text.

    Args:
        model: the name to be shown, and to be matched by `device_id`; see `model_name`.
        language: what the device is to get.
    """
    return "\n".join(_lines(model, language, capabilities)) + "\n"


def device_id(model: str, language: PageLanguage) -> str:
    """The IEEE 1284 device id by which CUPS finds the driver for a discovered device."""
    return f"MFG:Cirrus;MDL:{model};CMD:{language.command};"


def model_name(device: Sequence[str], place: Sequence[str], digest: str) -> str:
    """A name that no other device's begins with: its end is `digest` (hexadecimal, of the device's
    address) after a #, which no name of a device or place can have in here.

    Args:
        device, place: what each is called; the first in which ASCII leaves anything to be read.
        digest: at least 12 digits.
    """
    return f"{_readable(device) or 'device'} at {_readable(place) or 'location'} #{digest[:12]}"


def make_and_model(model: str) -> str:
    """What people are shown of a `model_name`, the digest shortened; no other device has the same.

    CUPS's web page finds a device's driver by this alone. Words may be the same: two servers can
    have equal names, and letters get lost on the way to ASCII.
    """
    words, _, digest = model.rpartition(" #")
    return f"Cirrus {words} [{digest[:8]}]"


def quoted(text: str) -> str:
    """Text for between quotes, from which urllib.parse.unquote makes it again.

    In UTF-8, since three bytes for one would be too much for a line of a PPD.
    """
    return text.replace("%", "%25").replace('"', "%22")


def _lines(model: str, language: PageLanguage, what: Capabilities) -> Iterator[str]:
    yield _HEAD.rstrip()
    sorts = language.collates and what.collate
    yield f"*cupsManualCopies: {language.repeats or (language.collates and not sorts)}"
    yield from (f'*cupsFilter2: "{line}"' for line in language.filters)
    yield from language.attributes
    name = make_and_model(model)
    yield f'*Product: "({_ascii(model)})"'
    yield f'*ModelName: "{name.translate(_MODEL_NAME)}"'
    yield f'*ShortNickName: "{name[:31]}"'
    yield f'*NickName: "{name}"'
    yield f'*1284DeviceID: "{device_id(model, language)}"'
    yield f"*ColorDevice: {what.color}"
    yield f"*DefaultColorSpace: {'RGB' if what.color else 'Gray'}"
    yield f'*cupsLanguages: "{" ".join(("en", *LANGUAGES))}"'
    yield from _papers(what)
    yield from _options(what, language)
    yield "*DefaultFont: Courier"
    yield '*Font Courier: Standard "(1.05)" Standard ROM'


def _papers(what: Capabilities) -> Iterator[str]:
    wanted = what.defaults.get("size", "")
    names = [paper.name for paper in what.papers]
    named = {paper.name: (word, paper.name) for paper, word in what.papers.items()}
    asked = [name for name in names if wanted in named[name] or paper_name(wanted) == name]
    usual = [name for name in ("A4", "Letter") if name in names]
    default = (asked or usual or names)[0]
    yield f'*cirrusDefault PageSize: "{default}"'
    for paper, word in what.papers.items():
        if word != paper.name:
            yield f'*cirrusPaper {paper.name}: "{quoted(word)}"'
    texts = {paper.name: shown_as(paper.name, word) for paper, word in what.papers.items()}
    for option in ("PageSize", "PageRegion"):
        yield f"*OpenUI *{option}/{WORDS['en'][option]}: PickOne"
        yield f"*OrderDependency: 10 AnySetup *{option}"
        yield f"*Default{option}: {default}"
        for name, wide, high in what.papers:
            shown = WORDS["en"].get(f"PageSize {name}") or _english(texts[name]) or name
            code = f"<</PageSize[{wide:g} {high:g}]>>setpagedevice"
            yield f'*{option} {name}/{_text(shown)}: "{code}"'
        yield f"*CloseUI: *{option}"
        for language in LANGUAGES:
            yield f'*{language}.Translation {option}/{WORDS[language][option]}: ""'
            for name in names:
                shown = WORDS[language].get(f"PageSize {name}", texts[name])
                yield f'*{language}.{option} {name}/{_text(shown)}: ""'
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


def _options(what: Capabilities, language: PageLanguage) -> Iterator[str]:
    _option = functools.partial(_ui, language)
    trays = _tray_keywords(what.trays)
    if trays:
        wanted = what.defaults.get("tray")
        default = next((keyword for keyword, tray in trays.items() if tray == wanted), "Auto")
        for keyword, tray in trays.items():
            yield f'*cirrusTray {keyword}: "{quoted(tray)}"'
        yield from _option("InputSlot", {"Auto": ""} | trays, default)
    colors = {"RGB": "", "Gray": ""} if what.color else {"Gray": ""}
    is_gray = not what.color or what.defaults.get("color") == "1"
    yield from _option("ColorModel", colors, "Gray" if is_gray else "RGB")
    if what.duplex:
        default = _DUPLEX.get(what.defaults.get("duplex", ""), "None")
        sides = [
            choice for choice in _DUPLEX.values() if f"Duplex {choice}" not in language.without
        ]
        yield from _option("Duplex", dict.fromkeys(sides, ""), default)
        for paper, choice in itertools.product(what.papers, sides[1:]):
            if paper.is_envelope:
                yield f"*UIConstraints: *PageSize {paper.name} *Duplex {choice}"
                yield f"*UIConstraints: *Duplex {choice} *PageSize {paper.name}"
    if language.resolutions:
        yield from _option("Resolution", {"300dpi": "300 dpi", "600dpi": "600 dpi"}, "600dpi")
    if language.collates and what.collate:
        yield from _option("Collate", {"False": "", "True": ""}, "False", kind="Boolean")
    yield f"*OpenGroup: Cirrus/{WORDS['en']['Cirrus']}"
    yield from (f'*{each}.Translation Cirrus/{WORDS[each]["Cirrus"]}: ""' for each in LANGUAGES)
    scales = dict.fromkeys(("Default", "Fit", "Shrink", "Actual"), "")
    yield from _option("CirrusScale", scales, "Default")
    priorities = dict.fromkeys(("Default", "1", "25", "50", "75", "99"), "")
    yield from _option("CirrusPriority", priorities, "Default")
    if what.bitmaps:
        yield from _option("CirrusBitmap", {"Default": "", "300": "", "600": ""}, "Default")
    yield "*CloseGroup: Cirrus"


def _tray_keywords(trays: Iterable[str]) -> dict[str, str]:
    """Trays by their keywords, of which IPP's media-source can be made: letters, digits and -.

    They differ also as IPP's names do (Tray2 and Tray-2 are both tray-2 there, and whatever begins
    with Upper is top), and do not begin as those that CUPS makes itself (Custom.…).
    """
    found: dict[str, str] = {}
    taken = {"auto"}
    for number, tray in enumerate(trays, 1):
        keyword = "-".join(re.findall("[A-Za-z0-9]+", _plain(tray)))
        is_name = re.match("(?!custom)[a-z]", keyword.lower()) and len(keyword) <= _KEYWORD_BYTES
        if not is_name or _ipp_name(keyword) in taken:
            keyword = f"Tray-{number}"
        while _ipp_name(keyword) in taken:
            keyword += "x"
        taken.add(_ipp_name(keyword))
        found[keyword] = tray
    return found


def _ipp_name(keyword: str) -> str:
    """What is equal for keywords of which CUPS makes the same media-source (ppd-cache.c)."""
    name = keyword.lower().replace("-", "")
    return next((each for each in _SOURCES if name.startswith(each)), name)


def _ui(
    language: PageLanguage,
    option: str,
    choices: Mapping[str, str],
    default: str,
    kind: str = "PickOne",
) -> Iterator[str]:
    """An option whose choices have the text given, or the words of WORDS."""
    default = default if default in choices else next(iter(choices))
    yield f'*cirrusDefault {option}: "{default}"'
    yield f"*OpenUI *{option}/{WORDS['en'][option]}: {kind}"
    yield f"*OrderDependency: 10 AnySetup *{option}"
    yield f"*Default{option}: {default}"
    for keyword, text in choices.items():
        shown = _text(_english(text)) or WORDS["en"].get(f"{option} {keyword}", keyword)
        yield f'*{option} {keyword}/{shown}: "{language.codes.get(f"{option} {keyword}", "")}"'
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
    shown, left = "", _TEXT_BYTES
    for char in text:
        coded = f"<{ord(char):02X}>" if char in '<>:/"' else char
        left -= len(coded.encode())
        if left < 0:
            break
        shown += coded
    return shown


def _plain(text: str) -> str:
    """Text for the part of a PPD that is ASCII: é as e, and what has no such letter as -."""
    return "".join(c if c.isascii() else "-" for c in _letters(text))


def _english(text: str) -> str:
    """The same where ASCII has all of its letters, and nothing elsewhere."""
    letters = _letters(text)
    return letters if letters.isascii() else ""


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _readable(names: Sequence[str]) -> str:
    """The first name of which ASCII leaves anything, without marks for what it does not."""
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9 ._+-]", " ", _plain(name).replace("'", ""))
        words = (word.strip("-") for word in clean.split() if re.search("[A-Za-z0-9]", word))
        if known := " ".join(words)[:40].strip():
            return known
    return ""


def _ascii(text: str) -> str:
    """Text for names that go through device ids and PPD keywords alike."""
    kept = "".join(c if c.isalnum() or c in " -_.+" else "-" for c in _plain(text))
    return " ".join(kept.split()) or "-"
