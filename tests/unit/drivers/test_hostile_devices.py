"""Hostile data about devices: lines for CUPS and PPDs stay well formed.

The grammars and buffer sizes are those of CUPS 2.4: cups-deviced.c, cups-driverd.cxx and ppd.c.
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cirrus_bridge.base.model import Place, PrintJob
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.cups.ppd_file import read_queue_driver
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.devices import Driver, devices, drivers
from cirrus_bridge.sending.job_props import job_props
from described_devices import (
    NASTY,
    PAPERS,
    PLACE,
    SECRETS,
    json_values,
    kept,
    long_paper_answer,
    many_of_everything,
    nasty_answer,
    or_anything,
    printers,
    props,
    texts,
)

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_DEVICE = re.compile(rf"network (cirrus://[!-~]+) {_QUOTED} {_QUOTED} {_QUOTED} {_QUOTED}")
_DRIVER = re.compile(r'"(cirrus:[0-9a-f]+)" en "([^"]{1,127})" "([^"]{1,127})" "([^"]{1,255})"')
_PPD = re.compile(
    rb"\*%.*|\*End"
    rb"|\*[!-.0-9;-~]{1,40}(?: ([!-.0-9;-~]{1,40}))?(?:/([^:\r\n]*))?:"
    rb'(?: "[^"\r\n]*"| [^" \r\n][^"\r\n]*(?:"[^"\r\n]*" [A-Za-z ]+)?)'
)

device = st.fixed_dictionaries(
    {"Password": st.just(SECRETS[0])},
    optional={
        "Name": or_anything(texts),
        "IsInactive": json_values,
        "Type": json_values,
        "Target": or_anything(st.just("P")),
        "Formats": or_anything(
            st.lists(st.sampled_from(["pdf", "ps", "pcl6", "pcl", "txt", "any"]) | texts)
        ),
        "DefaultProps": or_anything(props),
        "Secret": json_values,
    },
)
locations = st.fixed_dictionaries(
    {"Password": st.just(SECRETS[1])},
    optional={
        "Name": or_anything(texts),
        "IsInactive": st.just(False) | json_values,
        "IsWindows": st.booleans() | json_values,
        "Printers": or_anything(st.lists(or_anything(printers), max_size=3)),
        "Devices": or_anything(st.dictionaries(texts, or_anything(device), min_size=1, max_size=5)),
    },
)
many = settings(deadline=None, suppress_health_check=list(HealthCheck))


def _check_devices(found: list[Driver]) -> None:
    seen = set()
    for one in found:
        line = one.device_line
        shown = line.replace("\u200c", "").replace("\u200d", "")  # joiners, as in Persian
        assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        assert len(line.encode()) < 2047  # line[2048], with the newline
        match = _DEVICE.fullmatch(line)
        assert match, line
        uri, made, info, device_id, place = match.groups()
        assert len(uri) <= 1023
        assert all(len(text.encode()) <= 127 for text in (made, info, place))
        assert re.fullmatch(r"|MFG:Cirrus;MDL:[^;:,]+;CMD:[A-Z0-9]+;", device_id)
        (target,) = parse_queue_uri(uri).targets
        assert target.location == PLACE.location
        seen.add((info.lower(), uri.lower()))
        assert not any(secret in line for secret in SECRETS)
    assert len(seen) == len(found)  # cups-deviced would leave one out


def _check_drivers(found: list[Driver]) -> None:
    names = [one.name for one in found]
    assert len(set(names)) == len(names)
    lines = [_DRIVER.fullmatch(one.line) for one in found]
    ids = [match[4].lower() for match in lines if match]
    assert len(ids) == len(found)
    # a dialog may know the driver by what it is called alone
    assert len({match[3].lower() for match in lines if match}) == len(found)
    models = [re.findall(r"mdl:([^;]*);", text)[0] for text in ids]
    for first in models:
        assert [other for other in models if other.startswith(first)] == [first]


def _check_ppd(text: str) -> None:
    options: dict[bytes, set[bytes]] = {}
    opened: list[bytes] = []
    for line in text.encode().splitlines():
        assert len(line) <= 255
        match = _PPD.fullmatch(line)
        assert match, line
        keyword = line[1:].split(b" ")[0].rstrip(b":")
        if keyword == b"OpenUI":
            opened.append(line.split()[1].split(b"/")[0])
            options[opened[-1]] = set()
        elif keyword == b"CloseUI":
            assert line.split()[1] == opened.pop()
        elif opened and b"*" + keyword == opened[-1]:
            assert match[1].lower() not in options[opened[-1]]
            options[opened[-1]].add(match[1].lower())
        for secret in SECRETS:
            assert secret.encode() not in line
    assert not opened
    for option, choices in options.items():
        (default,) = re.findall(rb"(?m)^\*Default" + option[1:] + rb": (.*)$", text.encode())
        assert default.lower() in choices


@many
@given(locations)
def test_lines_and_drivers_are_well_formed(answer: object) -> None:
    """Lines and drivers are well formed for any JSON in any field."""
    wired, found = kept(answer)
    _check_devices(list(devices(PLACE, wired)))
    _check_drivers(found)
    for one in found:
        _check_ppd(one.ppd())


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_each_nasty_text_everywhere(text: str) -> None:
    """A nasty text may be the name of a device, location, tray or paper, or a default."""
    wired, found = kept(nasty_answer(text))
    _check_devices(list(devices(PLACE, wired)))
    _check_drivers(found)
    assert len(found) >= 2
    _check_ppd(found[0].ppd())


def test_many_of_everything() -> None:
    """With 2,000 papers and trays, the driver loads, and has as many as a dialog can show."""
    _, (found,) = kept(many_of_everything())
    _check_ppd(found.ppd())


def test_10_000_devices() -> None:
    """10,000 devices of one name are all listed, and no name is the beginning of another."""
    answer = {"Devices": {f"D{n}": {"Name": "Laser"} for n in range(10_000)}}
    wired, found = kept(answer)
    _check_devices(list(devices(PLACE, wired)))
    models = sorted(one.model.lower() for one in found)
    assert len(set(models)) == 10_000
    assert len({one.line.split('"')[5] for one in found}) == 10_000
    assert not any(b.startswith(a) for a, b in itertools.pairwise(models))


@many
@given(locations, st.sampled_from(["other.test", "h.test:2"]), st.sampled_from(["Acme", "acme"]))
def test_devices_of_two_places_are_never_called_the_same(
    answer: dict[str, Any], server: str, company: str
) -> None:
    """Equal answers of two servers give devices with different names."""
    wired = json.loads(json.dumps(answer))
    both = [*drivers(PLACE, wired), *drivers(Place(server, company, "Paris"), wired)]
    _check_drivers(both)
    for one in both[:2]:
        assert one.line.split('"')[5] == re.findall(r'(?m)^\*NickName: "(.*)"$', one.ppd())[0]


@pytest.mark.parametrize(
    "names",
    [
        ("受付の複合機", "倉庫の複合機"),
        ("x" * 40 + "a", "x" * 40 + "b"),
        ("Ä b", "A  b"),
        ("L", "l"),
    ],
)
def test_names_that_are_the_same_in_ascii(names: tuple[str, str]) -> None:
    """Names that become equal in ASCII (Japanese, long names, accents, spaces, case) give different
    devices."""
    answer = {"Devices": {f"D{n}": {"Name": name} for n, name in enumerate(names)}}
    _check_drivers(list(drivers(PLACE, answer)))


def test_what_no_letter_is_left_of_is_called_by_its_id() -> None:
    """A name without ASCII letters is replaced by the device's id."""
    place = Place("h.test", "Acme", "Osaka")
    (one,) = drivers(place, {"Name": "大阪", "Devices": {"Front": {"Name": "受付の複合機"}}})
    assert '"Cirrus Front at Osaka [' in one.line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Drucker (3. Stock), Büro", "Drucker 3. Stock Buro"),
        ('It\'s the "quoted" one', "Its the quoted one"),
        ("プリンター A4-用紙", "A4"),
        ("N" * 39 + " 2nd", "N" * 39),
        ("受付", "device"),
    ],
)
def test_what_ascii_does_not_have_leaves_no_marks(name: str, words: str) -> None:
    """Characters outside ASCII leave no hyphens in a driver's name."""
    (one,) = drivers(PLACE, {"Devices": {"端末": {"Name": name}}})
    assert f'"Cirrus {words} at Paris [' in one.line


