"""`[printers]` of bridge.toml: its defaults, its mistakes, and the devices that are offered."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.model import Place
from cirrus_bridge.config.load import load_bridge
from cirrus_bridge.config.printers import PrinterSettings
from paths import REPO

PACKAGES = REPO / "installer" / "packages"


def _settings(folder: Path, text: str) -> PrinterSettings:
    (folder / "bridge.toml").write_text(text)
    return load_bridge(folder, ()).printers


def test_without_the_table(tmp_path: Path) -> None:
    """By default, nothing is offered, and only this machine can connect."""
    settings = _settings(tmp_path, "")
    assert settings == PrinterSettings()
    assert settings.is_local and not settings.devices


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    """All settings are read."""
    text = (
        '[printers]\nlisten = "192.0.2.1"\nport = 631\ntls_port = 443\nplaintext = true\n'
        'networks = ["192.0.2.7/24", "2001:db8::1"]\ndevices = ["Paris:*"]\nannounce = false\n'
        'certificate = "/etc/a.pem"\ncertificate_key = "/etc/a.key"\nsign_in = false\n'
        "max_document_bytes = 1\nmax_jobs = 2\nmax_connections = 3\nmetrics_port = 4\n"
    )
    settings = _settings(tmp_path, text)
    assert dataclasses.astuple(settings) == (
        *("192.0.2.1", 631, 443, True, ("192.0.2.7/24", "2001:db8::1"), ("Paris:*",), False),
        *("/etc/a.pem", "/etc/a.key", False, 1, 2, 3, 4),
    )
    assert not settings.is_local


@pytest.mark.parametrize(
    ("device", "offered"),
    [("Laser", True), ("laser", False), ("Label [2]", True), ("Label [22]", False)],
)
def test_globs_choose_the_devices(tmp_path: Path, device: str, offered: bool) -> None:
    """Patterns are those of queues.toml: `*` and `?` alone are special, and case counts."""
    settings = _settings(tmp_path, '[printers]\ndevices = ["P*:Laser", "Paris:Label [?]"]\n')
    place = Place("cp.example.com", "Acme", "Paris")
    assert settings.offers(place, device) is offered
    assert not settings.offers(dataclasses.replace(place, location="Lyon"), device)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("lisen = 1", "unknown name 'lisen' (known: listen, port,"),
        ('listen = "printserver"', "'listen' must be an address, such as"),
        ("listen = 1", "'listen' must be a text in quotes"),
        ("port = 65536", "'port' must be from 0 to 65535"),
        ("port = 8632", "'port' and 'tls_port' must be different"),
        ("port = 0\ntls_port = 0", "'port' and 'tls_port' are both 0; set one of them"),
        ('listen = "::"\ntls_port = 0', "clients on the network need 'tls_port', or"),
        ('networks = ["192.0.2.0/33"]', "'networks' must be a list of networks, such as"),
        ("networks = [1.5]", "'networks' must be a list of networks, such as"),
        ("networks = [7]", "'networks' must be a list of networks, such as"),
        ('networks = "192.0.2.0/24"', "'networks' must be a list, such as"),
        ('devices = ["Laser"]', "'devices' must be a list of LOCATION:DEVICE"),
        ("devices = [1]", "'devices' must be a list of LOCATION:DEVICE"),
        ('certificate = "a.pem"\ncertificate_key = "/a"', "'certificate' must be an absolute path"),
        ('certificate_key = "/a"', "set both 'certificate' and 'certificate_key', or neither"),
        ("sign_in = true\nplaintext = true", "with 'sign_in', do not set 'plaintext'"),
        ("max_jobs = 0", "'max_jobs' must be 1 or more"),
    ],
)
def test_mistakes(tmp_path: Path, line: str, says: str) -> None:
    """A mistake names the file, the table and the setting."""
    with pytest.raises(BadConfiguration) as caught:
        _settings(tmp_path, f"[printers]\n{line}\n")
    assert f"bridge.toml: [printers]: {says}" in str(caught.value)


def test_the_example_has_the_defaults() -> None:
    """The file of the packages shows each setting with its default, but for paths."""
    text = (PACKAGES / "files" / "bridge.toml").read_text()
    shown = tomllib.loads(text.partition("[printers]")[2].replace("\n#", "\n"))
    wanted = dataclasses.asdict(PrinterSettings())
    shown = {name: tuple(v) if isinstance(v, list) else v for name, v in shown.items()}
    assert shown == {name: value for name, value in wanted.items() if value is not None}


def test_the_manual_page_has_every_setting() -> None:
    """cirrus-bridge.toml(5) describes every setting."""
    manual = (PACKAGES / "man" / "cirrus-bridge.toml.5.scd").read_text()
    text = manual.partition("## [printers]")[2].partition("# SERVERS.D")[0]
    names = [field.name for field in dataclasses.fields(PrinterSettings)]
    assert [name for name in names if f"*{name}*" not in text] == []
