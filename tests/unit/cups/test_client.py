"""Requests to cupsd, by their bytes."""

from __future__ import annotations

import os
import pwd
import socket
import threading
from pathlib import Path

import pytest

from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.ipp import Operation

ANSWER = b"\x02\x00\x00\x00\x00\x00\x00\x01\x03"  # IPP 2.0, successful-ok


def test_an_account_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a purge has deleted the account, a running job sends its user id to cupsd as its
    name."""

    def no_account(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", no_account)
    asked: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            data = b""
            while b"\x03" not in data.partition(b"\r\n\r\n")[2]:  # end-of-attributes-tag
                data += connection.recv(65536)
            asked.append(data)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
            connection.sendall(head.encode() + ANSWER)

    path = tmp_path / "cups.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        cupsd = threading.Thread(target=answer, args=(listener,), daemon=True)
        cupsd.start()
        CupsServer(str(path)).request(Operation.GET_JOBS, "/")
        cupsd.join()
    name = str(os.geteuid()).encode()
    assert b"requesting-user-name" + len(name).to_bytes(2, "big") + name in asked[0]
