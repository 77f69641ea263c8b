"""Changing the devices of `[printers]`, in a file that people have written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.config.chosen_devices import add_devices, remove_devices

ONE, TWO = "Paris:Laser1", "Lyon:*"


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bridge.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[printers]\ndevices = ["Paris:Laser1"]\n'),
        ("# mine\n[journal]\n", '# mine\n[journal]\n\n[printers]\ndevices = ["Paris:Laser1"]\n'),
        ("[printers]", '[printers]\ndevices = ["Paris:Laser1"]\n'),
        (
            "[printers] # ours\nport = 1\n[journal]\n",
            '[printers] # ours\ndevices = ["Paris:Laser1"]\nport = 1\n[journal]\n',
        ),
        (
            '[printers]\ndevices = ["Lyon:*"] # all\n',
            '[printers]\ndevices = ["Lyon:*", "Paris:Laser1"] # all\n',
        ),
        ("[printers]\ndevices = []\n", '[printers]\ndevices = ["Paris:Laser1"]\n'),
        (
            '[printers]\ndevices = [ "Lyon:*", ]\n',
            '[printers]\ndevices = [ "Lyon:*", "Paris:Laser1"]\n',
        ),
        (
            "[printers]\ndevices = [\n  'Lyon:*' # ] all, of them\n]\nport = 1\n",
            "[printers]\ndevices = [\n  'Lyon:*', # ] all, of them\n"
            '    "Paris:Laser1",\n]\nport = 1\n',
        ),
    ],
)
def test_adding(tmp_path: Path, before: str, after: str) -> None:
    """Comments and everything else stay; a second time changes nothing."""
    path = file(tmp_path, before)
    assert add_devices(path, [ONE]) == [ONE]
    assert path.read_text() == after
    assert add_devices(path, [ONE]) == []
    assert path.read_text() == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[printers]\ndevices = ["Paris:Laser1"] # one\n', "[printers]\ndevices = [] # one\n"),
        (
            '[printers]\ndevices = ["Paris:Laser1", "Lyon:*"]\n',
            '[printers]\ndevices = ["Lyon:*"]\n',
        ),
        (
            '[printers]\ndevices = ["Lyon:*", "Paris:Laser1"]\n',
            '[printers]\ndevices = ["Lyon:*"]\n',
        ),
        (
            '[printers]\ndevices = [\n  "Paris:Laser1", # hers\n  "Lyon:*", # his\n]\n',
            '[printers]\ndevices = [\n  "Lyon:*", # his\n]\n',
        ),
        ("[journal]\n", "[journal]\n"),
    ],
)
def test_removing(tmp_path: Path, before: str, after: str) -> None:
    """The element goes with its comma, and with its line if the line has nothing else."""
    path = file(tmp_path, before)
    remove_devices(path, [ONE])
    assert path.read_text() == after


def test_what_cannot_be_edited(tmp_path: Path) -> None:
    """Another form of the table is not touched; the message has the line to write."""
    path = file(tmp_path, 'printers = { devices = ["Lyon:*"] }\n')
    with pytest.raises(BadConfiguration, match="in its present form") as caught:
        add_devices(path, [ONE])
    assert '["Lyon:*", "Paris:Laser1"]' in str(caught.value.hint)
    assert path.read_text() == 'printers = { devices = ["Lyon:*"] }\n'


def test_the_mode_stays(tmp_path: Path) -> None:
    """A new file is for everyone; a file that has another mode keeps it."""
    path = tmp_path / "bridge.toml"
    add_devices(path, [ONE])
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o640)
    add_devices(path, [TWO])
    assert path.stat().st_mode & 0o777 == 0o640


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=5)


@given(st.lists(NAMES.map(lambda name: f"L:{name}"), max_size=4, unique=True), NAMES)
def test_any_name(tmp_path_factory: pytest.TempPathFactory, others: list[str], name: str) -> None:
    """Whatever devices are called, a device that is added and removed leaves the others."""
    path = tmp_path_factory.mktemp("any") / "bridge.toml"
    add_devices(path, others)
    new = f"new:{name}"
    add_devices(path, [new])
    assert new in tomllib.loads(path.read_text())["printers"]["devices"]
    remove_devices(path, [new])
    listed = tomllib.loads(path.read_text())["printers"].get("devices", [])
    assert listed == others
