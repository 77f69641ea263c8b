"""The queue's URI, as backend(7) passes it."""

from __future__ import annotations

import pytest

from cirrus_bridge.backend.print_job import device_uri
from cirrus_bridge.base.errors import UsageError

URI, OTHER = (
    "cirrus://print.example.com/Acme/Paris:Laser1",
    "cirrus://other.example.com/Acme/Rome:L",
)


def test_uri_of_the_queue() -> None:
    """The URI is in the environment, or else in place of the program's name."""
    assert device_uri([OTHER], {"DEVICE_URI": URI}) == URI
    assert device_uri([URI], {}) == URI
    assert device_uri([URI], {"DEVICE_URI": ""}) == URI


def test_no_uri() -> None:
    """Without a URI, the error says what to set."""
    with pytest.raises(UsageError, match="DEVICE_URI is not set"):
        device_uri(["/usr/lib/cups/backend/cirrus"], {})
