"""Documents for people: their length and their links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cirrus_bridge.cirrusctl.queues.queues_file import ENTRY_NAMES
from cirrus_bridge.config.queue_options import TABLE
from paths import REPO

PAGES = [
    REPO / "README.md",
    REPO / "CONTRIBUTING.md",
    *sorted((REPO / "installer" / "docs").glob("*.md")),
    *sorted((REPO / "tests").glob("**/README.md")),
]
MANUALS = REPO / "installer" / "packages" / "man"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links(page: Path) -> None:
    """Links to files of this repository lead to existing files."""
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert ":" in link or (page.parent / link).exists(), link


CONTRIBUTING = (REPO / "CONTRIBUTING.md").read_text()
RECIPES = CONTRIBUTING.partition("## Recipes")[2].partition("## Decisions")[0]
EXAMPLES = ("cirrusctl/commands/NAME.py",)


@pytest.mark.parametrize("place", dict.fromkeys(re.findall(r"`([\w/-]+/[\w.-]+\.\w+)`", RECIPES)))
def test_recipes_name_what_there_is(place: str) -> None:
    """Each file of a recipe exists, in the repository or in the package."""
    package = REPO / "backend" / "cirrus_bridge"
    assert place in EXAMPLES or (REPO / place).exists() or (package / place).exists()


def test_the_readme_is_short() -> None:
    """Two screens and a table: purpose, start, speed, and further reading."""
    assert len((REPO / "README.md").read_text().splitlines()) <= 125


def test_every_manual_page_is_named() -> None:
    """The README names all manual pages."""
    text = (REPO / "README.md").read_text()
    for page in MANUALS.glob("*.scd"):
        name, _, section = page.name.removesuffix(".scd").rpartition(".")
        assert f"[{name}({section})](installer/packages/man/{page.name})" in text


def test_every_option_of_the_uri_has_its_place() -> None:
    """cirrus(8) describes every option."""
    text = (MANUALS / "cirrus.8.scd").read_text()
    assert {name for name in TABLE if f"*{name}=" not in text} == set()


def test_every_key_of_queues_toml_has_its_place() -> None:
    """cirrus-bridge.toml(5) describes every key."""
    text = (MANUALS / "cirrus-bridge.toml.5.scd").read_text().partition("# QUEUES.TOML")[2]
    assert {name for name in ENTRY_NAMES if f"*{name}*" not in text} == set()
