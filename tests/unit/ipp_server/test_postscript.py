"""Devices that take PostScript only."""

from pathlib import Path

import pytest

from cirrus_bridge.base.errors import NOT_SET_UP, NoUsableFormat
from cirrus_bridge.ipp_server.documents.postscript import write_postscript


def test_no_converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator reads what to install, and the person whom to tell."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoUsableFormat, match="Install poppler-utils") as caught:
        write_postscript(tmp_path / "document.pdf", tmp_path / "document.ps")
    assert caught.value.for_person == NOT_SET_UP
