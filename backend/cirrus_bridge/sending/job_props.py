"""CUPS job options → the API's job props. Pure.

Names of options are in lower case, as `cups/options` returns them (options(7), PWG 5100.x, PPD
4.3). The device is not asked for what CUPS's filters have already done to the pages. A value that
the API's list form could misread is refused, never repaired: a prop cannot smuggle in another prop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from cirrus_bridge.base.errors import BadOption
from cirrus_bridge.base.media import is_paper, paper, paper_of_size, paper_word
from cirrus_bridge.base.model import DEFAULT_PRIORITY, PASSED_ON, PROP_NAME, PrintJob
from cirrus_bridge.base.translation import tr
from cirrus_bridge.base.trays import tray_word
from cirrus_bridge.config.defaults import IDENTITY

_DUPLEX = {
    "one-sided": "1", "none": "1", "simplex": "1", "false": "1",
    "two-sided-long-edge": "2", "duplexnotumble": "2", "true": "2",
    "two-sided-short-edge": "3", "duplextumble": "3",
}  # fmt: skip
_COLOR = {
    "monochrome": "1", "process-monochrome": "1", "bi-level": "1", "auto-monochrome": "1",
    "gray": "1", "grayscale": "1", "kgray": "1", "black": "1", "mono": "1",
    "color": "2", "rgb": "2", "cmyk": "2", "cmy": "2", "rgb16": "2",
}  # fmt: skip
_COLLATE = {
    "true": "1", "on": "1", "yes": "1", "collated": "1",
    "separate-documents-collated-copies": "1",
    "false": "", "off": "", "no": "", "uncollated": "",
    "separate-documents-uncollated-copies": "",
}  # fmt: skip
# RFC 8011, 5.2.10: 3 portrait, 4 landscape, 5 reverse-landscape, 6 reverse-portrait
_ORIENTATION = {"3": "1", "4": "2", "5": "2", "6": "1"}
# PWG 5100.16, 5.1.3 (print-scaling); the other options are those of pdftopdf
_SCALE = {"auto": "1", "auto-fit": "1", "fit": "0", "fill": "0", "none": "2"}
_SET = ("true", "yes", "on")
_DEVICE_SCALE = {"default": "", "fit": "0", "shrink": "1", "actual": "2"}
_NOT_ASKED = frozenset({"auto", "default", "printerdefault", "automatic", "automatically-select"})


def _chosen(text: str) -> str | None:
    return "" if text.lower() in _NOT_ASKED else text


def _priority(text: str) -> str | None:
    """Convert IPP's job-priority (RFC 8011, 5.2.1: 1 to 100) to the API's 1 to 99."""
    return str(min(int(text), 99))


Reader = Mapping[str, str] | Callable[[str], str | None]  # the table's keys are in lower case
# A prop, the reader of its options' values, and these options; the first option of a job wins. An
# empty value overrides the queue's default with the device's own behavior.
_ASKED_BY: tuple[tuple[str, Reader, tuple[str, ...]], ...] = (
    ("collate", _COLLATE, ("collate", "sheet-collate", "multiple-document-handling")),
    ("duplex", _DUPLEX, ("sides", "duplex")),
    # lp adds the queue's default print-color-mode to each job, so the PPD's option comes first
    ("color", _COLOR, ("colormodel", "print-color-mode")),
    ("tray", _chosen, ("inputslot", "media-source")),
    ("size", _chosen, ("pagesize", "pageregion")),
    ("priority", str, ("cirrus-priority",)),
    ("priority", _chosen, ("cirruspriority",)),
    ("priority", _priority, ("job-priority",)),
    ("bmp", _chosen, ("cirrusbitmap",)),
    ("scale", _DEVICE_SCALE, ("cirrusscale",)),
)
# options that pdftopdf handles in a filtered document
_ASKED_BY_UNFILTERED: tuple[tuple[str, Reader, tuple[str, ...]], ...] = (
    ("scale", _SCALE, ("print-scaling",)),
    ("scale", dict.fromkeys(_SET, "0"), ("fit-to-page", "fitplot", "fill")),
    ("scale", dict.fromkeys(_SET, "2"), ("crop-to-fit",)),
    ("orientation", _ORIENTATION, ("orientation-requested",)),
    ("orientation", dict.fromkeys(_SET, "2"), ("landscape",)),
)

# allowed values of known props; other props may have any value
_ALLOWED: Mapping[str, tuple[re.Pattern[str], str]] = {
    "copies": (re.compile(r"[1-9][0-9]?"), tr("a number of copies from 1 to 99")),
    "priority": (re.compile(r"[1-9][0-9]?"), tr("a priority from 1 to 99")),
    "collate": (re.compile(r"1"), "1"),
    "color": (re.compile(r"[12]"), tr("1 (monochrome) or 2 (color)")),
    "duplex": (re.compile(r"[123]"), tr("1 (one-sided), 2 (long edge) or 3 (short edge)")),
    "orientation": (re.compile(r"[12]"), tr("1 (portrait) or 2 (landscape)")),
    "scale": (re.compile(r"[012]"), tr("0 (fit), 1 (shrink to fit) or 2 (actual size)")),
    "bmp": (re.compile(r"300|600"), tr("300 or 600")),
}
_KNOWN = _ALLOWED.keys() | {prop for prop, *_ in _ASKED_BY}
_MEMBER = re.compile(
    r"(?:(?<=[\s{])|^)([xy]-dimension(?==[0-9]{1,7}[\s}])|media-size-name|media-source)=([^\s{}]+)"
)
_MOST_WORDS = 10  # of `media`; size, tray and type need three
_TRAY = re.compile(
    "tray|manual|cassette|slot|upper|lower|middle|multi-?purpose|by-?pass|large-?capacity",
    re.IGNORECASE,
)
PIN = re.compile("[!-:<-~]{1,32}")
_MEDIA_TYPE = re.compile(r"(?:(?<=[\s{])|^)media-type=([^\s{}]+)")


def job_props(job: PrintJob, identify: Collection[str] = ()) -> dict[str, str]:
    """Make the props of a job, each one checked.

    The props always have `copies`, because the driver tells CUPS's filters to leave copies to the
    device.

    Args:
        identify: keys of IDENTITY (such as user) that the props name as well.

    Raises:
        BadOption: a prop cannot carry the value; the text names the option.
    """
    options = _from_media(job) | _wishes(job)
    options.pop("job-priority", None)
    if job.priority != DEFAULT_PRIORITY:  # CUPS gives the default to all other jobs
        options["job-priority"] = str(job.priority)
    asked = _declared(job) | _asked(job, job.queue_defaults) | _asked(job, options)
    props = {"copies": str(job.copies), **{prop: value for prop, value in asked.items() if value}}
    if "size" in props:
        props["size"] = _size(props["size"], job.papers)
    if "tray" in props:
        props["tray"] = tray_word(props["tray"], job.trays) or props["tray"]
    for option, value in job.options.items():
        if option.startswith(PASSED_ON):
            name = option.removeprefix(PASSED_ON)
            props[name.lower() if name.lower() in _KNOWN else name] = value
    for name, value in props.items():
        check_prop(name, value)
    return props | _identity(job, identify)


def secret_props(job: PrintJob) -> dict[str, str]:
    """Make the prop for the job's PIN, which no text may contain.

    Raises:
        BadOption: the device takes no PIN, or not this one. The error does not contain the PIN.
    """
    if not job.pin:
        return {}
    if not job.declared.pin_prop:
        raise BadOption(
            tr("The job has a PIN, but the device takes none, so nothing was printed."),
            tr(
                "Cancel this job, and print again without a PIN. If the device can ask for a PIN, "
                "tell your administrator."
            ),
            detail="devices.toml declares no prop for the PIN of this device",
        )
    if not PIN.fullmatch(job.pin):
        raise BadOption(
            tr(
                "The PIN of the job is not valid, so nothing was printed. A PIN has 1 to 32 "
                "letters from A to Z, digits or punctuation marks other than ';'."
            ),
            tr("Cancel this job, and print again with another PIN."),
        )
    return {job.declared.pin_prop: job.pin}


def _asked(job: PrintJob, options: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for prop, read, names in _ASKED_BY if job.layout_done else _ASKED_BY + _ASKED_BY_UNFILTERED:
        for text in (options[name] for name in names if name in options):
            value = read.get(text.lower()) if isinstance(read, Mapping) else read(text)
            if value is not None:
                found.setdefault(prop, []).append(value)
    return {prop: next(filter(None, values), "") for prop, values in found.items()}


def _declared(job: PrintJob) -> dict[str, str]:
    """The props of the options that the queue's driver has for its device (devices.toml)."""
    found: dict[str, str] = {}
    for attribute, props in job.declared.props.items():
        for keyword in _keywords(job, attribute):
            found.setdefault(*declared_prop(props[keyword]))
    return found


