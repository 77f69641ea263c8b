"""The doctor's checks of the printers without drivers."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cirrus_bridge.base.errors import Unreachable
from cirrus_bridge.base.model import Place
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity
from cirrus_bridge.cirrusctl.doctor.printers import (
    are_wanted,
    check_certificate,
    check_chosen,
    check_service,
    check_settings,
)
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.config.accounts import ACCOUNTS, set_account
from cirrus_bridge.config.printers import PrinterSettings

PARIS = Place("h", "C", "Paris")
NOW_S = 1_800_000_000.0


def chosen(*devices: str, formats: str = "pdf") -> list[Finding]:
    content = {"Devices": {"L1": {"Name": "One", "Formats": [formats]}}}
    answer = LocationAnswer(PARIS, content)
    return list(check_chosen(PrinterSettings(devices=devices), [answer]))


def test_devices_that_cannot_be_printers() -> None:
    """The finding says why; devices that are not chosen are not reported."""
    assert chosen("Paris:*") == []
    (finding,) = chosen("Paris:*", formats="pcl")
    assert finding.about == "Paris:L1"
    assert "takes pcl only" in finding.text
    (finding,) = chosen("Lyon:*", formats="pcl")
    assert finding.about == "Lyon:*"
    assert "No active device" in finding.text


def test_who_wants_printers(tmp_path: Path) -> None:
    """A machine where devices are chosen, or where the service is installed."""
    unit = tmp_path / "cirrus-printers.service"
    assert not are_wanted(PrinterSettings(), unit)
    assert are_wanted(PrinterSettings(devices=("Paris:*",)), unit)
    unit.touch()
    assert are_wanted(PrinterSettings(), unit)


def test_a_location_that_is_away() -> None:
    """Its devices are not called missing."""
    answer = LocationAnswer(PARIS, {}, Unreachable("away"))
    assert list(check_chosen(PrinterSettings(devices=("Paris:*",)), [answer])) == []


def test_settings(tmp_path: Path) -> None:
    """Plaintext on a network, and a sign-in without accounts."""
    open_to_all = PrinterSettings(listen="192.0.2.1", plaintext=True)
    (finding,) = check_settings(open_to_all, tmp_path)
    assert finding.severity is Severity.WARNING
    assert list(check_settings(PrinterSettings(plaintext=True), tmp_path)) == []
    (finding,) = check_settings(PrinterSettings(sign_in=True), tmp_path)
    assert "cirrusctl printers account add" in finding.fix
    set_account(tmp_path / ACCOUNTS, "jo", "secret")
    assert list(check_settings(PrinterSettings(sign_in=True), tmp_path)) == []


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def service(settings: PrinterSettings, tmp_path: Path) -> list[Finding]:
    return list(check_service(settings, tmp_path, tmp_path, NOW_S, has_systemd=False))


def test_a_service_that_does_not_run(tmp_path: Path, port: int) -> None:
    """Only where devices are chosen, this is an error."""
    settings = PrinterSettings(port=port, tls_port=0, devices=("Paris:*",))
    (finding,) = service(settings, tmp_path)
    assert (finding.severity, finding.text[:30]) == (
        Severity.ERROR,
        "The service does not answer, s",
    )
    assert service(PrinterSettings(port=port, tls_port=0), tmp_path) == []


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Another program answers something else."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]

        def answer() -> None:
            for _ in range(2):
                connection, _ = other.accept()
                with connection:
                    connection.recv(1)
                    connection.sendall(b"220 mail.example.com\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        settings = PrinterSettings(port=taken, tls_port=0, devices=("Paris:*",))
        (finding,) = service(settings, tmp_path)
        thread.join()
    assert f"Another program uses port {taken}" in finding.text


@pytest.mark.parametrize(
    ("now_s", "severity"),
    [(-30 * 86_400.0, Severity.OK), (-86_400.0, Severity.WARNING)],
)
def test_the_end_of_a_certificate(tmp_path: Path, now_s: float, severity: Severity) -> None:
    """A certificate that ends within two weeks is a warning, before clients reject it."""
    own = trustme.CA().issue_cert("localhost")
    file = tmp_path / "own.pem"
    file.write_bytes(own.cert_chain_pems[0].bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with context.wrap_socket(connection, server_side=True):
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        settings = PrinterSettings(tls_port=server.getsockname()[1])
        end_s = ssl.cert_time_to_seconds("Jan  1 00:00:00 3000 GMT")  # trustme's
        (finding,) = check_certificate(settings, file, end_s + now_s)
        thread.join()
    assert finding.severity is severity
