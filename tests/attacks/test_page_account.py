"""Attacks by a person who has an account for the cloud's web page."""

from __future__ import annotations

import pytest

from cloudlet_server import CloudletServer
from curl import Curl
from visitor import Visitor


@pytest.mark.attacker("page account")
def test_an_account_changes_no_device(own: CloudletServer) -> None:
    """Change settings on the web page: only the company's locations can be switched."""
    own.cli("company", "add", "Rival")
    own.cli("location", "add", "Rival/Rome")
    visitor = Visitor(own.url)
    visitor.sign_in("anna", own.cli("account", "add", "anna", "--company", "ACME"))
    before = (own.data / "cloudlet.toml").read_text()
    device = ("--data-urlencode", "Type=2", "--data-urlencode", "Target=id")
    for path in (
        "/api/put/device/ACME/Office/New",
        "/api/put/location/ACME/Office",
        "/api/tempfile",
    ):
        assert Curl(own.url, "").run(path, "-H", f"Cookie: {visitor.cookie}").status == 401
        assert visitor.post(path, *device).status == 401
    for path in (
        "/devices/Office/Folder",
        "/locations/Office/command",
        "/locations/Rome/offline",
        "/locations/New/offline",
        "/locations/Office%2FFolder/offline",
    ):
        assert visitor.post(path).status == 404
        assert visitor.post(path, *device).status in (400, 404)
    assert (own.data / "cloudlet.toml").read_text() == before
    assert visitor.post("/locations/Office/offline").status == 303
    assert (own.data / "cloudlet.toml").read_text() == before.replace(
        'id = "Office"\n', 'id = "Office"\nonline = false\n', 1
    )
