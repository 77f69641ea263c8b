"""The options of any PPD: their choices and defaults. Pure.

Like lpadmin(8), this changes only the lines of defaults.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from cirrus_bridge.base.media import paper_among

_OPTION = re.compile(r"^\*(?:JCL)?OpenUI[ \t]+\*?([!-.0-9;-~]+)", re.MULTILINE)
_CHOICE = re.compile(r"^\*([!-.0-9;-~]+)[ \t]+([!-.0-9;-~]+)[ \t]*[:/]", re.MULTILINE)
_DEFAULT = re.compile(r"^\*Default([!-9;-~]+):[ \t]*([^\s]+)[ \t]*(?=\r?$)", re.MULTILINE)
_MADE_WITH = re.compile(r'^\*cirrusDefault[ \t]+([!-9;-~]+):[ \t]*"([^"\r\n]*)"', re.MULTILINE)
# PPD 4.3, 5.9 and 5.14: these share the default of PageSize
_OF_PAPER = ("PageSize", "PageRegion", "ImageableArea", "PaperDimension")


def choices(ppd: str) -> dict[str, list[str]]:
    """The choices of each option, by its keyword."""
    found: dict[str, dict[str, None]] = {option: {} for option in _OPTION.findall(ppd)}
    for option, choice in _CHOICE.findall(ppd):
        if option in found:
            found[option][choice] = None
    return {option: list(listed) for option, listed in found.items()}


def in_driver(option: str, choice: str, choices: Mapping[str, Sequence[str]]) -> str:
    """The driver's own name for a choice: an older driver may have another one for a paper."""
    same = paper_among(choice, choices.get(option, ())) if option == "PageSize" else None
    return same or choice


def defaults(ppd: str) -> dict[str, str]:
    """The default of each option, by its keyword."""
    options = choices(ppd)
    return {option: choice for option, choice in _DEFAULT.findall(ppd) if option in options}


def with_defaults(
    new: str, present: str | None, declared: Mapping[str, str], dropped: Collection[str]
) -> str:
    """Set the defaults of the PPD `new` for a queue.

    Args:
        present: the queue's PPD so far. Defaults that people have changed there are kept, if `new`
            has such a choice.
        declared: option → choice; these win.
        dropped: options that are no longer declared; they return to the driver's default.
    """
    options = choices(new)
    made_with = dict(_MADE_WITH.findall(present or ""))  # our PPDs record the driver's own defaults
    wanted = {
        option: in_new
        for option, choice in defaults(present or "").items()
        if choice != made_with.get(option)
        and option not in dropped
        and (in_new := in_driver(option, choice, options)) in options.get(option, ())
    }
    wanted |= declared
    for option in _OF_PAPER[1:]:
        wanted.pop(option, None)
        if "PageSize" in wanted:
            wanted[option] = wanted["PageSize"]
    return _DEFAULT.sub(
        lambda line: f"*Default{line[1]}: {wanted[line[1]]}" if line[1] in wanted else line[0], new
    )


def differs_beside_defaults(one: str, other: str) -> bool:
    """Whether two PPDs differ in more than their defaults."""
    return _DEFAULT.sub("", one) != _DEFAULT.sub("", other)
