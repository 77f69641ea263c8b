"""Attacks by a print client: it has an API key with the role `print`."""

from __future__ import annotations

import contextlib
import select
import socket
import sqlite3

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

REACHING_OUT = (
    {"Type": "2", "Target": "sh -c 'id >stolen'"},
    {"Type": "1", "Target": "/{title}"},
    {"Type": "0", "Target": "Q"},
)


@pytest.mark.attacker("print key")
def test_a_print_key_changes_no_device(own: CloudletServer) -> None:
    """Add or change a device or a location: status 403."""
    before = (own.data / "cloudlet.toml").read_text()
    curl = Curl(own.url, own.key)
    for fields in (*REACHING_OUT, {"Name": "x"}):
        assert curl.post("/api/put/device/ACME/Office/Folder", **fields).status == 403
        assert curl.get("/api/put/device/ACME/Office/New", **fields).status == 403
    assert curl.post("/api/put/location/ACME/Office", Name="x").status == 403
    assert (own.data / "cloudlet.toml").read_text() == before


@pytest.mark.attacker("print key")
def test_an_admin_key_gets_no_shell(own: CloudletServer) -> None:
    """With an admin key, add a device that runs a command or writes to an absolute path: refused.

    A name or a property that looks like TOML makes no such device either.
    """
    curl = Curl(own.url, own.new_key("ACME", "admin"))
    path = "/api/put/device/ACME/Office/New"
    for fields in REACHING_OUT:
        curl.post(path, **fields).refused("on the server")
    curl.get("/api/get/device/ACME/Office/New").refused("New")
    odd = (
        'x"\n[[device]]\ncompany="ACME"\nlocation="Office"\nid="C"\ntype="command"\ntarget="id"\n#'
    )
    assert curl.post(path, Type="1", Name=odd, Notes=odd).text == "OK"
    curl.post(path, DefaultProps='a" = "b" }, type = "command", x = { "c=d')
    assert curl.get(path.replace("put", "get")).json["Type"] == 1
    curl.get("/api/get/device/ACME/Office/C").refused("C")


@pytest.mark.attacker("print key")
def test_a_title_is_no_module_of_a_command(own: CloudletServer) -> None:
    """Name a document like a module that a device's command loads: the command does not load the
    document."""
    own.cli("device", "add", "ACME/Office/Inbox", "--target", "{title}")
    command = ("--type", "command", "--target", "python3 -m json.tool /dev/null")
    own.cli("device", "add", "ACME/Office/Python", *command)
    curl = Curl(own.url, own.key)
    planted = curl.submit(b"open('stolen', 'w')\n", targets="Office:Inbox", title="json.py")
    own.wait_for_job(planted, 2)
    run = curl.submit(targets="Office:Python")
    own.wait_for_job(run, 1, 2, message="Error")  # there is nothing to parse
    assert list(own.data.rglob("stolen")) == []


@pytest.mark.attacker("print key")
def test_waiting_requests_leave_connections(own: CloudletServer) -> None:
    """At most half of the connections: further requests of the company get status 429."""
    request = f"GET /api/tempfile HTTP/1.0\r\nAuthorization: Bearer {own.key}\r\n\r\n".encode()
    other = own.cli("key", "add")  # of any company, so it is not of this one's share
    with contextlib.ExitStack() as stack:
        database = sqlite3.connect(own.data / "cloudlet.db", isolation_level=None)
        stack.enter_context(contextlib.closing(database))
        database.execute("BEGIN IMMEDIATE")  # every request that writes waits
        clients = [socket.create_connection(("127.0.0.1", own.port)) for _ in range(510)]
        for client in clients:
            stack.enter_context(client)
            client.sendall(request)
        refused: set[socket.socket] = set()
        while len(refused) < 10:
            answered, _, _ = select.select(set(clients) - refused, [], [], 10)
            assert answered, f"only {len(refused)} requests got an answer"
            for client in answered:
                assert client.recv(1000).startswith(b"HTTP/1.1 429 ")
            refused.update(answered)
        Curl(own.url, other).get("/api/get/location/ACME/X").refused("unknown location")
        database.execute("ROLLBACK")


@pytest.mark.attacker("print key")
def test_tiny_chunks_are_refused(own: CloudletServer) -> None:
    """A body in chunks of one byte is refused early, because each chunk costs time of others."""
    head = (
        f"PUT /api/putfile HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {own.key}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    for size, count, status in ((1, 1100, b"400"), (1000, 1100, b"200"), (1, 900, b"200")):
        with socket.create_connection(("127.0.0.1", own.port), 30) as client:
            chunk = f"{size:x}\r\n{'a' * size}\r\n"
            client.sendall(f"{head}{chunk * count}0\r\n\r\n".encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 %s " % status)
