"""A PPD for one device: its papers, trays, color and duplex, in several languages. Pure.

The format is PPD 4.3 with CUPS's extensions (https://www.cups.org/doc/spec-ppd.html). The backend
reads attributes of our own (`cups/ppd_file`): the default that asks nothing of the device, the
location's names of papers and trays, and the props of declared options. CUPS's filters lay out the
pages, and the device makes the copies. If the device cannot collate, the filters make the copies
(manual copies).
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cirrus_bridge.base.device_options import ATTRIBUTES, ppd_choice, ppd_word
from cirrus_bridge.base.media import paper as paper_name
from cirrus_bridge.base.media import shown_as
from cirrus_bridge.base.model import PPD_PROPS
from cirrus_bridge.base.trays import media_source
from cirrus_bridge.drivers.capabilities import Capabilities, PageLanguage
from cirrus_bridge.drivers.ppd_strings import LANGUAGES, REASONS, words_in

MARGIN_PT = 12
PIN_DIGITS = 8  # the most digits of a PIN that CUPS announces (job-password-supported)
# cups/ppd.h: ppdOpen refuses a file with a longer keyword, and shortens a longer text
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
_CUSTOM_SIZES = """\
*ParamCustomPageSize Width: 1 points 36 3168
*ParamCustomPageSize Height: 2 points 36 14400
*ParamCustomPageSize WidthOffset: 3 points 0 0
*ParamCustomPageSize HeightOffset: 4 points 0 0
*ParamCustomPageSize Orientation: 5 int 0 0
*CustomPageSize True: "pop pop pop <</PageSize[5 -2 roll]>>setpagedevice"
*MaxMediaWidth: "3168"
*MaxMediaHeight: "14400\""""
_MODEL_NAME = str.maketrans("_", "-", "[]")  # PPD 4.3, 5.3
_QUALITIES = ("Draft", "Normal", "High")
_DUPLEX = {"1": "None", "2": "DuplexNoTumble", "3": "DuplexTumble"}
_CLOUD = {  # options for props that have no equivalent in CUPS
    "CirrusScale": ("Default", "Fit", "Shrink", "Actual"),
    "CirrusPriority": ("Default", "1", "25", "50", "75", "99"),
    "CirrusBitmap": ("Default", "300", "600"),
}


def ppd(model: str, name: str, device_id: str, language: PageLanguage, what: Capabilities) -> str:
    """The PPD of a device with these names (`devices.Driver`), which gets data in this language."""
    by_device = language.collates and not language.copies_in_data
    manual_copies = language.repeats or (by_device and not what.collate)
    lines = (
        _HEAD.rstrip(),
        f"*cupsManualCopies: {manual_copies}",
        *(f'*cupsFilter2: "{line}"' for line in language.filters),
        *language.attributes,
        f'*Product: "({model.replace("#", "-")})"',
        f'*ModelName: "{name.translate(_MODEL_NAME)}"',
        f'*ShortNickName: "{name[:31]}"',
        f'*NickName: "{name}"',
        f'*1284DeviceID: "{device_id}"',
        f"*ColorDevice: {what.color}",
        f"*DefaultColorSpace: {'RGB' if what.color else 'Gray'}",
        f'*cupsLanguages: "{" ".join(("en", *LANGUAGES))}"',
        *_papers(what),
        *_device_options(what, language),
        *_declared_options(what),
        *_cloud_options(what),
        *_reasons(),
        "*DefaultFont: Courier",
        '*Font Courier: Standard "(1.05)" Standard ROM',
    )
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """The text for a quoted PPD value; urllib.parse.unquote reverses the quoting.

    UTF-8 stays as it is: %XX takes three bytes for one, too many for a line of a PPD.
    """
    return text.replace("%", "%25").replace('"', "%22")


def _papers(what: Capabilities) -> Iterator[str]:
    default = default_paper(what)
    yield f'*cirrusDefault PageSize: "{default}"'
    for paper, word in what.papers.items():
        if word != paper.name:
            yield f'*cirrusPaper {paper.name}: "{quoted(word)}"'
    texts = {paper.name: shown_as(paper.name, word) for paper, word in what.papers.items()}
    for keyword in ("PageSize", "PageRegion"):
        codes = {f"{keyword} {name}": f"/PageSize[{w:g} {h:g}]" for name, w, h in what.papers}
        yield from _option(codes, keyword, tuple(texts), default, texts=texts)
    yield f"*DefaultImageableArea: {default}"
    yield f"*DefaultPaperDimension: {default}"
    for name, wide, high in what.papers:
        area = f"{MARGIN_PT} {MARGIN_PT} {wide - MARGIN_PT:g} {high - MARGIN_PT:g}"
        yield f'*ImageableArea {name}: "{area}"'
        yield f'*PaperDimension {name}: "{wide:g} {high:g}"'
    yield f'*HWMargins: "{" ".join([str(MARGIN_PT)] * 4)}"'
    yield _CUSTOM_SIZES


