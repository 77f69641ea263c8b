"""Requests to cupsd, by their bytes."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.ipp.message import Operation

ANSWER = b"\x02\x00\x00\x00\x00\x00\x00\x01\x03"  # IPP 2.0, successful-ok


def test_an_account_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a purge has deleted the account, a running job sends its user id to cupsd as its
    name."""

    def no_account(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", no_account)
    with _cupsd(tmp_path) as (server, asked):
        server.request(Operation.GET_JOBS, "/")
    assert _names(str(os.geteuid())) in asked[0]


def test_a_process_that_has_given_up_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request has the name of the user who sends it; cupsd refuses another name."""
    with _cupsd(tmp_path) as (server, asked):
        for name in ("root", "cirrus-bridge"):
            entry = pwd.struct_passwd((name, "x", 0, 0, "", "/", "/bin/sh"))
            monkeypatch.setattr(pwd, "getpwuid", lambda uid, entry=entry: entry)
            server.request(Operation.GET_JOBS, "/")
            assert _names(name) in asked[-1]
            assert f"Authorization: PeerCred {name}\r\n".encode() in asked[-1]


def _names(name: str) -> bytes:
    return b"requesting-user-name" + len(name).to_bytes(2, "big") + name.encode()


@contextlib.contextmanager
def _cupsd(folder: Path) -> Iterator[tuple[CupsServer, list[bytes]]]:
    """A server that answers each request, and the requests."""
    asked: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the end of the test
                return
            with connection:
                data = b""
                while b"\x03" not in data.partition(b"\r\n\r\n")[2]:  # end-of-attributes-tag
                    data += connection.recv(65536)
                asked.append(data)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
                connection.sendall(head.encode() + ANSWER)

    path = folder / "cups.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        cupsd = threading.Thread(target=answer, args=(listener,), daemon=True)
        cupsd.start()
        yield CupsServer(str(path)), asked
        listener.shutdown(socket.SHUT_RDWR)
        cupsd.join()