def declared_prop(prop: str) -> tuple[str, str]:
    """The name and the value of a declared prop."""
    name, _, value = prop.partition("=")
    return name.lower() if name.lower() in _KNOWN else name, value


def _keywords(job: PrintJob, attribute: str) -> list[str]:
    """The values of IPP's attribute that the job asks for, or else those of the queue's defaults.

    IPP's neutral value requests nothing: lp adds `finishings=none`, the queue's default, to each
    job.
    """
    from cirrus_bridge.base.device_options import ATTRIBUTES, ppd_choice

    words = set(job.options.get(attribute, "").lower().split(","))
    if attribute == "media-type":
        words.update(_MEDIA_TYPE.findall(job.options.get("media-col", "")))
        words.update(job.options.get("media", "").split(","))
    declared, (_, neutral, numbers) = job.declared.props[attribute], ATTRIBUTES[attribute]
    asked = [word for word in declared if word in words or str(numbers.get(word)) in words]
    if {*asked} - {neutral}:
        return asked
    chosen = {**job.queue_defaults, **job.options}

    def is_chosen(word: str) -> bool:
        option, choice = ppd_choice(attribute, word)
        return chosen.get(option.lower(), "").lower() == choice.lower()

    return list(filter(is_chosen, declared))


def _identity(job: PrintJob, identify: Collection[str]) -> dict[str, str]:
    """The props that identify the job. Unfit characters become `?`, so no job fails for a name."""
    known = {
        "user": job.user,
        "host": job.host,
        "queue": job.queue,
        "account": job.account,
        "accounting-user": job.accounting_user,
    }
    return {
        IDENTITY[what]: "".join(c if c.isprintable() and c != ";" else "?" for c in known[what])
        for what in identify
        if known[what]
    }