def default_paper(what: Capabilities) -> str:
    """The PPD name of the paper that a job gets unless it asks for another one."""
    wanted = what.defaults.get("size", "")
    names = [paper.name for paper in what.papers]
    asked = [
        paper.name
        for paper, word in what.papers.items()
        if wanted in (word, paper.name) or paper_name(wanted) == paper.name
    ]
    usual = [name for name in ("A4", "Letter") if name in names]
    return (asked or usual or names)[0]


def _device_options(what: Capabilities, language: PageLanguage) -> Iterator[str]:
    option = functools.partial(_option, language.codes)
    if trays := tray_keywords(what.trays):
        yield from (f'*cirrusTray {keyword}: "{quoted(tray)}"' for keyword, tray in trays.items())
        wanted = what.defaults.get("tray")
        default = next((keyword for keyword, tray in trays.items() if tray == wanted), "Auto")
        texts = {keyword: _tray_text(keyword, tray) for keyword, tray in trays.items()}
        yield from option("InputSlot", ("Auto", *trays), default, texts=texts)
    else:  # IPP Everywhere needs media-source-supported and media-type-supported (PWG 5100.14)
        yield from option("InputSlot", ("Auto",), "Auto")
    if "media-type" not in what.options.props:
        yield from option("MediaType", ("Auto",), "Auto")
    colors = ("RGB", "Gray") if what.color else ("Gray",)
    yield from option("ColorModel", colors, "Gray" if what.defaults.get("color") == "1" else "RGB")
    sides = [side for side in _DUPLEX.values() if f"Duplex {side}" not in language.without]
    if what.duplex:
        default = _DUPLEX.get(what.defaults.get("duplex", ""), "None")
        yield from option("Duplex", sides, default)
        yield "*cupsBackSide: Normal"  # devices and filters turn the page themselves
    if "Resolution 600dpi" in language.codes:
        yield from option("Resolution", ("300dpi", "600dpi"), "600dpi")
    if language.collates and what.collate:
        yield from option("Collate", ("False", "True"), "False", kind="Boolean")
    if what.duplex:
        for paper, side in itertools.product(what.papers, sides[1:]):
            if paper.is_envelope:
                yield f"*UIConstraints: *PageSize {paper.name} *Duplex {side}"
                yield f"*UIConstraints: *Duplex {side} *PageSize {paper.name}"


def _declared_options(what: Capabilities) -> Iterator[str]:
    """The options of devices.toml. Each has a choice that asks nothing of the device."""
    if what.options.pin_prop:
        # not an option of the PPD, because CUPS shows the choices of a job to all users
        yield f'*cupsJobPassword: "{"1" * PIN_DIGITS}"'
        yield f'*cirrusJobPassword: "{what.options.pin_prop}"'
    defaults = {f"{name}={value}" for name, value in what.defaults.items()}
    for name, props in what.options.props.items():
        attribute = ATTRIBUTES[name]
        texts: dict[str, dict[str, str]] = {}
        present: dict[str, str] = {}
        for keyword, prop in props.items():
            yield f'*{PPD_PROPS[name]} {keyword}: "{prop}"'
            option, choice = ppd_choice(name, keyword)
            texts.setdefault(option, {})[choice] = keyword.replace("-", " ").capitalize()
            if _comparable(prop) in defaults:
                present[option] = choice
            if name == "finishings":
                number = attribute.numbers[keyword]
                yield f'*cupsIPPFinishings {number}/{keyword}: "*{option} {choice}"'
        neutral = ppd_word(attribute.neutral)
        for option, shown in texts.items():
            choices = list(dict.fromkeys((neutral, *shown)))
            if name == "print-quality":
                choices.sort(key=_QUALITIES.index)
            yield from _option({}, option, choices, present.get(option, neutral), texts=shown)


def _comparable(prop: str) -> str:
    name, _, value = prop.partition("=")
    return f"{name.lower()}={value}"


