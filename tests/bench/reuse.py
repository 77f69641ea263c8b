"""What a job saves on a line of 50 ms if it keeps its connection, or only its TLS session.

Not a part of a run: `python tests/bench/reuse.py`, as root. Each way sends `putfile` with 50 KB and
asks for the job once, as a small job does. CONTRIBUTING.md has the result ("Warm workers").
"""

from __future__ import annotations

import http.client
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trustme

import links

RTT_MS, MBIT, ROUNDS = 50, 100, 15
DATA = os.urandom(50_000)
PUT = "/api/putfile?targets=Paris%3ALaser1&title=t&cmp=0"
GET = "/api/get/job/Acme/Paris/Laser1/1"


def main() -> None:
    """Start a server at the far end of a slow line, and this program as its client."""
    if sys.argv[1:]:
        _measure(*sys.argv[1:])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        own = authority.issue_cert(links.ADDRESS)
        own.private_key_pem.write_to_path(str(folder / "key.pem"))
        own.cert_chain_pems[0].write_to_path(str(folder / "own.pem"))
        server = Path(__file__).with_name("lean_server.py")
        with links.slow(links.Line(RTT_MS, mbit=MBIT), folder) as line:
            files = map(str, (folder, links.ADDRESS, folder / "own.pem", folder / "key.pem"))
            command = [*line.at_server, sys.executable, str(server), *files]
            started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert started.stdout is not None
            port = started.stdout.readline().strip()
            asked = [*line.at_client, sys.executable, __file__, port, str(folder / "ca.pem")]
            subprocess.run(asked, check=True)
            started.kill()
            started.communicate()


def _measure(port: str, ca: str) -> None:
    context = ssl.create_default_context(cafile=ca)
    kept = _connect(context, port, None)
    session = _job(kept)
    taken: dict[str, list[float]] = {"new connection": [], "same TLS session": [], "kept": []}
    for _ in range(ROUNDS):
        for way, times in taken.items():
            began_s = time.monotonic()
            if way == "kept":
                _job(kept)
            else:
                resumed = session if way == "same TLS session" else None
                connection = _connect(context, port, resumed)
                session = _job(connection)
                is_resumed = connection.sock.session_reused
                assert is_resumed == (resumed is not None)
                connection.close()
            times.append((time.monotonic() - began_s) * 1000)
    for way, times in taken.items():
        low, middle, high = statistics.quantiles(times)
        print(f"{way:18} {middle:4.0f} ms ({low:.0f} to {high:.0f})")


def _connect(
    context: ssl.SSLContext, port: str, session: ssl.SSLSession | None
) -> http.client.HTTPSConnection:
    connection = http.client.HTTPSConnection(links.ADDRESS, int(port), context=context)
    http.client.HTTPConnection.connect(connection)
    connection.sock = context.wrap_socket(
        connection.sock, server_hostname=links.ADDRESS, session=session
    )
    return connection


def _job(connection: http.client.HTTPSConnection) -> ssl.SSLSession | None:
    for method, path, body in (("PUT", PUT, DATA), ("GET", GET, None)):
        connection.request(method, path, body, {"Authorization": "Bearer k"})
        connection.getresponse().read()
    found: ssl.SSLSession | None = connection.sock.session
    return found


if __name__ == "__main__":
    main()
