"""Requests of clients: checked as RFC 8011, 4.1 asks, and refused with IPP's statuses. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.drivers.offered_printers import PATH
from cirrus_bridge.ipp.message import (
    Attribute,
    Attributes,
    Group,
    MalformedMessage,
    Message,
    Operation,
    Status,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import Charset, Language, OutOfBand, Text, Uri, Value

_VERSIONS = (1, 2)
_LANGUAGE = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_LANGUAGE_BYTES = 63  # naturalLanguage (RFC 8011, 5.1.9)
_CHARSETS = ("utf-8", "us-ascii")
_FIRST = (("attributes-charset", Charset), ("attributes-natural-language", Language))
_LARGEST_ID = (1 << 31) - 1
_MESSAGE_BYTES = 255  # status-message (RFC 8011, 4.1.6.2)
Groups = Sequence[tuple[Group, Sequence[Attribute]]]


class Refusal(Exception):
    """A request that is refused. A message for people is made by `tr`; a message for the makers of
    a client is in English. `unsupported` are attributes for the response."""

    def __init__(self, status: Status, message: str, unsupported: Sequence[Attribute] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.unsupported = status, message, unsupported


@dataclass(frozen=True, slots=True)
class Client:
    """The sender of a request.

    Attributes:
        address: of the client, as a text.
        user: the name with which the client has signed in, or empty.
        host: the service's name or address, by which the client reached it.
        port: the service's port.
        is_tls: whether the connection is encrypted.
        is_local: whether the client is on this machine.
    """

    address: str
    user: str = ""
    host: str = "localhost"
    port: int = 631
    is_tls: bool = False
    is_local: bool = False

    @property
    def base_uri(self) -> str:
        """The service's URI as the client reached it, without a path."""
        return f"{'ipps' if self.is_tls else 'ipp'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose form is valid.

    Attributes:
        printer: the printer's name by printer-uri or job-uri; empty for the only printer.
        job_id: the job's id by job-uri or job-id; 0 if the request names no job.
        language: of the client, such as "de-at".
        user: the verified name, or else requesting-user-name, or else "anonymous".
    """

    operation: Operation
    attributes: Attributes
    job: Attributes
    printer: str
    job_id: int
    language: str
    user: str
    client: Client
    version: tuple[int, int]
    request_id: int


@dataclass(frozen=True, slots=True)
class Response:
    """A response, without what it shares with its request."""

    status: Status = Status.OK
    message: str = ""
    groups: Groups = ()
    unsupported: Sequence[Attribute] = field(default=())


def read_request(head: bytes, client: Client) -> Request:
    """Read the attributes of a request. Raises Refusal if the request is not valid."""
    message = _decoded(head)
    if message.version[0] not in _VERSIONS:
        raise Refusal(
            Status.VERSION_NOT_SUPPORTED,
            f"This printer does not support IPP/{_text(message.version)}.",
        )
    _check_form(message)
    attributes = message.groups[0][1]
    charset = attributes.text("attributes-charset").lower()
    if charset not in _CHARSETS:
        raise Refusal(
            Status.CHARSET_NOT_SUPPORTED,
            "This printer supports the charset utf-8 only.",
        )
    operation = _operation(message.code)
    printer, job_id = _target(attributes)
    if printer is None and operation not in _WITHOUT_PRINTER:
        raise _bad("The request names no printer (printer-uri or job-uri).")
    name = client.user or attributes.text("requesting-user-name") or "anonymous"
    return Request(
        operation=operation,
        attributes=attributes,
        job=next(iter(message.all(Group.JOB)), Attributes()),
        printer=printer or "",
        job_id=job_id,
        language=_language(attributes),
        user=fitting(name, _MESSAGE_BYTES),
        client=client,
        version=message.version,
        request_id=message.request_id,
    )


_ONLY = ("", "/ipp", PATH.rstrip("/"))  # paths of a service's only printer (PWG 5100.14, 4.2)
_WITHOUT_PRINTER = frozenset({Operation.CUPS_GET_DEFAULT, Operation.CUPS_GET_PRINTERS})


def response_bytes(head: bytes, response: Response) -> bytes:
    """Encode the response to a request, of which `head` has at least the first bytes.

    The response has the version and the request id of its request (RFC 8011, 4.1.8), and the text
    is in the language of the request if there is a catalog.
    """
    version, request_id, language = _shared(head)
    said = fitting(translated(response.message, language), _MESSAGE_BYTES)
    first = [Attribute("status-message", [Text(said)])] if said else []
    unsupported = [(Group.UNSUPPORTED, response.unsupported)] if response.unsupported else []
    return encode(
        response.status,
        [(Group.OPERATION, first), *unsupported, *response.groups],
        language=language or "en",
        version=version,
        request_id=request_id,
    )


def refused(error: Refusal) -> Response:
    """The response for a refusal."""
    return Response(error.status, error.message, unsupported=error.unsupported)


def unsupported(name: str, values: Sequence[Value] = ()) -> Attribute:
    """An attribute for the group of unsupported attributes: its values, or none if the attribute
    itself is unknown (RFC 8011, 4.1.7)."""
    return Attribute(name, list(values) or [OutOfBand.UNSUPPORTED])


def _decoded(head: bytes) -> Message:
    try:
        return decode(head)
    except (MalformedMessage, ValueError, RecursionError) as error:
        raise _bad("The request is not a valid IPP message.") from error


def _check_form(message: Message) -> None:
    """Check what every request must have (RFC 8011, 4.1.2 and 4.1.4)."""
    if not 0 < message.request_id <= _LARGEST_ID:
        raise _bad("The request id is not a positive number.")
    if not message.groups or message.groups[0][0] != Group.OPERATION:
        raise _bad("The request does not begin with operation attributes.")
    if sum(tag == Group.OPERATION for tag, _ in message.groups) > 1:
        raise _bad("The request has operation attributes twice.")
    attributes = message.groups[0][1]
    names = list(attributes)[: len(_FIRST)]
    for (name, kind), found in zip(_FIRST, [*names, "", ""], strict=False):
        values = attributes.get(name, ())
        if found != name or len(values) != 1 or not isinstance(values[0], kind):
            raise _bad(f"The request does not begin with {name}.")


def _operation(code: int) -> Operation:
    try:
        return Operation(code)
    except ValueError:
        raise Refusal(
            Status.OPERATION_NOT_SUPPORTED,
            f"This printer does not support the operation 0x{code:04x}.",
        ) from None


def _target(attributes: Attributes) -> tuple[str | None, int]:
    """The printer's name and the job's id that a request names; None and 0 if it names none."""
    number = attributes.number("job-id") or 0
    for name in ("job-uri", "printer-uri"):
        values = attributes.get(name, ())
        if not values:
            continue
        if len(values) != 1 or not isinstance(values[0], Uri):
            raise _bad(f"{name} is not a URI.")
        try:
            path = urlsplit(str(values[0])).path
        except ValueError:
            raise _bad(f"{name} is not a URI.") from None
        if name == "printer-uri":
            return ("" if path.rstrip("/") in _ONLY else path.removeprefix(PATH)), number
        parts = path.removeprefix(PATH).split("/")
        if len(parts) != 2 or not (parts[1].isascii() and parts[1].isdigit()):
            raise Refusal(Status.NOT_FOUND, tr("There is no such job."))
        return parts[0], int(parts[1][:10])
    return None, number


def _shared(head: bytes) -> tuple[tuple[int, int], int, str]:
    """The version and the request id of a request, and its language; or what stands for them."""
    if len(head) < 8:
        return (2, 0), 1, ""
    major, minor = head[0], head[1]
    version = (major, minor) if major in _VERSIONS else (2, 0)
    request_id = int.from_bytes(head[4:8])
    try:
        groups = decode(head).groups
    except (MalformedMessage, ValueError, RecursionError):
        return version, request_id, ""
    return version, request_id, _language(groups[0][1]) if groups else ""


def _language(attributes: Attributes) -> str:
    """The client's language in lower case; empty for what is no language (RFC 5646)."""
    text = attributes.text("attributes-natural-language").lower()
    is_language = len(text) <= _LANGUAGE_BYTES and _LANGUAGE.fullmatch(text)
    return text if is_language else ""


def _bad(message: str) -> Refusal:
    return Refusal(Status.BAD_REQUEST, message)


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
