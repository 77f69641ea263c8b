"""The accounts with which people sign in to the printers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.config.accounts import (
    ACCOUNTS,
    PasswordHash,
    read_accounts,
    remove_account,
    set_account,
)


def test_accounts_come_change_and_go(tmp_path: Path) -> None:
    """The file is private, has no password, and has each account once."""
    path = tmp_path / ACCOUNTS
    assert read_accounts(path) == {}
    assert set_account(path, 'Jo "打"', "first")
    assert set_account(path, "ann", "secret")
    assert not set_account(path, 'Jo "打"', "second")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "second" not in path.read_text()
    accounts = read_accounts(path)
    assert sorted(accounts) == ['Jo "打"', "ann"]
    assert accounts['Jo "打"'].matches("second") and not accounts['Jo "打"'].matches("first")
    assert remove_account(path, "ann") and not remove_account(path, "ann")
    assert list(read_accounts(path)) == ['Jo "打"']


def test_a_group_that_may_read(tmp_path: Path) -> None:
    """The service's user reads the file by its group, and cannot change it."""
    path = tmp_path / ACCOUNTS
    set_account(path, "jo", "secret", os.getgid())
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o640, os.getgid())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    assert list(read_accounts(path)) == ["jo"]


def test_letters_from_any_keyboard(tmp_path: Path) -> None:
    """A letter with an accent is the same letter whether it is one character or two."""
    path = tmp_path / ACCOUNTS
    set_account(path, "Zoe\u0308", "caf\u00e9")
    assert read_accounts(path)["Zo\u00eb"].matches("cafe\u0301")


def test_equal_passwords_have_different_hashes() -> None:
    """Each hash has a salt of its own."""
    assert str(PasswordHash.of("secret")) != str(PasswordHash.of("secret"))


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", " a", "a\x7f", "x" * 256])
def test_names_that_cannot_sign_in(tmp_path: Path, name: str) -> None:
    """A name that HTTP cannot carry is refused."""
    with pytest.raises(ValueError, match="A name"):
        set_account(tmp_path / ACCOUNTS, name, "secret")


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_passwords_of_any_useful_length(tmp_path: Path, password: str) -> None:
    """No password, and one that would be cut, is refused."""
    with pytest.raises(ValueError, match="A password must have from 1 to 1024 bytes"):
        set_account(tmp_path / ACCOUNTS, "jo", password)


HASH = str(PasswordHash.of("secret"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[account]]\nname = "jo"\n', "'password' is missing"),
        ('[[account]]\nname = "jo"\npassword = "secret"\n', "'password' of jo is not a hash"),
        (
            '[[account]]\nname = "jo"\npassword = "' + HASH.replace("16384", "16383") + '"\n',
            "'password' of jo is not a hash",
        ),
        ('[[user]]\nname = "jo"\n', "unknown name 'user'"),
        ("[[account", "not TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, says: str) -> None:
    """A mistake names the file and the account, never the password."""
    path = tmp_path / "accounts.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(BadConfiguration, match=r"accounts\.toml") as caught:
        read_accounts(path)
    assert says in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o602, 0o601])
def test_a_file_that_others_can_read_or_change(tmp_path: Path, mode: int) -> None:
    """Nobody signs in by such a file; the group may read it, for a service with another user."""
    path = tmp_path / ACCOUNTS
    set_account(path, "jo", "secret")
    path.chmod(mode)
    with pytest.raises(BadConfiguration, match="other users can read or change it") as caught:
        read_accounts(path)
    assert caught.value.hint == f"Run chmod 600 {path}."
    path.chmod(0o640)
    assert list(read_accounts(path)) == ["jo"]
