"""The version stands in one place."""

from __future__ import annotations

import re
from importlib.metadata import version

from cirrus_bridge import version as of_the_bridge
from cirrus_cloudlet import version as of_the_cloud
from paths import REPO

SOURCE = REPO / "backend" / "cirrus_bridge" / "version.py"
FOLDERS = ("backend", "installer", "ppd", "tests", ".ci")
VERSION = re.escape(of_the_bridge.__version__)
# neither in a longer number nor in a requirement, which may have the same version
STATED = re.compile(rf"(?<![=<>~])(?<!\d\.){VERSION}(?!\.?\d)")


def test_one_file_states_the_version() -> None:
    """No other source, manual, script or test states it; the changelog has all versions."""
    folders = (REPO / name for name in FOLDERS)
    files = [
        *(path for path in REPO.iterdir() if path.suffix in (".md", ".toml")),
        *(path for folder in folders for path in folder.rglob("*") if not path.is_symlink()),
    ]
    ours = [path for path in files if path.is_file() and "__pycache__" not in path.parts]
    assert SOURCE in ours
    found = [path for path in ours if STATED.search(path.read_text(errors="ignore"))]
    assert [path for path in found if path.name != "CHANGELOG.md"] == [SOURCE]


def test_both_programs_have_it() -> None:
    """The cloud's module is the same file, and the wheel takes its version from there."""
    assert of_the_cloud.__version__ == of_the_bridge.__version__ == version("cirrus-bridge")
    assert (REPO / "backend" / "cirrus_cloudlet" / "version.py").resolve() == SOURCE
