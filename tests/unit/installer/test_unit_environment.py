"""What the unit tests may import."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from importlib.metadata import (
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    requires,
)

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paths import REPO

_COLLECT = """
import sys
import pytest

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    def pytest_configure(self):  # now in front of pytest, which finds its plugins' modules
        sys.meta_path.insert(0, self)

without = [f"-pno:{name}" for name in ("cacheprovider", "randomly", *sys.argv[2].split())]
sys.exit(pytest.main(["--collect-only", "-qq", *without, "tests/unit"], [Absent()]))
"""


def test_no_unit_test_needs_more() -> None:
    """A new clone has only the unit tests' own packages, so no unit test may import others."""
    own = _needed("cirrus-bridge", "unit")
    modules = [
        module
        for module, packages in packages_distributions().items()
        if own.isdisjoint(map(canonicalize_name, packages))
    ]
    plugins = [
        each.name
        for each in entry_points(group="pytest11")
        if each.dist and canonicalize_name(each.dist.name) not in own
    ]
    done = subprocess.run(
        [sys.executable, "-c", _COLLECT, " ".join(modules), " ".join(plugins)],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def _needed(package: str, extra: str) -> set[str]:
    """The names of a package with an extra, and of all packages that it requires."""
    seen: set[tuple[str, str]] = set()
    left = [(package, extra)]
    while left:
        name, extra = left.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        with contextlib.suppress(PackageNotFoundError):  # not for this version of Python
            for each in map(Requirement, requires(name) or ()):
                if not each.marker or each.marker.evaluate({"extra": extra}):
                    left += [(canonicalize_name(each.name), more) for more in ("", *each.extras)]
    return {name for name, _ in seen}
