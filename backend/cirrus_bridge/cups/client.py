"""IPP requests to the local cupsd, over its unix socket or a port.

All errors are translated into the tree of `errors`. Each request opens its own connection, so a
restart of cupsd needs no special treatment.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from cirrus_bridge.base.errors import CupsAway, CupsGone, CupsNotPossible, CupsRefused
from cirrus_bridge.base.privileges import user_name
from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.message import (
    Attribute,
    Attributes,
    Group,
    MalformedMessage,
    Message,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import Name, Uri

_FIRST_FAILURE = 0x0400  # RFC 8011, B.1


class CupsServer:
    """The requests to one cupsd. `address` is as in CUPS_SERVER: a socket's path, or HOST:PORT.
    `timeout_s` is for connecting and for each read."""

    def __init__(self, address: str, *, timeout_s: float = 10.0) -> None:
        self._address = address
        self._timeout_s = timeout_s

    @property
    def _user(self) -> str:
        """The account of this process; the backend gives up root between two requests."""
        return user_name(os.geteuid())

    def request(
        self,
        operation: int,
        path: str,
        *about: Attribute,
        group: Group = Group.JOB,
        changes: Sequence[Attribute] = (),
        data: bytes = b"",
        language: str = "en",
    ) -> Message:
        """Send a request.

        Args:
            path: the resource to which cupsd.conf's <Location> applies, such as "/admin/".
            about: operation attributes without the user's name, the target first.
            group: the group of `changes`, the attributes to set.
            data: a document or a driver.
            language: the user's language (RFC 5646), which a new job keeps.

        Raises:
            CupsAway: cupsd does not answer or cannot answer now; the request may be repeated.
            CupsGone: there is no such job, queue or driver.
            CupsNotPossible: the state of the job or queue does not allow the request.
            CupsRefused: cupsd refuses the request.
        """
        user = Attribute("requesting-user-name", [Name(self._user)])
        # RFC 8011, 4.1.5: the target follows charset and language
        groups = [(Group.OPERATION, [*about[:1], user, *about[1:]])]
        if changes:
            groups.append((group, [*changes]))
        response = self._ask(path, encode(operation, groups, language=language) + data)
        if response.code < _FIRST_FAILURE:
            return response
        raise _refusal(response)

    def software(self) -> str:
        """The program that answers, as HTTP responses name it, such as "CUPS/2.4 IPP/2.1"; empty
        if cupsd hides it (ServerTokens in cupsd.conf(5)). Raises CupsAway."""
        answer, _ = self._exchange("HEAD", "/", b"", {})
        return answer.headers.get("Server", "")

    def _ask(self, path: str, body: bytes) -> Message:
        headers = {"Content-Type": "application/ipp"}
        if self._address.startswith("/"):
            # cupsd compares the name with the peer's user id from the kernel
            headers["Authorization"] = f"PeerCred {self._user}"
        answer, data = self._exchange("POST", path, body, headers)
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
            raise CupsAway(tr("CUPS cannot answer now."), detail=detail)
        try:
            return decode(data)
        except MalformedMessage as error:
            text = tr("CUPS sent an incomplete response.")
            raise CupsAway(text, detail=f"{detail}: {error}") from error

    def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection: http.client.HTTPConnection
        if self._address.startswith("/"):
            connection = _UnixConnection(self._address, self._timeout_s)
        else:
            connection = http.client.HTTPConnection(self._address, timeout=self._timeout_s)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or repr(error)
            detail = f"{self._address}: {why}"
            raise CupsAway(tr("CUPS does not answer."), detail=detail) from error
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _refusal(response: Message) -> CupsAway | CupsRefused:
    number = f"0x{response.code:04x}"
    said = response.status_message or tr("status {number}", number=number)
    detail = f"IPP status {number}"
    match response.code:  # RFC 8011, B.1
        case 0x0502 | 0x0505 | 0x0506 | 0x0507:  # service, temporary, not accepting, busy
            return CupsAway(tr("CUPS cannot do this now: {said}", said=said), detail=detail)
        case 0x0406 | 0x0407:  # not found, gone
            text = tr("CUPS has no such job, queue or driver: {said}", said=said)
            return CupsGone(text, detail=detail)
        case 0x0404:  # not possible
            return CupsNotPossible(tr("CUPS cannot do this: {said}", said=said), detail=detail)
        case _:
            return CupsRefused(tr("CUPS refused the request: {said}", said=said), detail=detail)


def only(response: Message, group: Group) -> Attributes:
    """The attributes of the single job or printer in an answer. Raises CupsAway if the answer has
    none or several."""
    found = response.all(group)
    if len(found) != 1:
        text = tr("CUPS sent an incomplete response.")
        raise CupsAway(text, detail=f"{len(found)} groups, not one")
    return found[0]


def uri(name: str, path: str) -> Attribute:
    return Attribute(name, [Uri(f"ipp://localhost{path}")])


def printer_uri(queue: str, name: str = "printer-uri") -> Attribute:
    """Make an attribute with the URI of a queue."""
    return uri(name, f"/printers/{quote(queue, safe='')}")
