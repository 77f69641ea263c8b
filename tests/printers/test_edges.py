"""What `[printers]` of bridge.toml means at the service's edges."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from cirrus_bridge.config.accounts import set_account
from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.ipp_server.access import TooManyGuesses
from cirrus_bridge.ipp_server.certificates import check_certificate
from cirrus_bridge.ipp_server.dns_sd import Ports, announced_host
from cirrus_bridge.ipp_server.edges import announcing, certificate_files, ports, sign_in

NETWORK = "192.0.2.1"


def test_the_own_certificate_has_all_names(tmp_path: Path) -> None:
    """Clients come by the announced host, by localhost and by addresses."""
    names = check_certificate(*certificate_files(PrinterSettings(), tmp_path / "tls")).names
    assert {announced_host(), "localhost", "127.0.0.1", "::1"} <= names


def test_a_host_name_that_no_certificate_can_have(tmp_path: Path) -> None:
    """The other names are there nevertheless."""
    code = (
        "from cirrus_bridge.config.printers import PrinterSettings\n"
        "from cirrus_bridge.ipp_server.edges import certificate_files\n"
        "from pathlib import Path\n"
        f"certificate_files(PrinterSettings(), Path({str(tmp_path)!r}))\n"
    )
    script = 'printf "Büro" > /proc/sys/kernel/hostname && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "--uts", "sh", "-c", script, sys.executable, code],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "own.pem"
    assert "localhost" in check_certificate(path, path).names


def test_an_administrators_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The administrator's files are used as they are; one that has expired is reported."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    for name, ends in (("good", None), ("old", yesterday)):
        made = trustme.CA().issue_cert("print.example.com", not_after=ends)
        made.private_key_and_cert_chain_pem.write_to_path(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        for name, said in (("good", 0), ("old", 1)):
            path = str(tmp_path / name)
            settings = PrinterSettings(certificate=path, certificate_key=path)
            assert certificate_files(settings, tmp_path) == (Path(path), Path(path))
            assert len(caplog.messages) == said
    assert caplog.messages == [f"The certificate in {tmp_path}/old has expired. Renew it."]


@pytest.mark.parametrize(
    ("settings", "announced"),
    [
        (PrinterSettings(), Ports(8631, 8632)),
        (PrinterSettings(listen=NETWORK), Ports(0, 8632)),
        (PrinterSettings(listen=NETWORK, plaintext=True, tls_port=0), Ports(8631, 0)),
        (PrinterSettings(port=0), Ports(0, 8632)),
    ],
)
def test_only_ports_that_clients_can_use(settings: PrinterSettings, announced: Ports) -> None:
    """A port that answers loopback alone is not announced on the network."""
    assert ports(settings) == announced


def test_without_announcements() -> None:
    """`announce = false` opens no socket."""
    with announcing(PrinterSettings(announce=False)) as announce:
        announce([])


def test_sign_in(tmp_path: Path) -> None:
    """Accounts count only if the settings ask for them; a client that guesses is turned away."""
    path = tmp_path / "accounts" / "accounts.toml"
    set_account(path, "jo", "secret")
    assert sign_in(PrinterSettings(), path, lambda: 0.0) is None
    verify = sign_in(PrinterSettings(sign_in=True), path, lambda: 0.0)
    assert verify
    assert verify("jo", "secret", NETWORK)
    with pytest.raises(TooManyGuesses):
        for guess in range(10):
            assert not verify("jo", str(guess), "192.0.2.9")
