"""devices.toml: which devices an entry is about, and mistakes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.model import Place
from cirrus_bridge.config.devices import find_mistakes, read_devices

PARIS = Place("cloud.test", "Acme", "Paris")
ENTRIES = """
[[device]]
targets = ["Paris:*", "Lyon:MFP?"]
finishings = { staple-top-left = "Staple=1", fold-z = "Fold=z" }

[[device]]
server = "Cloud.test:443"
company = "Acme"
targets = ["Paris:MFP"]
output-bin.face-up = "Bin=rear"
finishings.punch = "Punch=1"
job-password = "Pin"
"""


def test_entries_add_up(tmp_path: Path) -> None:
    """A device has the options of all its entries; the last entry of an attribute wins."""
    (tmp_path / "devices.toml").write_text(ENTRIES)
    declared = read_devices(tmp_path)
    staple = {"staple-top-left": "Staple=1", "fold-z": "Fold=z"}
    both = {"finishings": {"punch": "Punch=1"}, "output-bin": {"face-up": "Bin=rear"}}
    assert declared.options(PARIS, "Laser").props == {"finishings": staple}
    assert declared.options(PARIS, "MFP").props == both
    assert declared.options(PARIS, "MFP").pin_prop == "Pin"
    assert declared.options(PARIS, "Laser").pin_prop == ""
    other = dataclasses.replace(PARIS, company="Other")
    assert declared.options(other, "MFP").props == {"finishings": staple}
    assert declared.options(Place("cloud.test", "Acme", "Lyon"), "Laser").props == {}


def test_no_file(tmp_path: Path) -> None:
    """Without the file, nothing is declared."""
    assert read_devices(tmp_path).options(PARIS, "MFP").props == {}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('targets = ["Paris"]', "LOCATION:DEVICE"),
        ("targets = []", "LOCATION:DEVICE"),
        ('finishings.staple = "S=1"', "'targets' is missing"),
        ('targets = ["P:D"]\nserver = "a b"', "'server' is not a host name"),
        ('targets = ["P:D"]\nfinishing.staple = "S=1"', "unknown name 'finishing'"),
        ('targets = ["P:D"]\nfinishings.stapel = "S=1"', "unknown keyword 'stapel'"),
        ('targets = ["P:D"]\nprint-quality.best = "Q=1"', "draft, normal, high"),
        ('targets = ["P:D"]\noutput-bin."Face Up" = "B=1"', "must be a keyword of IPP"),
        ('targets = ["P:D"]\noutput-bin.face-up = "rear"', "must be a prop"),
        ('targets = ["P:D"]\noutput-bin.face-up = "Bin=a;b=c"', "must be a prop"),
        ('targets = ["P:D"]\noutput-bin.face-up = 1', "must be a prop"),
        (
            'targets = ["P:D"]\nmedia-type = { faceup = "M=1", face-up = "M=2" }',
            "'media-type.face-up' and 'faceup' have the same name in drivers",
        ),
        ('targets = ["P:D"]\noutput-bin = "Bin"', "must be a table"),
        ('targets = ["P:D"]\njob-password = "Pin=1"', "must be the name of a prop"),
    ],
)
def test_mistakes(tmp_path: Path, lines: str, said: str) -> None:
    """A mistake is an error that names the file and the key."""
    (tmp_path / "devices.toml").write_text(f"[[device]]\n{lines}\n")
    with pytest.raises(BadConfiguration, match=r"devices\.toml") as caught:
        read_devices(tmp_path)
    assert said in str(caught.value)
    assert str(caught.value) in map(str, find_mistakes(tmp_path))


def test_all_mistakes(tmp_path: Path) -> None:
    """Each mistake is found, and none hides another."""
    (tmp_path / "devices.toml").write_text(
        '[[device]]\nfinishings = { stapel = "S=1", staple = "S=1", punch = "P" }\n'
        '[[device]]\ntargets = ["P:D"]\nsever = "x"\noutput-bin = 3\njob-password = "Pin=1"\n'
    )
    said = [str(mistake) for mistake in find_mistakes(tmp_path)]
    parts = (
        *("'targets' is missing", "'stapel'", "'finishings.punch'"),
        *("unknown name 'sever'", "'output-bin' must be", "'job-password' must be"),
    )
    for text, part in zip(said, parts, strict=True):
        assert part in text
    (tmp_path / "devices.toml").write_text("[[device]\n")
    (bad,) = find_mistakes(tmp_path)
    assert "it is not TOML" in str(bad)
    (tmp_path / "devices.toml").write_text(ENTRIES)
    assert not list(find_mistakes(tmp_path))
