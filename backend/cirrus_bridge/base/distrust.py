"""Reasons why a server is not trusted, each with the advice for an administrator."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cirrus_bridge.base.translation import tr

if TYPE_CHECKING:
    import ssl


class Distrust(enum.Enum):
    """Why there is no trusted connection. The values are the advice."""

    EXPIRED = tr("Ask the server's administrator to renew the certificate.")
    NOT_YET_VALID = tr("Check this machine's clock (timedatectl), then the certificate.")
    OTHER_NAME = tr(
        "Use the name from the certificate in servers.d and in the queues' URIs, or ask for a "
        "certificate for this name."
    )
    UNKNOWN_CA = tr(
        "Set ca_file in servers.d to the file of the CA that signed the certificate, or add the "
        "CA to this machine (update-ca-certificates)."
    )
    OTHER_CERTIFICATE = tr(
        "Check the certificate of the server, or of the proxy in front of it: openssl s_client "
        "-connect HOST:PORT"
    )
    NO_TLS = tr(
        "Correct the port. For a server on this machine without TLS: encryption = "
        '"never" in its entry in servers.d.'
    )
    CLIENT_CERTIFICATE = tr(
        "Cirrus Bridge does not support client certificates. Configure the server, or the proxy in "
        "front of it, to accept the API key alone, or correct the port."
    )
    HANDSHAKE = tr(
        "The server may require a client certificate, reject this host name, or "
        "offer no TLS version that this machine allows. Check the connection: "
        "openssl s_client -connect HOST:PORT"
    )


PASSING = (Distrust.EXPIRED, Distrust.NOT_YET_VALID)  # may end by themselves
CERTIFICATE = (*PASSING, Distrust.OTHER_NAME, Distrust.UNKNOWN_CA, Distrust.OTHER_CERTIFICATE)

# where setup has other advice
ADVICE_FOR_SETUP: Mapping[Distrust, str] = {
    Distrust.OTHER_NAME: tr("Give the server's address as it appears in the certificate."),
    Distrust.UNKNOWN_CA: tr(
        "Use --ca-file to name the file of the CA that signed the certificate."
    ),
    Distrust.NO_TLS: tr("Correct the port. For a server on this machine without TLS, use --plain."),
}

# X509_V_ERR_… of OpenSSL, x509_vfy.h
_BY_VERIFY_CODE: Mapping[int, Distrust] = {
    9: Distrust.NOT_YET_VALID,
    10: Distrust.EXPIRED,
    **dict.fromkeys((2, 18, 19, 20, 21), Distrust.UNKNOWN_CA),
    **dict.fromkeys((62, 63, 64), Distrust.OTHER_NAME),
}
# OpenSSL's reasons; Python writes an unknown reason in lower case
_BY_REASON: tuple[tuple[str, Distrust], ...] = (
    ("WRONG_VERSION_NUMBER", Distrust.NO_TLS),
    ("RECORD_LAYER_FAILURE", Distrust.NO_TLS),  # in OpenSSL 3.5
    ("ALERT_CERTIFICATE_REQUIRED", Distrust.CLIENT_CERTIFICATE),  # RFC 8446, 6.2
    ("ALERT_BAD_CERTIFICATE", Distrust.CLIENT_CERTIFICATE),  # sent by older servers in Go
    ("HANDSHAKE_FAILURE", Distrust.HANDSHAKE),
    ("PROTOCOL_VERSION", Distrust.HANDSHAKE),
    ("UNSUPPORTED_PROTOCOL", Distrust.HANDSHAKE),
    ("UNRECOGNIZED_NAME", Distrust.HANDSHAKE),
)


def distrust(error: ssl.SSLError) -> Distrust | None:
    """The reason for a TLS error; None if the error reveals no permanent fault of the server."""
    code = getattr(error, "verify_code", None)  # an SSLCertVerificationError's
    if code is not None:
        return _BY_VERIFY_CODE.get(code, Distrust.OTHER_CERTIFICATE)
    said = str(error).upper().replace(" ", "_")
    return next((reason for sign, reason in _BY_REASON if sign in said), None)


def openssl_words(error: BaseException) -> str:
    """OpenSSL's text for a TLS error, for the middle of a sentence."""
    said = getattr(error, "verify_message", None) or str(error).partition("] ")[2] or str(error)
    return str(said).partition(" (_ssl")[0].rstrip(".")