def _cloud_options(what: Capabilities) -> Iterator[str]:
    yield f"*OpenGroup: Cirrus/{words_in('en')['Cirrus']}"
    yield from (f'*{each}.Translation Cirrus/{words_in(each)["Cirrus"]}: ""' for each in LANGUAGES)
    for keyword, choices in _CLOUD.items():
        if keyword != "CirrusBitmap" or what.bitmaps:
            yield from _option({}, keyword, choices, "Default")
    yield "*CloseGroup: Cirrus"


def _reasons() -> Iterator[str]:
    """The texts of our printer-state-reasons, which dialogs show instead of the keywords."""
    for language in ("en", *LANGUAGES):
        words, prefix = words_in(language), "" if language == "en" else f"{language}."
        for reason in REASONS:
            yield f'*{prefix}cupsIPPReason {reason}/{words[f"cupsIPPReason {reason}"]}: ""'


def _option(
    codes: Mapping[str, str],
    keyword: str,
    choices: Sequence[str],
    default: str,
    *,
    texts: Mapping[str, str] | None = None,
    kind: str = "PickOne",
) -> Iterator[str]:
    """An option in English, then in the other languages.

    Args:
        codes: "OPTION CHOICE" → entries of the dictionary for setpagedevice.
        default: if it is not a choice, the first choice is the default.
        texts: the texts of choices of which `words_in` has none.
    """
    is_paper = keyword in ("PageSize", "PageRegion")

    def shown(words: Mapping[str, str], choice: str, text: str) -> str:
        key = f"{'PageSize' if is_paper else keyword} {choice}"
        return _text(words.get(key) or text or choice)

    words, texts = words_in("en"), texts or {}
    default = default if default in choices else choices[0]
    if not is_paper:
        yield f'*cirrusDefault {keyword}: "{default}"'
    yield f"*OpenUI *{keyword}/{words[keyword]}: {kind}"
    yield f"*OrderDependency: 10 AnySetup *{keyword}"
    yield f"*Default{keyword}: {default}"
    for choice in choices:
        text, code = _english(texts.get(choice, "")), codes.get(f"{keyword} {choice}")
        command = f"<<{code}>>setpagedevice" if code else ""
        yield f'*{keyword} {choice}/{shown(words, choice, text)}: "{command}"'
    yield f"*CloseUI: *{keyword}"
    for language in LANGUAGES:  # these lines are in UTF-8 (cupsLanguages)
        words = words_in(language)
        yield f'*{language}.Translation {keyword}/{words[keyword]}: ""'
        for choice in choices:
            text = shown(words, choice, texts.get(choice, ""))
            yield f'*{language}.{keyword} {choice}/{text}: ""'


def tray_keywords(trays: Iterable[str]) -> dict[str, str]:
    """Trays by keywords of letters, digits and -, which CUPS turns into IPP's media-source.

    No two keywords get the same name in IPP: there Tray2 and Tray-2 are both tray-2, and any
    keyword that begins with Upper is top. No keyword begins as CUPS's own do (Custom.…).
    """
    found: dict[str, str] = {}
    taken = {media_source("Auto")}
    for number, tray in enumerate(trays, 1):
        keyword = "-".join(re.findall("[A-Za-z0-9]+", plain(tray)))
        is_name = re.match("(?!custom)[a-z]", keyword.lower()) and len(keyword) <= _KEYWORD_BYTES
        if not is_name or media_source(keyword) in taken:
            keyword = f"Tray-{number}"
        while media_source(keyword) in taken:
            keyword += "x"
        taken.add(media_source(keyword))
        found[keyword] = tray
    return found


def _tray_text(keyword: str, tray: str) -> str:
    """The text for a tray. CUPS 2.4.3 and later mistake a text that begins with Auto for Auto."""
    return f"{keyword} ({tray})" if media_source(tray) == media_source("Auto") else tray


def plain(text: str) -> str:
    """The text in ASCII, for PPDs: é becomes e, and a character without a base letter becomes -."""
    return "".join(c if c.isascii() else "-" for c in _letters(text))


def _english(text: str) -> str:
    """The text in ASCII if all letters have an equivalent there, or else an empty text."""
    letters = _letters(text)
    return letters if letters.isascii() else ""


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _text(text: str) -> str:
    """A PPD translation string, with special characters in hexadecimal."""
    shown, left = "", _TEXT_BYTES
    for char in text:
        coded = f"<{ord(char):02X}>" if char in '<>:/"' else char
        left -= len(coded.encode())
        if left < 0:
            break
        shown += coded
    return shown
