"""Texts are plain English: no phrase that readers stumble over (CONTRIBUTING, "Rules")."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paths import REPO

BANNED = {
    "can not": "cannot",
    "anew": "again",
    "whoever": "anyone who, or the noun",
    "again and again": "repeatedly",
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "any more[.,;:)]": "no longer",
    "any more$": "no longer",
    "broken off": "interrupted",
    "so many at most": "at most N",
    "makes no sense": "the fault",
}
_BANNED = re.compile(rf"\b(?:{'|'.join(BANNED)})(?!\w)", re.IGNORECASE | re.MULTILINE)
_KINDS = {".drv", ".html", ".md", ".py", ".scd", ".toml", ".yaml", ".yml"}


def _texts() -> list[Path]:
    folders = (REPO / name for name in ("backend", "installer", "ppd", "tests"))
    paths = [*REPO.glob("*.md"), *(path for folder in folders for path in folder.rglob("*"))]
    return sorted(path for path in paths if path.suffix in _KINDS and path.is_file())


@pytest.mark.parametrize("path", _texts(), ids=lambda path: str(path.relative_to(REPO)))
def test_plain_words(path: Path) -> None:
    """No banned phrase, also where it goes over the end of a line."""
    if path == Path(__file__):
        return
    text = re.sub(r"[ \t]*\n[ \t]*(?:# |\"|\* )?", "\n", path.read_text("utf-8", "replace"))
    found = [match[0] for match in _BANNED.finditer(text.replace("\n", " "))]
    found += [match[0] for match in _BANNED.finditer(text)]
    assert not found
