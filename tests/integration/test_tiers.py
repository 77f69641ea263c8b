"""The everyday tier runs enough cases of each family, and says how many tests it leaves out."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paths import REPO
from tiers import cover

FAMILY = """
import pytest

@pytest.mark.sampled
@pytest.mark.parametrize("fault", ["reset", "silence", "500"])
@pytest.mark.parametrize("request_name", ["putfile", "submitfile"])
def test_faults(fault, request_name): pass

@pytest.mark.sampled(seed=[2])
@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_storm(seed, is_warm): pass

@pytest.mark.complete
def test_a_night(): pass

def test_alone(): pass

@pytest.mark.parametrize("word", ["a", "b"])
def test_words(word): pass
"""
ALL = 16


def test_each_row_and_each_column() -> None:
    """A sample is as small as its longest parameter, and mixes the others."""
    rows, columns, sites = range(5), range(19), ("cold", "warm")
    cases = [
        {"row": row, "column": column, "site": site}
        for site, row, column in itertools.product(sites, rows, columns)
    ]
    chosen = [cases[place] for place in cover(cases)]
    assert len(chosen) == 19
    assert {case["column"] for case in chosen} == set(columns)
    # no row goes with one site alone
    assert {(case["row"], case["site"]) for case in chosen} == set(itertools.product(rows, sites))


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A file of tests in a folder of its own."""
    path = tmp_path / "test_family.py"
    path.write_text(FAMILY)
    return path


def _run(folder: Path, *arguments: str) -> tuple[set[str], str]:
    """Run tests of a folder; return the names of those that ran, and the output."""
    ini = ("-c", str(REPO / "pyproject.toml"), f"--rootdir={folder}", "-p", "tiers")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *ini, "-v", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO / "tests" / "support")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"::(test_\S+)", done.stdout)), done.stdout


def test_everyday(family: Path) -> None:
    """Each value of a parameter occurs, or those that the marker names. The order does not matter,
    and the end tells how many tests did not run."""
    ran, said = _run(family.parent, ".")
    assert len(ran & {f"test_faults[{case}]" for case in _product()}) == 3
    for value in ("reset", "silence", "500", "putfile", "submitfile"):
        assert any(value in name for name in ran)
    rest = {"test_storm[2-False]", "test_storm[2-True]", "test_alone", "test_words[a]"}
    assert {name for name in ran if "faults" not in name} == rest | {"test_words[b]"}
    left_out = f"\n{ALL - len(ran)} tests were left out; `tests/run complete` runs them.\n"
    assert left_out in said
    again, said = _run(family.parent, "-n", "2", ".")
    assert left_out in said
    assert again == ran


def _product() -> list[str]:
    requests, faults = ("putfile", "submitfile"), ("reset", "silence", "500")
    return [f"{request}-{fault}" for request, fault in itertools.product(requests, faults)]


@pytest.mark.parametrize("named", [["--complete", "."], ["test_family.py"]])
def test_complete(family: Path, named: list[str]) -> None:
    """All tests run, and so do those of a file that is named."""
    ran, said = _run(family.parent, *named)
    assert len(ran) == ALL
    assert "left out" not in said
