"""The requests of a location's client to its server.

The key is sent to the server only: no redirect is followed, and the environment is ignored. Each
request is repeated by its caller, because each is safe to repeat.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from urllib3 import PoolManager, ProxyManager, Retry, Timeout
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from cirrus_cloudlet.version import __version__

_CONNECT_S, _READ_S = 20.0, 30.0
_CONNECTIONS = 16
_ANSWER_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_GONE = 410
_DOCUMENT = "application/octet-stream"


class ServerAway(Exception):
    """The server cannot be reached or does not work; the same request may work later."""


class ServerRefusal(Exception):
    """The server refuses this client, such as for its key; a person has to change something."""


class ClaimOver(Exception):
    """The job is no longer this client's."""


class Connection:
    """A server, as a location's client uses it from several threads.

    Raises:
        OSError: the file with certificates cannot be used.
    """

    def __init__(self, server: str, key: str, ca_file: Path | None, proxy: str | None) -> None:
        self._server = server
        self._headers = {
            "Authorization": f"Bearer {key}",
            "User-Agent": f"cirrus-cloudlet-client/{__version__}",
        }
        settings: dict[str, Any] = {
            "maxsize": _CONNECTIONS,
            "timeout": Timeout(connect=_CONNECT_S, read=_READ_S),
            "retries": Retry(0, redirect=False, raise_on_redirect=False),
        }
        if server.startswith("https:"):
            settings["ssl_context"] = ssl.create_default_context(cafile=ca_file)
        self._pool = ProxyManager(proxy, **settings) if proxy else PoolManager(**settings)

    def post(
        self, path: Sequence[str], fields: Mapping[str, str], wait_s: float = 0.0
    ) -> dict[str, Any]:
        """Send a request with a form; return its JSON object.

        Args:
            path: what follows `/api/client/`, in parts.
            wait_s: how long the server may take longer than usual.

        Raises:
            ServerAway, ServerRefusal, ClaimOver: the request had no effect, or is not known to
                have had one.
        """
        body = urlencode(fields).encode()
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        timeout = Timeout(connect=_CONNECT_S, read=_READ_S + wait_s)
        with self._request("POST", path, headers, body=body, timeout=timeout) as response:
            return _read_object(response)

    @contextlib.contextmanager
    def document(
        self, path: Sequence[str], token: str, *, position: int
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Request a document from a byte position on; give the position of the answer, and bytes.

        A server that ignores the position answers from 0 on.

        Raises:
            ServerAway, ServerRefusal, ClaimOver: also while the bytes are read.
        """
        headers = {**self._headers, "Range": f"bytes={position}-"} if position else self._headers
        query = f"?{urlencode({'token': token})}"
        with self._request("GET", path, headers, query, preload_content=False) as response:
            if response.headers.get("content-type") != _DOCUMENT:  # the API's form of a failure
                raise ServerAway("the answer is not a document")
            start = position if response.status == 206 else 0
            yield start, _pieces(response)

    @contextlib.contextmanager
    def _request(
        self,
        method: str,
        path: Sequence[str],
        headers: Mapping[str, str],
        query: str = "",
        **settings: Any,
    ) -> Iterator[BaseHTTPResponse]:
        url = "/".join((self._server, "api/client", *(quote(part, safe="") for part in path)))
        try:
            response = self._pool.request(
                method, url + query, headers=headers, redirect=False, **settings
            )
        except (HTTPError, OSError) as error:
            raise ServerAway(_describe(error)) from error
        try:
            _check(response)
            yield response
        finally:
            # an answer that was not read to its end would keep the connection busy
            response.close() if response.length_remaining else response.release_conn()


def _check(response: BaseHTTPResponse) -> None:
    if response.status in (200, 206):
        return
    text = response.read(_ANSWER_BYTES) if not response.closed else b""
    said = text.decode(errors="replace").strip()[:300]
    told = f"status {response.status}: {said}"
    if response.status == _GONE:
        raise ClaimOver(told)
    if response.status in (408, 429) or response.status >= 500:
        raise ServerAway(told)
    raise ServerRefusal(told)


def _read_object(response: BaseHTTPResponse) -> dict[str, Any]:
    text = response.data
    if text.startswith(b"Error: "):  # the API's form of a failure
        raise ServerAway(text.decode(errors="replace")[:300])
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ServerAway("the answer is not JSON") from error
    if not isinstance(found, dict):
        raise ServerAway("the answer is not an object")
    return found


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(_PIECE_BYTES, decode_content=False)
    except (HTTPError, OSError) as error:
        raise ServerAway(_describe(error)) from error


def _describe(error: Exception) -> str:
    """The innermost cause, without the addresses of objects that urllib3 names."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    said = str(cause.args[0]) if cause.args and len(cause.args) > 1 else str(cause)
    return said.rpartition(">: ")[2] or type(cause).__name__
