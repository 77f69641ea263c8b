"""The TLS settings of the service, which stay in use when its certificate is renewed."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.ipp_server.certificates import server_context
from cirrus_bridge.ipp_server.edges import certificate_files


class OwnTls:
    """The TLS settings, with the administrator's certificate or the service's own in `folder`.

    Raises:
        BadConfiguration: the certificate cannot be used, or cannot be written.
    """

    def __init__(self, settings: PrinterSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        try:
            self.context: ssl.SSLContext = server_context(*certificate_files(settings, folder))
        except OSError as error:
            raise BadConfiguration(
                tr(
                    "Cannot use the certificate in {folder} ({why}).",
                    folder=folder,
                    why=error.strerror,
                ),
            ) from error

    def renew(self) -> None:
        """Put the certificate's newest form into effect; the present one stays if that fails."""
        with contextlib.suppress(BadConfiguration, OSError):
            self.context.load_cert_chain(*certificate_files(self._settings, self._folder))
