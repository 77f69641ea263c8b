"""A plugin of pytest: the tests of the everyday tier, or with `--complete` all tests.

Two markers tell what the everyday tier leaves out. `complete` is for a test of the complete tier
alone. `sampled` is for a test with parameters: a few of its cases run, which together have each
value of each parameter. `sampled(seed=[1])` also limits the values of a parameter. All tests of a
file run if the command line names the file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Hypothesis makes the same examples in each run. Machines are busy, so they have no time limit.
# `tests/run tests/fuzz --hypothesis-profile=long --timeout=0` searches for minutes; each finding
# becomes a file of the corpus.
_ANY_TIME = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("everyday", _ANY_TIME, max_examples=25, derandomize=True)
settings.register_profile("complete", _ANY_TIME, max_examples=150, derandomize=True)
settings.register_profile("long", _ANY_TIME, max_examples=5_000)
_LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `tests/run complete`."""
    parser.addoption(
        "--complete",
        action="store_true",
        help="run all tests, also those that the everyday tier leaves out",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the number of hypothesis's examples, unless `--hypothesis-profile` does so."""
    if not config.getoption("--hypothesis-profile"):
        is_complete = config.getoption("complete") or _named_files(config)
        settings.load_profile("complete" if is_complete else "everyday")


def _named_files(config: pytest.Config) -> set[Path]:
    """The files that the command line names."""
    folder = config.invocation_params.dir
    return {path for each in config.args if (path := folder / each.partition("::")[0]).is_file()}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the tier does not have."""
    if config.getoption("complete"):
        return
    named = _named_files(config)
    gone = left_out(item for item in items if item.path not in named)
    config.stash[_LEFT_OUT] = len(gone)
    config.hook.pytest_deselected(items=list(gone))
    items[:] = [item for item in items if item not in gone]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this worker how many tests are left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(_LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each worker of pytest-xdist leaves out the same tests."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say at the end how many tests did not run."""
    if count := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f"{count} tests were left out; `tests/run complete` runs them.")


def left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """The tests that the everyday tier leaves out. Their order does not matter."""
    found: set[pytest.Item] = set()
    families: defaultdict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("complete"):
            found.add(item)
        elif isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            families[item.nodeid.partition("[")[0]].append(item)
    for family in families.values():
        found.update(_left_out(sorted(family, key=lambda item: item.nodeid)))
    return found


def _left_out(family: list[pytest.Function]) -> set[pytest.Function]:
    marker = family[0].get_closest_marker("sampled")
    if marker is None:
        return set()
    candidates = [item for item in family if _has(item.callspec.params, marker.kwargs)]
    assert candidates, f"no case of {family[0].nodeid} has the values of its marker"
    kept = cover([item.callspec.params for item in candidates])
    return set(family) - {candidates[place] for place in kept}


def _has(case: Mapping[str, object], values: Mapping[str, Sequence[object]]) -> bool:
    return all(case[name] in among for name, among in values.items())


def cover(cases: Sequence[Mapping[str, object]]) -> list[int]:
    """Choose few cases that have each value of each parameter, and mix the values.

    Args:
        cases: the values of the parameters by their names.

    Returns:
        the places of the chosen cases, in the order of the cases.
    """
    values = [{(name, repr(value)) for name, value in case.items()} for case in cases]
    missing = set().union(*values)
    uses: Counter[tuple[str, str]] = Counter()
    chosen = []
    while missing:
        worth = [
            (len(each & missing), -sum(uses[value] for value in each), -place)
            for place, each in enumerate(values)
        ]
        best = -max(worth)[2]
        chosen.append(best)
        missing -= values[best]
        uses.update(values[best])
    return sorted(chosen)
