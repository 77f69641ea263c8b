"""Requests to the local cupsd by IPP, over its unix socket or a port; its errors become ours here.

Each request has a connection of its own, so that a cupsd that was restarted is no special case.
"""

from __future__ import annotations

import http.client
import os
import pwd
import socket
from collections.abc import Sequence
from urllib.parse import quote

from cirrus_bridge.base.errors import CupsAway, CupsGone, CupsNotPossible, CupsRefused
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cups.ipp import (
    Attribute,
    Attributes,
    Group,
    Malformed,
    Response,
    Tag,
    decode,
    encode,
)

TIMEOUT_S = 10.0
_FIRST_FAILURE = 0x0400  # RFC 8011, B.1
_NOT_POSSIBLE = 0x0404
_NOT_FOUND = (0x0406, 0x0407)  # not there, or not any more
_UNAVAILABLE = (0x0502, 0x0505, 0x0506, 0x0507)  # service, temporary, not accepting, busy


class CupsServer:
    """A cupsd.

    Args:
        address: as in CUPS_SERVER: the path of a socket, or HOST:PORT.
        timeout_s: for connecting, and for each wait for more of an answer.
    """

    def __init__(self, address: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._user = _user_name()

    def request(
        self,
        operation: int,
        path: str,
        about: Sequence[Attribute] = (),
        *,
        group: Group = Group.JOB,
        changes: Sequence[Attribute] = (),
        data: bytes = b"",
        language: str = "en",
    ) -> Response:
        """Make one request.

        Args:
            path: the resource that CUPS's policies go by, such as "/admin/".
            about: operation attributes; who asks is added.
            group, changes: what is to be set, if anything.
            data: a file that goes with the request: a document, or a driver.
            language: of who asks (RFC 5646); a job keeps it.

        Raises:
            CupsAway: no answer, or cupsd can not answer now; the same request can be made again.
            CupsGone: the job or printer is not there.
            CupsNotPossible: its state does not allow that.
            CupsRefused: cupsd says no.
        """
        user = Attribute(Tag.NAME, "requesting-user-name", [self._user])
        # RFC 8011, 4.1.5: the target is the first after charset and language
        groups = [(Group.OPERATION, [*about[:1], user, *about[1:]])]
        if changes:
            groups.append((group, [*changes]))
        response = self._exchange(path, encode(operation, groups, language=language) + data)
        if response.status < _FIRST_FAILURE:
            return response
        raise _refusal(response)

    def _exchange(self, path: str, body: bytes) -> Response:
        headers = {"Content-Type": "application/ipp"}
        connection: http.client.HTTPConnection
        if self._address.startswith("/"):
            connection = _UnixConnection(self._address, self._timeout_s)
            # cupsd asks the kernel whether it is true
            headers["Authorization"] = f"PeerCred {self._user}"
        else:
            connection = http.client.HTTPConnection(self._address, timeout=self._timeout_s)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or repr(error)
            detail = f"{self._address}: {why}"
            raise CupsAway(tr("CUPS does not answer."), detail=detail) from error
        finally:
            connection.close()
        detail = f"{self._address}: HTTP status {answer.status} for {path}"
        if answer.status in (401, 403):
            raise CupsRefused(
                tr("CUPS does not let user {user} do this.", user=self._user),
                tr(
                    "Run this as root, or as a member of a group that SystemGroup in "
                    "cups-files.conf names."
                ),
                detail=detail,
            )
        if answer.status != 200:
            raise CupsAway(tr("CUPS can not answer now."), detail=detail)
        try:
            return decode(data)
        except Malformed as error:
            text = tr("CUPS gave half an answer.")
            raise CupsAway(text, detail=f"{detail}: {error}") from error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _refusal(response: Response) -> CupsAway | CupsRefused:
    status = response.status
    number = f"0x{status:04x}"
    said = response.message or tr("status {number}", number=number)
    detail = f"IPP status {number}"
    if status in _UNAVAILABLE:
        return CupsAway(tr("CUPS can not do this now: {said}", said=said), detail=detail)
    if status in _NOT_FOUND:
        return CupsGone(tr("CUPS knows it no more: {said}", said=said), detail=detail)
    if status == _NOT_POSSIBLE:
        return CupsNotPossible(tr("CUPS can not do this: {said}", said=said), detail=detail)
    return CupsRefused(tr("CUPS refuses: {said}", said=said), detail=detail)


def only(response: Response, group: Group) -> Attributes:
    """The attributes of the one job or printer that an answer is about.

    Raises:
        CupsAway: it is about none, or several.
    """
    found = response.all(group)
    if len(found) != 1:
        raise CupsAway(tr("CUPS gave half an answer."), detail=f"{len(found)} groups, not one")
    return found[0]


def uri(name: str, path: str) -> Attribute:
    """An attribute that says what a request is about: one of cupsd's own places."""
    return Attribute(Tag.URI, name, [f"ipp://localhost{path}"])


def printer_uri(queue: str) -> Attribute:
    """The attribute that says that a request is about a queue."""
    return uri("printer-uri", f"/printers/{quote(queue, safe='')}")


def _user_name() -> str:
    """Who asks cupsd: the account of this process, or its number if the account was deleted.

    A purge of the package deletes the account, and a job that is under way goes on.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