def test_a_long_name_leaves_room_for_its_place() -> None:
    """IPP shortens texts, but the place of a device stays visible."""
    (one,) = devices(PLACE, {"Name": "Paris", "Devices": {"A": {"Name": "é" * 200}}})
    assert one.info.endswith("é at Paris")
    assert len(one.info.encode()) <= 127


def test_no_model_is_the_beginning_of_another() -> None:
    """A name that looks like another device's model does not get that device's driver."""
    _, (first,) = kept({"Name": "Paris", "Devices": {"A": {"Name": "Laser"}}})
    for end in ("", " x", "0", " at Paris"):
        answer = {"Name": "Paris", "Devices": {"B": {"Name": first.model + end}}}
        _, (second,) = kept(answer)
        _check_drivers([first, second])


def test_names_that_differ_by_case_are_two_devices() -> None:
    """Names that differ only by case are two devices, although cups-deviced ignores case."""
    answer = {"Devices": {"laser": {"Name": "L"}, "LASER": {"Name": "l"}, "other": {}}}
    infos = {one.uri: one.info.lower() for one in devices(PLACE, answer)}
    assert len(set(infos.values())) == 3
    assert infos["cirrus://h.test:1/Acme/Paris:other"] == "other at paris"


@pytest.mark.parametrize(
    "tray", ["Ручная подача бумаги (конверты)", "T" * 60, '手差しトレイ用紙"50%', "auto"]
)
def test_tray_comes_back_by_way_of_the_queue(tmp_path: Path, tray: str) -> None:
    """A tray whose keyword is too long or ambiguous is still found by its name."""
    line = f"P\td\tTray 1;TRAY 1;{tray}\t1\t1\t1\tA4"
    one = {"Target": "P", "DefaultProps": {"tray": tray}}
    _, (found,) = kept({"Printers": [line], "Devices": {"D": one}})
    text = found.ppd()
    _check_ppd(text)
    (tmp_path / "x.ppd").write_text(text, "utf-8")
    (keyword,) = re.findall(r"(?m)^\*DefaultInputSlot: (.*)$", text)
    trays = read_queue_driver(tmp_path / "x.ppd").trays
    assert sorted(trays.values()) == sorted(["Tray 1", "TRAY 1", tray])
    job = PrintJob(1, "u", "ann", "t", 1, "q", {"inputslot": keyword}, trays=trays)
    assert job_props(job)["tray"] == tray


