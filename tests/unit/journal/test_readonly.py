"""Root reads the journal with its owner's rights, creates no files and follows no links."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import JournalError
from cirrus_bridge.base.privileges import make_folder
from cirrus_bridge.journal.health import look
from cirrus_bridge.journal.history import recent_documents
from cirrus_bridge.journal.readonly import read_only
from cirrus_bridge.journal.submissions import Journal


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of a closed journal, which its owner can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as above:
        Path(above).chmod(0o755)  # pytest's own folder is closed to the user of the journal
        made = Path(above) / "state"
        make_folder(made, 0o700)
        with Journal(made):
            pass
        yield made


def test_the_owner_looks(folder: Path) -> None:
    """SQLite creates its files as the owner. The process is root again afterwards."""
    before, owner = os.geteuid(), folder.stat().st_uid
    with read_only(folder) as db:
        assert os.geteuid() == owner
        assert db.execute("SELECT count(*) FROM document").fetchall() == [(0,)]
        assert {path.stat().st_uid for path in folder.iterdir()} == {owner}
    assert os.geteuid() == before


def test_root_is_root_again_after_a_failure(folder: Path) -> None:
    """An exception restores root's rights."""
    before = os.geteuid()
    with pytest.raises(ZeroDivisionError), read_only(folder):
        raise ZeroDivisionError
    (folder / "journal.db").write_bytes(b"no database " * 1000)
    with pytest.raises(JournalError):
        recent_documents(folder, 1)
    assert os.geteuid() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what its owner may not")
@pytest.mark.parametrize("name", ["journal.db", "jobs.lock"])
def test_a_link_to_a_file_of_roots(folder: Path, name: str) -> None:
    """The owner of the folder learns nothing about a file that only root can read."""
    secret = folder.with_name("secret")
    (folder / name).rename(secret)
    secret.chmod(0o600)
    os.chown(secret, 0, 0)
    (folder / name).symlink_to(secret)
    with pytest.raises(JournalError):
        look(folder)


def test_a_folder_that_its_user_cannot_reach(tmp_path: Path) -> None:
    """The folder and its files stay root's, so that one user owns them all."""
    tmp_path.chmod(0o700)
    folder = tmp_path / "state"
    make_folder(folder, 0o700)
    with Journal(folder):
        owners = {path.stat().st_uid for path in (folder, *folder.iterdir())}
    assert owners == {os.geteuid()}
    assert look(folder).damage == ()
