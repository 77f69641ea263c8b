"""Changes the list `devices` below `[printers]` of bridge.toml, and nothing else of the file.

The file is a person's, with comments. So its text is edited, and the result is parsed: if it does
not mean what it should, the file stays as it is.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.printers import read_printers
from cirrus_bridge.config.toml import bad, read_table
from cirrus_bridge.config.write import write_public

_HEAD = re.compile(r"^[ \t]*\[[ \t]*printers[ \t]*\][ \t]*(?:#.*)?$", re.MULTILINE)
_NEXT_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
_KEY = re.compile(r"^[ \t]*devices[ \t]*=[ \t]*(?=\[)", re.MULTILINE)
_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'[^'\n]*')|(?P<comment>\#[^\n]*)|(?P<comma>,)|(?P<end>\])"""
)
_INDENT = "    "


class _Array(NamedTuple):
    """Where an array stands in a text: its brackets, and its elements with their commas."""

    start: int
    end: int  # of the closing bracket
    elements: list[tuple[str, int, int]]  # value, begin and end
    commas: list[int]


def add_devices(path: Path, globs: Sequence[str]) -> list[str]:
    """Add globs of LOCATION:DEVICE to the file, which may be missing; return those that were new.
    Raises BadConfiguration if the file is invalid, cannot be edited, or cannot be written."""
    return _change(path, [glob for glob in globs if glob not in _chosen(path)], _with, _more)


def remove_devices(path: Path, globs: Sequence[str]) -> list[str]:
    """Remove globs from the file; return those that were there. Raises BadConfiguration as
    `add_devices`."""
    return _change(path, [glob for glob in _chosen(path) if glob in globs], _without, _fewer)


def _chosen(path: Path) -> tuple[str, ...]:
    return read_printers(read_table(path, optional=True).table("printers")).devices


def _more(old: list[str], globs: Sequence[str]) -> list[str]:
    return [*old, *globs]


def _fewer(old: list[str], globs: Sequence[str]) -> list[str]:
    return [each for each in old if each not in globs]


def _change(
    path: Path,
    globs: Sequence[str],
    edit: Callable[[str, str], str],
    meaning: Callable[[list[str], Sequence[str]], list[str]],
) -> list[str]:
    if not globs:
        return []
    text = path.read_text("utf-8") if path.exists() else ""
    wanted: dict[str, Any] = tomllib.loads(text)
    table = wanted.setdefault("printers", {})
    table["devices"] = meaning(table.get("devices", []), globs)
    for glob in globs:
        text = edit(text, glob)
    try:
        is_right = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        listed = json.dumps(table["devices"], ensure_ascii=False)
        raise bad(
            path,
            tr("cirrusctl cannot change the list 'devices' below [printers] in its present form"),
            tr("Write there: devices = {listed}", listed=listed),
        )
    write_public(path, text)
    return [*globs]


def _with(text: str, glob: str) -> str:
    """The text with another element in the array."""
    new = json.dumps(glob, ensure_ascii=False)  # TOML has the escapes of JSON
    head = _HEAD.search(text)
    if head is None:
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}[printers]\ndevices = [{new}]\n"
    array = _array(text, head.end())
    if array is None:
        line_end = "\n" if text[head.end() :].startswith("\n") else "\n\n"
        end = head.end() + (line_end == "\n")
        return f"{text[:end]}{line_end[1:]}devices = [{new}]\n{text[end:]}"
    last = array.elements[-1][2] if array.elements else 0
    needs_comma = bool(array.elements) and not any(comma >= last for comma in array.commas)
    if "\n" not in text[array.start : array.end]:
        before = text[: array.end].rstrip()
        gap = ", " if needs_comma else " " if array.elements else ""
        return f"{before}{gap}{new}{text[array.end :]}"
    line = text.rfind("\n", 0, array.end) + 1
    if needs_comma:
        text, line = f"{text[:last]},{text[last:]}", line + 1
    return f"{text[:line]}{_INDENT}{new},\n{text[line:]}"


def _without(text: str, glob: str) -> str:
    """The text without an element of the array; unchanged if it is not found."""
    head = _HEAD.search(text)
    array = _array(text, head.end()) if head else None
    found = next((each for each in array.elements if each[0] == glob), None) if array else None
    if array is None or found is None:
        return text
    _, begin, end = found
    later = [each[1] for each in array.elements if each[1] > begin]
    following = next((c for c in array.commas if c >= end and (not later or c < later[0])), None)
    if following is not None:
        end = following + 1
        if "\n" not in text[end : (later[0] if later else array.end)]:
            end += len(text[end:]) - len(text[end:].lstrip(" \t"))
    elif previous := [comma for comma in array.commas if comma < begin]:
        begin = previous[-1]
    line = text.rfind("\n", 0, begin) + 1
    rest = text[end:].partition("\n")[0]
    if line > array.start and not text[line:begin].strip() and not rest.partition("#")[0].strip():
        return text[:line] + text[end + len(rest) + 1 :]
    return text[:begin] + text[end:]


def _array(text: str, start: int) -> _Array | None:
    """The array `devices` of the table that begins at `start`; None if there is none."""
    after = _NEXT_TABLE.search(text, start)
    key = _KEY.search(text, start, after.start() if after else len(text))
    if key is None:
        return None
    opened = key.end()
    elements, commas = [], []
    for token in _TOKEN.finditer(text, opened + 1):
        if token["text"]:
            value = tomllib.loads(f"x = {token['text']}")["x"]
            elements.append((value, token.start(), token.end()))
        elif token["comma"]:
            commas.append(token.start())
        elif token["end"]:
            return _Array(opened, token.start(), elements, commas)
    return None
