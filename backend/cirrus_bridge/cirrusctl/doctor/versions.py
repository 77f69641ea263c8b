"""Checks of the versions of CUPS and of our programs."""

from __future__ import annotations

import platform
import ssl
from collections.abc import Iterator

from cirrus_bridge import __version__
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, error, good

VERSIONS = tr("versions")
OLDEST_CUPS, FIRST_WITHOUT_BACKENDS = (2, 2), (3, 0)


def check_versions(cups: str) -> Iterator[Finding]:
    """Check that CUPS supports backends. `cups` is its version; empty if unknown."""
    number = tuple(int(part) for part in cups.split(".")[:2] if part.isdigit())
    ours = f"cirrus-bridge {__version__}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}"
    if number and number >= FIRST_WITHOUT_BACKENDS:
        yield error(
            VERSIONS,
            f"CUPS {cups}",
            tr("This version of CUPS no longer supports backends and drivers."),
            tr("Install CUPS 2.4 on this machine."),
        )
    elif number and number < OLDEST_CUPS:
        yield error(
            VERSIONS,
            f"CUPS {cups}",
            tr("This version of CUPS is too old."),
            tr("Install CUPS 2.4 or later."),
        )
    else:
        yield good(VERSIONS, f"CUPS {cups}" if cups else "CUPS", f"{ours}.")
