"""The queue URI: `cirrus://HOST[:PORT]/COMPID/TARGET[;TARGET…][?OPTION=VALUE[&…]]`.

Ids are UTF-8 and percent-encoded (RFC 3986), because `:` and `;` separate the ids of a target list.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from cirrus_bridge.base.errors import BadQueueUri
from cirrus_bridge.base.model import Target
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.queue_options import QueueSettings, override

SCHEME = "cirrus"
FORM = "cirrus://HOST[:PORT]/COMPANY/LOCATION:DEVICE[;LOCATION:DEVICE…][?OPTION=VALUE…]"
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class QueueUri:
    """The parts of a queue URI. `server` is the server's name in servers.d."""

    server: str
    company: str
    targets: tuple[Target, ...]
    settings: QueueSettings

    @property
    def destination(self) -> str:
        """The URI without its options."""
        return format_queue_uri(self.server, self.company, self.targets)


def server_name(host: str, port: int | None) -> str:
    """HOST or HOST:PORT in lower case. Port 443 is the default, so it is left out."""
    return host.lower() if port in (None, 443) else f"{host.lower()}:{port}"


def parse_server(text: str) -> tuple[str, int | None]:
    """'host' or 'host:port' as (host, port); any other text raises ValueError."""
    match = _HOST.fullmatch(text)
    port = match and match["port"]
    if not match or (port and not 0 < int(port) < 65_536) or not _is_host(match["host"]):
        raise ValueError(tr("'{text}' is not a host name, or host name and port", text=text))
    return match["host"], int(port) if port else None


def _is_host(text: str) -> bool:
    """Whether text in brackets is an IPv6 address (RFC 3986, 3.2.2). Libraries fail otherwise."""
    try:
        return not text.startswith("[") or bool(ipaddress.IPv6Address(text[1:-1]))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether data sent to `host` stays on this machine (RFC 6761, 6.3 for localhost)."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_queue_uri(text: str, defaults: QueueSettings | None = None) -> QueueUri:
    """Read a queue URI. Options that the URI does not have come from `defaults`. Raises
    BadQueueUri, which names the wrong part and what is expected there."""
    try:
        return _queue_uri(text, defaults or QueueSettings())
    except ValueError as error:
        raise BadQueueUri(
            tr("Invalid queue URI ({reason}). The form is {form}.", reason=error, form=FORM),
            tr("Correct the URI with lpadmin -v, then cupsenable the queue."),
        ) from None


def _queue_uri(text: str, defaults: QueueSettings) -> QueueUri:
    scheme, colon, rest = text.partition("://")
    if not colon or scheme.lower() != SCHEME:
        raise ValueError(tr("it does not begin with {scheme}://", scheme=SCHEME))
    if "#" in rest:
        raise ValueError(tr("it has a fragment (#); write %23 for a # in a name"))
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    if "@" in authority:
        raise ValueError(
            tr("it contains a user or password, which everyone could see; keys go into servers.d")
        )
    server = server_name(*parse_server(authority))
    company, _, target_list = path.partition("/")
    if not company or not target_list:
        raise ValueError(tr("company or target is missing"))
    if "/" in target_list:
        raise ValueError(tr("there is a / after the targets; write %2F for a / in a name"))
    targets = tuple(map(_target, target_list.split(";")))
    if len(set(targets)) != len(targets):
        raise ValueError(tr("a target is named twice"))
    settings = override(defaults, _options(query))
    return QueueUri(server, _id(company, tr("company")), targets, settings)


def format_queue_uri(server: str, company: str, targets: Sequence[Target]) -> str:
    """The URI of a queue on `server` (HOST[:PORT]); `parse_queue_uri` reads it back."""
    listed = ";".join(f"{_quote(t.location)}:{_quote(t.device)}" for t in targets)
    return f"{SCHEME}://{server}/{_quote(company)}/{listed}"


def company_uri(queue: QueueUri) -> str:
    """The common beginning of all destinations at the queue's server and company."""
    return format_queue_uri(queue.server, queue.company, [])


def leads_to(uri: str, destination: str) -> bool:
    """Whether `uri`, without its options, is the URI of a queue to this destination."""
    try:
        return parse_queue_uri(uri).destination == destination
    except BadQueueUri:
        return False


def followed_uri(queue: QueueUri) -> str:
    """The queue's URI with the options that the poller needs, even if the defaults change."""
    chosen = queue.settings
    options = f"encryption={chosen.encryption}&wait={chosen.wait}&onfailure={chosen.onfailure}"
    return f"{queue.destination}?{options}"


def check_id(text: str) -> None:
    """Raise ValueError for an id that is ambiguous in the API's target lists or paths: one that is
    empty, is a dot segment (RFC 3986, 5.2.4 removes it from a path), or contains `;`, `:` (the
    separators of a target list) or a control character."""
    if not text or text in (".", ".."):
        raise ValueError(tr("must not be empty, '.' or '..'"))
    if any(char in ";:" or not char.isprintable() for char in text):
        raise ValueError(tr("must not contain ':', ';' or control characters"))


def _target(text: str) -> Target:
    location, colon, device = text.partition(":")
    if not colon or ":" in device:
        raise ValueError(
            tr("target '{target}' is not LOCATION:DEVICE; write %3A for a : in a name", target=text)
        )
    return Target(_id(location, tr("location")), _id(device, tr("device")))


def _id(text: str, what: str) -> str:
    decoded = _decode(text, what)
    try:
        check_id(decoded)
    except ValueError as error:
        raise ValueError(
            tr("the {what} id '{id}' {error}", what=what, id=decoded, error=error)
        ) from None
    return decoded


def _decode(text: str, what: str) -> str:
    if _PERCENT.search(text):
        raise ValueError(
            tr("a % in the {what} is not followed by two hexadecimal digits; write %25", what=what)
        )
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        raise ValueError(tr("the {what} is not UTF-8", what=what)) from None


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        name = _decode(name, tr("option"))
        if not equals or name in options:
            raise ValueError(tr("option '{name}' is given twice or without a value", name=name))
        options[name] = _decode(value, tr("option '{name}'", name=name))
    return options


def _quote(text: str) -> str:
    return quote(text, safe="")
