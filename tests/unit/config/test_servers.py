"""Keys that a service gets as credentials, since its user may not read servers.d (systemd.exec(5)).

What is private is told by modes alone, so that it does not matter who runs these tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadConfiguration, ExposedKey
from cirrus_bridge.config.load import load

ENTRY = '[[server]]\nhost = "{host}"\n{key}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration folder whose servers.d has nothing to show."""
    folder = tmp_path / "etc"
    (folder / "servers.d").mkdir(parents=True)
    return folder


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """What LoadCredential=servers.d:FOLDER makes of two files, the second with a key beside it."""
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
    """All files are known, also those that api_key_file names; other credentials are not ours."""
    servers = load(folder, credentials).servers
    assert [(each.name, each.api_key.reveal()) for each in servers] == [("a", "one"), ("b", "two")]


def test_a_mistake_is_told_of_the_file_that_people_know(folder: Path, credentials: Path) -> None:
    """Nobody can correct a copy."""
    _credential(credentials, "c.toml", '[[server]]\nhots = "h"\n')
    with pytest.raises(BadConfiguration, match=r"etc/servers\.d/c\.toml") as caught:
        load(folder, credentials)
    assert str(credentials) not in str(caught.value)


def test_a_key_that_the_service_does_not_get(folder: Path, credentials: Path) -> None:
    """The message says where it has to be."""
    _credential(credentials, "c.toml", ENTRY.format(host="c", key='api_key_file = "/none/c.key"'))
    with pytest.raises(BadConfiguration, match=r"gets the files of servers\.d alone"):
        load(folder, credentials)


def test_a_key_elsewhere_that_the_service_may_read(folder: Path, credentials: Path) -> None:
    """It is read where it is, as long as nobody else can."""
    key = folder / "own.key"
    key.write_text("three")
    key.chmod(0o600)
    _credential(credentials, "c.toml", ENTRY.format(host="c", key='api_key_file = "../own.key"'))
    assert load(folder, credentials).servers[2].api_key.reveal() == "three"
    key.chmod(0o640)
    with pytest.raises(ExposedKey, match=r"etc/servers\.d/\.\./own\.key"):
        load(folder, credentials)


def test_the_mask_of_an_access_list_exposes_nothing(folder: Path, credentials: Path) -> None:
    """systemd gives the service's user the right to read by one, where it can."""
    _credential(credentials, "a.toml", ENTRY.format(host="a", key='api_key = "one"'), 0o440)
    assert len(load(folder, credentials).servers) == 2


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o404])
def test_exposed_copy(folder: Path, credentials: Path, mode: int) -> None:
    """A copy for everybody is refused as the file would be."""
    (credentials / "servers.d_b.key").chmod(mode)
    with pytest.raises(ExposedKey, match=r"etc/servers.d/b\.key"):
        load(folder, credentials)


def test_exposed_original(folder: Path, credentials: Path) -> None:
    """A private copy of what everybody can read anyway is no secret."""
    original = folder / "servers.d" / "a.toml"
    original.touch(0o600)
    assert len(load(folder, credentials).servers) == 2
    original.chmod(0o640)
    with pytest.raises(ExposedKey, match="chmod 600"):
        load(folder, credentials)
