"""A PPD for one device: its papers, trays, color and duplex, in several languages. Pure.

The format is PPD 4.3 with CUPS's extensions (https://www.cups.org/doc/spec-ppd.html). The backend
reads three attributes of our own (`cups/ppd_file`). `cirrusDefault OPTION` is the choice that asks
nothing of the device; any other default was set by an administrator. `cirrusPaper NAME` and
`cirrusTray NAME` are the location's names of a paper and a tray.

CUPS's filters lay out the pages, and the device makes the copies. If the device cannot collate, the
filters make the copies (manual copies).
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cirrus_bridge.base.media import paper as paper_name
from cirrus_bridge.base.media import shown_as
from cirrus_bridge.drivers.capabilities import Capabilities
from cirrus_bridge.drivers.formats import PageLanguage
from cirrus_bridge.drivers.names import ascii_name, device_id, english, make_and_model, plain
from cirrus_bridge.drivers.ppd_strings import LANGUAGES, words_in

MARGIN_PT = 12
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
_SOURCES = ("auto", "lower", "middle", "side", "upper")  # each with any ending
_DUPLEX = {"1": "None", "2": "DuplexNoTumble", "3": "DuplexTumble"}


def ppd(model: str, language: PageLanguage, capabilities: Capabilities) -> str:
    """The PPD's text.

    Args:
        model: the name from `names.model_name`, which `device_id` contains as well.
        language: the page language to send to the device.
    """
    return "\n".join(_lines(model, language, capabilities)) + "\n"


def quoted(text: str) -> str:
    """The text for a quoted PPD value; urllib.parse.unquote reverses the quoting.

    UTF-8 stays as it is: %XX takes three bytes for one, too many for a line of a PPD.
    """
    return text.replace("%", "%25").replace('"', "%22")


def _lines(model: str, language: PageLanguage, what: Capabilities) -> Iterator[str]:
    yield _HEAD.rstrip()
    sorts = language.collates and what.collate
    yield f"*cupsManualCopies: {language.repeats or (language.collates and not sorts)}"
    yield from (f'*cupsFilter2: "{line}"' for line in language.filters)
    yield from language.attributes
    name = make_and_model(model)
    yield f'*Product: "({ascii_name(model)})"'
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


@dataclass(frozen=True, slots=True)
class _Option:
    """An option of the PPD.

    Attributes:
        choices: keyword → text, or "" if `words_in` has the text.
        codes: keyword → PostScript code.
        words_of: another option whose choices have the same texts.
    """

    keyword: str
    choices: Mapping[str, str]
    default: str
    codes: Mapping[str, str] = field(default_factory=dict)
    kind: str = "PickOne"
    words_of: str = ""

    def lines(self) -> Iterator[str]:
        """The option in English, then in the other languages."""
        words = words_in("en")
        yield f"*OpenUI *{self.keyword}/{words[self.keyword]}: {self.kind}"
        yield f"*OrderDependency: 10 AnySetup *{self.keyword}"
        yield f"*Default{self.keyword}: {self.default}"
        for choice, text in self.choices.items():
            shown = self._shown(choice, english(text), words)
            yield f'*{self.keyword} {choice}/{shown}: "{self.codes.get(choice, "")}"'
        yield f"*CloseUI: *{self.keyword}"
        for language in LANGUAGES:  # these lines are in UTF-8 (cupsLanguages)
            words = words_in(language)
            yield f'*{language}.Translation {self.keyword}/{words[self.keyword]}: ""'
            for choice, text in self.choices.items():
                yield f'*{language}.{self.keyword} {choice}/{self._shown(choice, text, words)}: ""'

    def _shown(self, choice: str, text: str, words: Mapping[str, str]) -> str:
        return _text(words.get(f"{self.words_of or self.keyword} {choice}") or text or choice)


def _papers(what: Capabilities) -> Iterator[str]:
    default = _default_paper(what)
    yield f'*cirrusDefault PageSize: "{default}"'
    for paper, word in what.papers.items():
        if word != paper.name:
            yield f'*cirrusPaper {paper.name}: "{quoted(word)}"'
    texts = {paper.name: shown_as(paper.name, word) for paper, word in what.papers.items()}
    codes = {
        name: f"<</PageSize[{wide:g} {high:g}]>>setpagedevice" for name, wide, high in what.papers
    }
    for option in ("PageSize", "PageRegion"):
        yield from _Option(option, texts, default, codes, words_of="PageSize").lines()
    yield f"*DefaultImageableArea: {default}"
    yield f"*DefaultPaperDimension: {default}"
    for name, wide, high in what.papers:
        area = f"{MARGIN_PT} {MARGIN_PT} {wide - MARGIN_PT:g} {high - MARGIN_PT:g}"
        yield f'*ImageableArea {name}: "{area}"'
        yield f'*PaperDimension {name}: "{wide:g} {high:g}"'
    yield f'*HWMargins: "{" ".join([str(MARGIN_PT)] * 4)}"'
    yield _CUSTOM_SIZES


def _default_paper(what: Capabilities) -> str:
    wanted = what.defaults.get("size", "")
    names = [paper.name for paper in what.papers]
    asked = [
        paper.name
        for paper, word in what.papers.items()
        if wanted in (word, paper.name) or paper_name(wanted) == paper.name
    ]
    usual = [name for name in ("A4", "Letter") if name in names]
    return (asked or usual or names)[0]


def _options(what: Capabilities, language: PageLanguage) -> Iterator[str]:
    trays = _tray_keywords(what.trays)
    for keyword, tray in trays.items():
        yield f'*cirrusTray {keyword}: "{quoted(tray)}"'
    yield from _render(_device_options(what, language, trays), language)
    if what.duplex:
        yield from _envelopes_one_sided(what, language)
    yield f"*OpenGroup: Cirrus/{words_in('en')['Cirrus']}"
    yield from (f'*{each}.Translation Cirrus/{words_in(each)["Cirrus"]}: ""' for each in LANGUAGES)
    yield from _render(_cloud_options(what), language)
    yield "*CloseGroup: Cirrus"


def _render(options: Iterable[_Option], language: PageLanguage) -> Iterator[str]:
    """The lines of options, with the codes of the language and the default for the backend."""
    for option in options:
        codes = {
            choice: language.codes.get(f"{option.keyword} {choice}", "")
            for choice in option.choices
        }
        default = option.default if option.default in option.choices else next(iter(option.choices))
        yield f'*cirrusDefault {option.keyword}: "{default}"'
        yield from dataclasses.replace(option, default=default, codes=codes).lines()


def _device_options(
    what: Capabilities, language: PageLanguage, trays: Mapping[str, str]
) -> Iterator[_Option]:
    if trays:
        wanted = what.defaults.get("tray")
        default = next((keyword for keyword, tray in trays.items() if tray == wanted), "Auto")
        yield _Option("InputSlot", {"Auto": "", **trays}, default)
    colors = {"RGB": "", "Gray": ""} if what.color else {"Gray": ""}
    is_gray = not what.color or what.defaults.get("color") == "1"
    yield _Option("ColorModel", colors, "Gray" if is_gray else "RGB")
    if what.duplex:
        default = _DUPLEX.get(what.defaults.get("duplex", ""), "None")
        yield _Option("Duplex", dict.fromkeys(_sides(language), ""), default)
    if language.resolutions:
        yield _Option("Resolution", {"300dpi": "", "600dpi": ""}, "600dpi")
    if language.collates and what.collate:
        yield _Option("Collate", {"False": "", "True": ""}, "False", kind="Boolean")


def _cloud_options(what: Capabilities) -> Iterator[_Option]:
    """Options for props that have no equivalent in CUPS."""
    choices = {
        "CirrusScale": ("Default", "Fit", "Shrink", "Actual"),
        "CirrusPriority": ("Default", "1", "25", "50", "75", "99"),
    }
    if what.bitmaps:
        choices["CirrusBitmap"] = ("Default", "300", "600")
    for keyword, each in choices.items():
        yield _Option(keyword, dict.fromkeys(each, ""), "Default")


def _sides(language: PageLanguage) -> list[str]:
    return [side for side in _DUPLEX.values() if f"Duplex {side}" not in language.without]


def _envelopes_one_sided(what: Capabilities, language: PageLanguage) -> Iterator[str]:
    for paper, side in itertools.product(what.papers, _sides(language)[1:]):
        if paper.is_envelope:
            yield f"*UIConstraints: *PageSize {paper.name} *Duplex {side}"
            yield f"*UIConstraints: *Duplex {side} *PageSize {paper.name}"


def _tray_keywords(trays: Iterable[str]) -> dict[str, str]:
    """Trays by keywords of letters, digits and -, which CUPS turns into IPP's media-source.

    No two keywords get the same name in IPP: there Tray2 and Tray-2 are both tray-2, and any
    keyword that begins with Upper is top. No keyword begins as CUPS's own do (Custom.…).
    """
    found: dict[str, str] = {}
    taken = {"auto"}
    for number, tray in enumerate(trays, 1):
        keyword = "-".join(re.findall("[A-Za-z0-9]+", plain(tray)))
        is_name = re.match("(?!custom)[a-z]", keyword.lower()) and len(keyword) <= _KEYWORD_BYTES
        if not is_name or _ipp_name(keyword) in taken:
            keyword = f"Tray-{number}"
        while _ipp_name(keyword) in taken:
            keyword += "x"
        taken.add(_ipp_name(keyword))
        found[keyword] = tray
    return found


def _ipp_name(keyword: str) -> str:
    """A name that keywords share if CUPS makes the same media-source of them (ppd-cache.c)."""
    name = keyword.lower().replace("-", "")
    return next((each for each in _SOURCES if name.startswith(each)), name)


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
