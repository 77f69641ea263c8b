"""Checks of the way to a server, in its order: name, port or proxy, TLS, clock.

Where one step fails, those that need it are left out: the first is the one to mend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cirrus_bridge.admin.doctor.finding import Finding, error, failed, good, warning
from cirrus_bridge.errors import NotTrusted, Unreachable
from cirrus_bridge.network_probe import (
    Distrust,
    Endpoint,
    Handshake,
    addresses,
    connect,
    handshake,
    server_time,
)

DNS, TCP, PROXY, TLS, CLOCK = "DNS", "TCP", "proxy", "TLS", "clock"
SOON = timedelta(days=21)
MOST_SKEW = timedelta(
    minutes=2
)  # less is of no harm to certificates, and to times that people read
_ADVICE = {
    Distrust.EXPIRED: "Have the server's certificate renewed; the server's administrator can.",
    Distrust.NOT_YET_VALID: "Look at this machine's clock (timedatectl), then at the certificate.",
    Distrust.OTHER_NAME: "Name the server in servers.d and in the queues' URIs as its certificate "
    "does, or have a certificate made for this name.",
    Distrust.UNKNOWN_CA: "Put the file of the CA that has signed it into servers.d as ca_file, or "
    "add it to this machine's CAs (update-ca-certificates).",
    Distrust.NO_TLS: "Correct the port. For a server on this machine without TLS: encryption = "
    '"never" in its entry in servers.d.',
    Distrust.OTHER: "Look at what the server, or a proxy in front of it, offers: openssl s_client "
    "-connect HOST:PORT",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How a server, `name`d as in servers.d, is reached; `cas` are those that are trusted."""

    name: str
    endpoint: Endpoint
    https: bool
    cas: str | bool
    timeout_s: float


def check_way(way: Way, now: Callable[[], datetime]) -> Iterator[Finding]:
    """All steps, up to the first that fails."""
    host, port = way.endpoint.first
    first = DNS if way.endpoint.proxy is None else PROXY
    try:
        found = addresses(host, port)
    except Unreachable as trouble:
        yield _no_name(way, first, host, trouble)
        return
    try:
        connect(host, port, timeout_s=way.timeout_s)
    except Unreachable as trouble:
        yield _no_port(way, host, port, trouble)
        return
    if found != [host]:
        yield good(first, way.name, f"{host} is {', '.join(found[:3])}.")
    yield good(TCP, way.name, f"{host}, port {port}, takes connections.")
    skew = _skew(way, now)
    if way.https:
        try:
            made = handshake(way.endpoint, way.cas, timeout_s=way.timeout_s)
        except Unreachable as trouble:
            yield _no_tunnel(way, trouble)
            return
        yield from check_handshake(way.name, made, now(), skew)
    yield from check_skew(way.name, skew)


def check_handshake(
    about: str, made: Handshake, now: datetime, skew: timedelta | None
) -> Iterator[Finding]:
    """The certificate is trusted, and will be for a while."""
    if made.distrust is not None:
        fix = _ADVICE[made.distrust]
        is_dated = made.distrust in (Distrust.EXPIRED, Distrust.NOT_YET_VALID)
        if is_dated and skew is not None and abs(skew) > MOST_SKEW:
            fix = f"Set this machine's clock first (timedatectl): see below. Then: {fix}"
        if made.distrust is Distrust.NO_TLS:
            yield error(TLS, about, "This port does not speak TLS.", fix, "CB-411")
        else:
            yield error(TLS, about, f"There is no trusted connection: {made.words}.", fix,
                        NotTrusted.code)  # fmt: skip
    elif made.expires is not None and made.expires - now < SOON:
        days = max((made.expires - now).days, 0)
        yield warning(
            TLS, about, f"The certificate expires in {days} days ({made.expires:%Y-%m-%d}).",
            _ADVICE[Distrust.EXPIRED], NotTrusted.code,
        )  # fmt: skip
    else:
        until = f", until {made.expires:%Y-%m-%d}" if made.expires else ""
        yield good(TLS, about, f"The certificate is trusted{until}.")


def check_skew(about: str, skew: timedelta | None) -> Iterator[Finding]:
    """This machine's clock is the server's."""
    if skew is None:
        return
    seconds = abs(skew).total_seconds()
    if abs(skew) > MOST_SKEW:
        way = "ahead of" if skew > timedelta() else "behind"
        yield warning(
            CLOCK, about, f"This machine's clock is {_span(seconds)} {way} the server's.",
            "Have it set by the network: timedatectl set-ntp true. If it is right, tell the "
            "server's administrator.",
        )  # fmt: skip
    else:
        yield good(CLOCK, about, "It is the server's, within two minutes.")


def _skew(way: Way, now: Callable[[], datetime]) -> timedelta | None:
    """By how much this machine's clock is ahead; None if nobody says."""
    if way.endpoint.proxy is not None and not way.https:
        return None  # only `api` asks a proxy for a plain page
    try:
        theirs = server_time(way.endpoint, https=way.https, timeout_s=way.timeout_s)
    except Unreachable:
        return None
    return None if theirs is None else now().astimezone(UTC) - theirs


def _no_name(way: Way, check: str, host: str, trouble: Unreachable) -> Finding:
    where = "the host" if check == DNS else "proxy"
    return error(
        check, way.name, f"The name {host} can not be looked up: {trouble}.",
        f"Correct {where} in servers.d; if it is right, look at this machine's DNS: "
        f"getent hosts {host}", trouble.code,
    )  # fmt: skip


def _no_port(way: Way, host: str, port: int, trouble: Unreachable) -> Finding:
    is_proxy = way.endpoint.proxy is not None
    what = "the proxy" if is_proxy else "the server"
    fix = (
        f"See that {what} runs, and that the port in servers.d is right."
        if "refused" in str(trouble)
        else f"Look for a firewall, or a missing route, between this machine and {what}."
    )
    return error(
        PROXY if is_proxy else TCP, way.name,
        f"There is no connection to {host}, port {port}: {trouble}.", fix, trouble.code,
    )  # fmt: skip


def _no_tunnel(way: Way, trouble: Unreachable) -> Finding:
    if way.endpoint.proxy is None:
        return failed(TLS, way.name, trouble, _ADVICE[Distrust.OTHER])
    host, port = way.endpoint.first
    return error(
        PROXY, way.name, f"The proxy {host}:{port} makes no connection to the server: {trouble}.",
        "Have the proxy let this machine through to the server (method CONNECT), or correct proxy "
        "in servers.d; it may need a user and password there.", trouble.code,
    )  # fmt: skip


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
