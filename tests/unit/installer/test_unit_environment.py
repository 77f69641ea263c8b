"""What the unit tests may import."""

from __future__ import annotations

import subprocess
import sys

from paths import REPO

# what `installer/bootstrap unit` does not install, and what needs a compiler or a browser
_ABSENT = (
    "anyio argon2 axe_playwright_python cups jinja2 playwright pypdf starlette tomlkit uvicorn"
)
_COLLECT = f"""
import sys
import pytest

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {_ABSENT.split()}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
options = ["-p", "no:anyio", "-p", "no:cacheprovider", "-p", "no:randomly"]
sys.exit(pytest.main(["--collect-only", "-qq", *options, "tests/unit"]))
"""


def test_no_unit_test_needs_more() -> None:
    """A new clone has only the unit tests' own packages, so no unit test may import others."""
    done = subprocess.run(
        [sys.executable, "-c", _COLLECT], cwd=REPO, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
