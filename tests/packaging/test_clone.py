"""A new clone on a clean Debian system, with that system's Python."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

from clean_system import CleanSystem

CLONE = "cirrus-bridge"
pytestmark = pytest.mark.complete


@pytest.fixture
def system(release: str) -> Iterator[CleanSystem]:
    """A clean system with a clone in root's home, and another one in the home of user ann."""
    with CleanSystem(release) as made:
        made.apt_get("update")
        made.run("useradd", "--create-home", "ann")
        for home in ("/root", "/home/ann"):
            made.copy_sources(f"{home}/{CLONE}")
        made.run("chown", "-R", "ann:", "/home/ann")
        yield made


@pytest.mark.timeout(1200)
def test_unit_tests(release: str, request: pytest.FixtureRequest) -> None:
    """An ordinary user runs the unit tests. They need no more than python3-venv, and no network.

    They are checked with the oldest Python and with the newest one. One of these may be this
    machine's Python, which `tests/run` uses.
    """
    if platform.freedesktop_os_release().get("VERSION_CODENAME") == release:
        pytest.skip("tests/run runs them with this Python")
    system = request.getfixturevalue("system")
    system.apt_get("install", "python3-venv")
    system.run_with_network(_as_ann("installer/bootstrap unit"))
    assert " passed" in system.run("sh", "-ec", _as_ann("tests/run unit -n 2"))


@pytest.mark.timeout(1800)
def test_the_readme(system: CleanSystem, request: pytest.FixtureRequest) -> None:
    """The README's commands work for root in a home that is closed to others, and for an ordinary
    user."""
    if not request.config.getoption("every_release"):
        pytest.skip("only in tests/systems, because pip compiles and downloads much")
    assert system.run("stat", "--format=%a", "/root") == "700\n"
    for command in (lambda text: f"cd /root/{CLONE}; {text}", _as_ann):
        system.run_with_network(command("installer/bootstrap cloudlet"))
        assert "==> Delivered: " in system.run("sh", "-ec", command("installer/demo"))
        system.run_with_network(command("installer/bootstrap unit"))
        assert " passed" in system.run("sh", "-ec", command("tests/run unit -n 2"))


def _as_ann(command: str) -> str:
    return f"su ann --command 'cd ~/{CLONE}; {command}'"