def _wishes(job: PrintJob) -> dict[str, str]:
    """The job's options, without a color mode that nobody chose.

    libcups adds a queue's defaults to each job. The default color mode of a queue without a driver
    is monochrome, even for a color device, so color pages would be printed in gray.
    """
    options = dict(job.options)
    has_defaults = "number-up" in options and not job.has_driver
    if has_defaults and options.get("print-color-mode") == "monochrome":
        del options["print-color-mode"]
    return options


def check_prop(name: str, value: str) -> None:
    """Refuse a prop that the API's list of name=value lines would change, or a value that the API
    does not know.

    Raises:
        BadOption: the prop is refused; the text says what it takes.
    """
    if not PROP_NAME.fullmatch(name):
        raise _bad(name, value, tr("a name of letters, digits, '-', '_' and '.'"))
    if ";" in value or not value.isprintable():
        raise _bad(name, value, tr("a text without ';', line breaks and control characters"))
    allowed = _ALLOWED.get(name)
    if allowed and not allowed[0].fullmatch(value):
        raise _bad(name, value, allowed[1])


def _size(asked: str, papers: Mapping[str, str]) -> str:
    """The location's word for a paper, or else the paper's standard name."""
    word = paper_word(asked, papers)
    return word if word and word not in papers else paper(word or asked)


def _from_media(job: PrintJob) -> dict[str, str]:
    """Read size and source from `media=SIZE,TRAY,TYPE` (lp(1), in any order), or else from IPP's
    media-col (PWG 5100.7; sizes in 0.01 mm).

    The queue's own papers and trays come first. A queue may have none, so usual names of papers and
    trays count as well. Other words are types of media.
    """
    members = dict(_MEMBER.findall(job.options.get("media-col", "")))
    found: dict[str, str] = {}
    for word in job.options.get("media", "").split(",", _MOST_WORDS)[:_MOST_WORDS]:
        if paper_word(word, job.papers):
            found.setdefault("pagesize", word)
        elif tray_word(word, job.trays):
            found.setdefault("inputslot", word)
        elif is_paper(word):
            found.setdefault("pagesize", word)
        elif _TRAY.search(word):
            found.setdefault("inputslot", word)
    if "media-size-name" in members:
        found.setdefault("pagesize", members["media-size-name"])
    elif "x-dimension" in members and "y-dimension" in members:
        width, height = int(members["x-dimension"]), int(members["y-dimension"])
        found.setdefault("pagesize", paper_of_size(width / 100, height / 100))
    if "media-source" in members:
        found.setdefault("inputslot", members["media-source"])
    return found


def _bad(name: str, value: str, takes: str) -> BadOption:
    name, value = _shown(name), _shown(value)
    return BadOption(
        tr(
            "The job asks for {name}='{value}', but {name} takes {takes}.",
            name=name,
            value=value,
            takes=takes,
        ),
        tr("Cancel this job, and print again with another value."),
    )


def _shown(text: str) -> str:
    text = text if len(text) <= 60 else text[:59] + "…"
    return "".join(char if char.isprintable() else "?" for char in text)
