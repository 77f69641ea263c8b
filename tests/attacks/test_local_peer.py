"""Attacks by a user of this machine who listens where the bridge expects an unencrypted server."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.exchange import Exchange
from cirrus_bridge.api.local_peer import check_peer
from cirrus_bridge.api.redaction import Redaction
from cirrus_bridge.api.transport_errors import translated
from cirrus_bridge.base.errors import WrongUser
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.config.write import server_toml
from print_site import BACKEND, PrintSite, document, eventually
from programs import Program
from stranger import stranger

NOTHING = "got 0 b''"
COMPLETED = 9


def _api(name: str, **settings: Any) -> CloudApi:
    server = Server(name, Secret("sekret-k3y"), "A", **settings)
    return CloudApi(server, "A", https=False, timeouts=UploadSettings())


@pytest.mark.attacker("local account")
@pytest.mark.parametrize(
    ("listens_at", "host"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")]
)
def test_a_stranger_listens_at_the_port(listens_at: str, host: str) -> None:
    """Listen on the port of a server on this machine: the bridge sends neither key nor document.

    The message names the user.
    """
    with stranger(listens_at) as attacker:
        attacker.accept()
        for _ in range(2):  # each connection is checked
            with pytest.raises(WrongUser, match=r"user nobody answers.*local_user"):
                _api(f"{host}:{attacker.port}").temp_file()
            assert attacker.got() == NOTHING


@pytest.mark.attacker("local account")
def test_a_stranger_does_not_accept() -> None:
    """Listen on the port of a server on this machine, but accept no connection: the bridge sends
    nothing.

    Some kernels say that such a connection is root's.
    """
    with stranger() as attacker:
        with pytest.raises(WrongUser, match="user nobody"):
            _api(f"127.0.0.1:{attacker.port}").temp_file()
        attacker.accept()
        assert attacker.got() == NOTHING


@pytest.mark.parametrize("defers", [False, True])
def test_a_slow_server_of_ours(defers: bool) -> None:
    """A trusted server may accept late, or only when the request has arrived."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60 if defers else 0)
        api = _api(f"127.0.0.1:{listener.getsockname()[1]}")
        names: list[str] = []
        asking = threading.Thread(target=lambda: names.append(api.temp_file()))
        asking.start()
        listener.settimeout(60)
        connection, _ = listener.accept()
        with connection:
            assert b"sekret-k3y" in connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7")
            asking.join()
    assert names == ["7"]


_ELSEWHERE = """
import fcntl, socket, struct, sys
own = socket.socket(fileno=int(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", 0))
fcntl.ioctl(listener, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
near = socket.create_connection(listener.getsockname())
far, _ = listener.accept()
socket.send_fds(own, [b"x"], [near.fileno()])
near.close()
print(far.recv(1))
"""


@pytest.mark.attacker("local account")
def test_another_network_namespace() -> None:
    """Listen in another network namespace: the bridge sends nothing, because the kernel does not
    tell the user."""
    ours, theirs = socket.socketpair()
    command = ["unshare", "--net", sys.executable, "-c", _ELSEWHERE, str(theirs.fileno())]
    with (
        ours,
        theirs,
        Program[str](
            command, stdout=subprocess.PIPE, text=True, pass_fds=[theirs.fileno()]
        ) as program,
    ):
        _, (number,), _, _ = socket.recv_fds(ours, 1, 1)
        server = Server("127.0.0.1", Secret("sekret-k3y"))
        exchange = Exchange(server, "version", io.BytesIO(), submits=False, sets_up=False)
        with (
            socket.socket(fileno=number) as connection,
            pytest.raises(WrongUser, match=r"an unknown user.*allow_plaintext"),
            translated(exchange, Redaction("sekret-k3y")),
        ):
            check_peer(connection, server)
        assert program.stdout and program.stdout.read() == "b''\n"


@pytest.mark.parametrize("words", [[], ["--local-user", "nobody"]], ids=["unknown", "named"])
def test_setup(tmp_path: Path, words: list[str]) -> None:
    """`cirrusctl setup` sends nothing to another user, unless it is told the user's name."""
    environ = os.environ | {"CIRRUS_BRIDGE_CONFIG": str(tmp_path)}
    with stranger() as other:
        other.accept()
        named = f"--server=127.0.0.1:{other.port}"
        done = subprocess.run(
            [
                str(BACKEND.with_name("cirrusctl")),
                "setup",
                named,
                "--plain",
                "--device=none",
                *words,
            ],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        got = other.got()
    if words:
        assert "GET /api/version" in got and "CB-403" in done.stderr
    else:
        assert got == NOTHING
        assert "CB-415" in done.stderr and "--local-user nobody" in done.stderr


def test_the_named_user_is_written() -> None:
    """The file that setup writes names the user."""
    written = server_toml(Server("localhost", Secret("k"), local_user="alice"))
    assert 'local_user = "alice"\n' in written


@pytest.mark.parametrize(
    "settings", [{"local_user": "nobody"}, {"allow_plaintext": True}, {"key_reader": 65534}]
)
def test_a_user_who_is_trusted(settings: dict[str, Any]) -> None:
    """The entry's user and the user who reads the key get requests; allow_plaintext: any user."""
    with stranger() as other:
        other.accept()
        assert _api(f"127.0.0.1:{other.port}", **settings).temp_file() == "7"
        assert "sekret-k3y" in other.got()


@pytest.mark.attacker("local account")
def test_the_cloud_is_down(own_site: PrintSite) -> None:
    """Listen on the cloud's port while the cloud is down: the bridge sends nothing, and jobs wait.

    The log, `cirrusctl` and the doctor say who listens. The job is printed when the cloud is back.
    """
    site = own_site
    site.cloud.stop()
    queue = site.queue(driver=False)
    with stranger(port=site.cloud.port) as attacker:
        attacker.accept()
        job = site.cups.lp(queue, data=b"secret document")
        assert attacker.got() == NOTHING
        eventually(lambda: "(CB-415)" in str(site.cups.printer(queue)["printer-state-message"]))
        assert "A program of user nobody answers" in site.cups.error_log()
        for command in ("servers", "doctor"):
            done = site.cirrusctl(command)
            said = done.stdout + done.stderr
            assert "CB-415" in said and "local_user" in said
        site.cups.run("lpinfo", "-v")  # discovery
        attacker_got = [attacker.got() for _ in range(3)]
    assert not any(site.key in got or "secret" in got for got in attacker_got)
    site.cloud.come_back()
    assert site.cups.wait_job(job)["job-state"] == COMPLETED
    assert [document(each) for each in site.cloud.jobs()] == [b"secret document"]