@pytest.mark.parametrize("start", PAPERS)
def test_paper_comes_back_by_way_of_the_queue(tmp_path: Path, start: str) -> None:
    """A paper's name comes back whole, although a line of a PPD has at most 255 bytes."""
    word = f"{start} 50 x 80 mm".strip()
    _, (found,) = kept(long_paper_answer(word))
    _check_ppd(found.ppd())
    (tmp_path / "x.ppd").write_text(found.ppd(), "utf-8")
    papers = read_queue_driver(tmp_path / "x.ppd").papers
    job = PrintJob(1, "u", "ann", "t", 1, "q", {"pagesize": "w142h227"}, papers=papers)
    assert job_props(job)["size"] == word


def _damages() -> Iterator[tuple[str, bytes]]:
    whole = json.dumps({"place": ["h", "Acme", "Paris"], "answer": {"Devices": {"D": {}}}}).encode()
    yield from ((f"the first {n} bytes", whole[:n]) for n in (1, 20, len(whole) - 1))
    yield "more than is read", whole[:-1] + b" " * (64 << 20) + b"}"
    yield "nested", b'{"place":' + b"[" * 100_000
    yield "nested answer", whole.replace(b"{}", b'{"Name":' * 900 + b"{}" + b"}" * 900)[:-3]
    yield "not UTF-8", whole.replace(b"Paris", b"Par\xff\xfes")
    yield "UTF-16", whole.decode().encode("utf-16")[:-3]
    yield "a lone surrogate", whole.replace(b"Paris", rb"\ud800")
    yield "a long number", whole.replace(b"{}", b'{"Name":' + b"9" * 5000 + b"}")
    yield "NUL", b"\0" * 100


DAMAGES = dict(_damages())


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_costs_nothing_but_itself(tmp_path: Path, damage: str) -> None:
    """A damaged file affects only its own location, and the next good answer replaces it."""
    cache, damaged = DeviceCache(tmp_path), Place("h", "Acme", "Lyon")
    cache.keep(damaged, {})
    (file,) = tmp_path.iterdir()
    file.write_bytes(DAMAGES[damage])
    _is_alone(cache, damaged)
    cache.keep(damaged, {"Devices": {"New": {}}})
    assert len(list(cache.everything())) == 2


def test_folder_or_a_file_for_others_in_a_files_place(tmp_path: Path) -> None:
    """A folder or foreign file in a cache file's place is neither read nor written."""
    cache, damaged = DeviceCache(tmp_path), Place("h", "Acme", "Lyon")
    cache.keep(damaged, {})
    (file,) = tmp_path.iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match=file.name):
        cache.keep(damaged, {})
    assert list(tmp_path.iterdir()) == [file]
    _is_alone(cache, damaged)


def _is_alone(cache: DeviceCache, damaged: Place) -> None:
    cache.keep(PLACE, {"Devices": {"D": {}}})
    assert cache.last(damaged) is None
    (found,) = [one for kept in cache.everything() for one in drivers(*kept)]
    assert found.uri == "cirrus://h.test:1/Acme/Paris:D"


def test_answer_that_is_nested_too_deeply_is_notkept(tmp_path: Path) -> None:
    """An answer that is nested too deeply is not cached, as with a full disk."""
    answer: dict[str, Any] = {"Devices": {}}
    for _ in range(100_000):
        answer = {"Name": answer}
    with pytest.raises(OSError, match="nested"):
        DeviceCache(tmp_path).keep(PLACE, answer)
    assert list(tmp_path.iterdir()) == []
