"""Attacks by a person who has an account for the cloud's web page."""

from __future__ import annotations

import contextlib
import fcntl
import socket

import pytest

from cirrus_cloudlet.storage.jobs import Jobs
from cirrus_cloudlet.storage.opening import open_store
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


@pytest.mark.attacker("page account")
def test_waiting_changes_leave_threads(own: CloudletServer) -> None:
    """Many changes at once that wait for each other, while the server answers other companies."""
    visitor = Visitor(own.url)
    visitor.sign_in("anna", own.cli("account", "add", "anna", "--company", "ACME"))
    form = f"token={visitor.token}"
    request = (
        f"POST /locations/Office/offline HTTP/1.0\r\nCookie: {visitor.cookie}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(form)}\r\n\r\n{form}"
    )
    other = own.cli("key", "add")  # of any company, so it is not of this one's share
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context((own.data / "cloudlet.lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # every change waits
        for _ in range(60):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", own.port)))
            client.sendall(request.encode())
        for _ in range(20):  # by the last one, the server has read all forms
            Curl(own.url, other).get("/api/get/location/ACME/X").refused("unknown location")


@pytest.mark.attacker("page account")
def test_the_history_of_a_job_is_bounded(own: CloudletServer) -> None:
    """A job that is saved and trashed all the time keeps only the newest steps of its history."""
    with contextlib.closing(open_store(own.data)) as store:
        job = Curl(own.url, own.key).submit()
        own.wait_for_job(job, 2)
        for number in range(300):
            store.execute("UPDATE job SET message = ? WHERE id = ?", f"{number}", job)
        history = Jobs(store).history(job)
    assert (len(history), history[-1].message) == (200, "299")
