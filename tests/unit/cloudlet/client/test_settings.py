"""The settings of a location's client."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_cloudlet.client.settings import check_server, read_key
from cirrus_cloudlet.errors import SettingsError


@pytest.mark.parametrize(
    "url", ["https://print.example.com/", "https://[2001:db8::1]:8443", "http://127.0.0.1:27082"]
)
def test_servers(url: str) -> None:
    """HTTPS to any server, and plain text to this machine."""
    assert check_server(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *("print.example.com", "http://print.example.com", "ftp://print.example.com", "https://"),
        *("https://a@print.example.com", "https://print.example.com/api", "https://h/?a=b"),
    ],
)
def test_wrong_servers(url: str) -> None:
    """No other URL: the key would travel in plain text, or to another place."""
    with pytest.raises(SettingsError, match="--server"):
        check_server(url)


def test_the_key_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that others can read is refused, unless it is systemd's copy for the service."""
    path = tmp_path / "key"
    path.write_text("secret\n")
    path.chmod(0o600)
    assert read_key(path) == "secret"
    path.chmod(0o440)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_key(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_key(path) == "secret"
    path.chmod(0o600)
    path.write_text("two words\n")
    with pytest.raises(SettingsError, match="has no key"):
        read_key(path)
    with pytest.raises(SettingsError, match="cannot read"):
        read_key(tmp_path / "missing")
