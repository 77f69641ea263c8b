"""Keys that a service gets as credentials, since its user may not read servers.d (systemd.exec(5)).

Only modes decide what is private, so any user can run these tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadConfiguration, ExposedKey
from cirrus_bridge.config.load import load

ENTRY = '[[server]]\nhost = "{host}"\n{key}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration folder whose servers.d cannot be read."""
    folder = tmp_path / "etc"
    (folder / "servers.d").mkdir(parents=True)
    return folder


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """The copies that LoadCredential=servers.d:FOLDER makes of two files and a key file."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    _credential(credentials, "a.toml", ENTRY.format(host="a", key='api_key = "one"'))
    _credential(credentials, "b.toml", ENTRY.format(host="b", key='api_key_file = "b.key"'))
    _credential(credentials, "b.key", "two\n")
    (credentials / "other.toml").write_text("a credential for somebody else")
    return credentials


def _credential(folder: Path, name: str, text: str, mode: int = 0o400) -> Path:
    path = folder / f"servers.d_{name}"
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_servers_of_credentials(folder: Path, credentials: Path) -> None:
    """All files are read, also key files; other credentials are ignored."""
    servers = load(folder, credentials).servers
    assert [(each.name, each.api_key.reveal()) for each in servers] == [("a", "one"), ("b", "two")]


def test_a_mistake_is_told_of_the_file_that_people_know(folder: Path, credentials: Path) -> None:
    """The message names the original file, because a copy cannot be corrected."""
    _credential(credentials, "c.toml", '[[server]]\nhots = "h"\n')
    with pytest.raises(BadConfiguration, match=r"etc/servers\.d/c\.toml") as caught:
        load(folder, credentials)
    assert str(credentials) not in str(caught.value)


def test_a_key_that_the_service_does_not_get(folder: Path, credentials: Path) -> None:
    """The message says where the key file must be."""
    _credential(credentials, "c.toml", ENTRY.format(host="c", key='api_key_file = "/none/c.key"'))
    with pytest.raises(BadConfiguration, match=r"can read only files in servers\.d"):
        load(folder, credentials)


def test_a_key_elsewhere_that_the_service_may_read(folder: Path, credentials: Path) -> None:
    """A private key file elsewhere is read at its place."""
    key = folder / "own.key"
    key.write_text("three")
    key.chmod(0o600)
    _credential(credentials, "c.toml", ENTRY.format(host="c", key='api_key_file = "../own.key"'))
    assert load(folder, credentials).servers[2].api_key.reveal() == "three"
    key.chmod(0o640)
    with pytest.raises(ExposedKey, match=r"etc/servers\.d/\.\./own\.key"):
        load(folder, credentials)


def test_the_mask_of_an_access_list_exposes_nothing(folder: Path, credentials: Path) -> None:
    """systemd may grant the service's user access by an access list."""
    _credential(credentials, "a.toml", ENTRY.format(host="a", key='api_key = "one"'), 0o440)
    assert len(load(folder, credentials).servers) == 2


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o404])
def test_exposed_copy(folder: Path, credentials: Path, mode: int) -> None:
    """A copy that every user can read is refused, like the original."""
    (credentials / "servers.d_b.key").chmod(mode)
    with pytest.raises(ExposedKey, match=r"etc/servers.d/b\.key"):
        load(folder, credentials)


def test_exposed_original(folder: Path, credentials: Path) -> None:
    """A private copy of an exposed file is refused."""
    original = folder / "servers.d" / "a.toml"
    original.touch(0o600)
    assert len(load(folder, credentials).servers) == 2
    original.chmod(0o640)
    with pytest.raises(ExposedKey, match="chmod 600"):
        load(folder, credentials)
