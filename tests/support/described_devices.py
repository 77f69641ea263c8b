"""Devices as locations describe them: usual ones, and arbitrary ones made by hypothesis."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cirrus_bridge.base.model import Place
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.devices import Driver, devices, drivers

PLACE = Place("h.test:1", "Acme", "Paris")
SECRETS = ("pa55w0rd", "s3kr3t-k3y")
WINDOWS = "HP\tdriver on port\tTray 1;Bac manuel (é);a/b:c\t1\t1\t1\tA4,Letter,Legal"
MONO = "HP\tdriver\tTray 1\t0\t0\t0\tA4"
LINUX = "HP\tn/a\tn/a\tn/a\tn/a\tn/a\tLetter,A4"
NASTY = (
    *('"', "\\", "\n", "\r\n", "\0", "\x1b[2J", "\u202e", "\u2066", "\u200f", "\u2028", "\x85"),
    *(
        "\ud800",
        "\udfff",
        "😀",
        "👩‍👩‍👧",
        "مكتب",
        "Бухгалтерия",
        "手差しトレイ",
        "é",
        "e\u0301",
        "ﷺ",
        "℀",
    ),
    *(
        "*CloseUI: *InputSlot",
        "*End",
        '"\n*OpenUI',
        "<0A>",
        "a:b/c",
        ";",
        "%",
        "%0A",
        "(",
        "#",
        "_",
    ),
    *("Auto", "auto", "Custom.1x1", "None", "x" * 10_000, "é" * 10_000, "MFG:x;MDL:y;", "Tray-1"),
)
# Beginnings of paper names that are too long for a line of a PPD in one way or another.
PAPERS = ("", "é" * 40, "往復はがき、横向きに置いて、印刷面を上にする", '%"' * 21, "😀" * 40)

texts = st.one_of(
    st.text(st.characters(), max_size=30),
    st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=4).map("".join),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def or_anything(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Usually the usual value, sometimes any JSON."""
    return st.one_of(usual, usual, usual, json_values)


words = st.lists(texts | st.sampled_from(["A4", "iso_a3_297x420mm", "Custom.9x9in"]), max_size=5)
printers = st.tuples(
    *(st.just("P"), texts, words.map(";".join)),
    *(st.sampled_from(["0", "1", "n/a"]) for _ in range(3)),
    words.map(",".join),
).map("\t".join)
props = st.dictionaries(
    st.sampled_from(["tray", "size", "color", "duplex"]) | texts, or_anything(texts), max_size=4
)


def driver_of(line: object, **device: object) -> Driver:
    """The driver of a device whose target is the printer of this line."""
    answer = {"Name": 'Paris "\n', "Printers": [line], "Devices": {"L": {"Target": "HP"} | device}}
    (found,) = devices(PLACE, answer)
    return found


def nasty_answer(text: str) -> dict[str, Any]:
    """An answer with this text as the name of a device, location, tray, paper, and all defaults."""
    line = f"P\t{text}\t{text};{text.upper()};{text}2\t{text}\t1\t1\t{text},A4"
    return {
        "Name": text,
        "IsWindows": text,
        "Printers": [line],
        "Devices": {
            key: {"Name": text, "Target": "P", "DefaultProps": {"tray": text, "size": text}}
            for key in ("D", "d", text)
        },
    }


def many_of_everything() -> dict[str, Any]:
    """A device with 2,000 papers and 2,000 trays."""
    trays = ";".join(f"Лоток {n}" for n in range(2000))
    sizes = ",".join(f"om_x{n}_{n % 400 + 50}x{n // 400 + 100}mm" for n in range(2000))
    line = f"P\td\t{trays}\t1\t1\t1\t{sizes}"
    return {"IsWindows": True, "Printers": [line], "Devices": {"D": {"Target": "P"}}}


def long_paper_answer(word: str) -> dict[str, Any]:
    """An answer of a device whose default paper has this name."""
    one = {"Target": "P", "DefaultProps": {"size": word}}
    return {"Printers": [f"P\td\t\t1\t1\t1\tA4,{word}"], "Devices": {"D": one}}


def kept(answer: object) -> tuple[dict[str, Any], list[Driver]]:
    """An answer as it arrives, and as the driver program reads it from the cache."""
    wired = json.loads(json.dumps(answer))
    with tempfile.TemporaryDirectory() as folder:
        cache = DeviceCache(Path(folder))
        cache.keep(PLACE, wired)
        (file,) = Path(folder).iterdir()
        assert not any(secret in file.read_text() for secret in SECRETS)
        ((place, kept),) = cache.everything()
    assert place == PLACE
    return wired, list(drivers(place, kept))
