"""Checks of the connection to a server, in order: name, port or proxy, TLS, clock.

After a failed step, the steps that need it are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cirrus_bridge.api.connectivity import (
    Endpoint,
    Handshake,
    addresses,
    connect,
    handshake,
    server_time,
)
from cirrus_bridge.api.session import trusted_cas
from cirrus_bridge.base.distrust import ADVICE, PASSING, Distrust
from cirrus_bridge.base.errors import NotTrusted, ServerMisconfigured, Unreachable
from cirrus_bridge.base.translation import marked, tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, error, failed, good, warning
from cirrus_bridge.config.queue_uri import parse_server
from cirrus_bridge.config.servers import Server

DNS, TCP, PROXY, TLS, CLOCK = "DNS", "TCP", tr("proxy"), "TLS", tr("clock")
SOON = timedelta(days=21)
_SPANS = (
    (86_400, marked("{count} days")),
    (3600, marked("{count} hours")),
    (60, marked("{count} minutes")),
)
MOST_SKEW = timedelta(minutes=2)  # smaller differences harm neither certificates nor people


@dataclass(frozen=True, slots=True)
class Route:
    """The route to a server.

    Attributes:
        name: the server's name in servers.d.
        cas: the trusted CAs, in the form of `trusted_cas`.
    """

    name: str
    endpoint: Endpoint
    https: bool
    cas: str | bool
    timeout_s: float


def route_to(server: Server, *, https: bool, timeout_s: float) -> Route:
    """The route to a server of the configuration."""
    host, port = parse_server(server.name)
    endpoint = Endpoint(host.strip("[]"), port or (443 if https else 80), server.proxy)
    return Route(server.name, endpoint, https, trusted_cas(server), timeout_s)


def check_route(route: Route, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Check all steps up to the first that fails."""
    host, port = route.endpoint.first
    first = DNS if route.endpoint.proxy is None else PROXY
    try:
        found = addresses(host, port)
    except Unreachable as trouble:
        yield _no_name(route, first, host, trouble)
        return
    try:
        connect(host, port, timeout_s=route.timeout_s)
    except Unreachable as trouble:
        yield _no_port(route, host, port, trouble)
        return
    if found != [host]:
        yield good(
            first,
            route.name,
            tr("{host} resolves to {found}.", host=host, found=", ".join(found[:3])),
        )
    yield good(
        TCP, route.name, tr("{host}, port {port}, accepts connections.", host=host, port=port)
    )
    skew = _skew(route, now)
    if route.https:
        try:
            made = handshake(route.endpoint, route.cas, timeout_s=route.timeout_s)
        except (ServerMisconfigured, Unreachable) as trouble:
            yield _no_tunnel(route, trouble)
            return
        yield from check_handshake(route.name, made, now(), skew)
    yield from check_skew(route.name, skew)


def check_handshake(
    about: str, made: Handshake, now: datetime, skew: timedelta | None
) -> Iterator[Finding]:
    """Check that the certificate is trusted, and will not expire soon."""
    if made.distrust is not None:
        fix: str = ADVICE[made.distrust]
        is_dated = made.distrust in PASSING
        if is_dated and skew is not None and abs(skew) > MOST_SKEW:
            fix = tr(
                "First set this machine's clock (timedatectl; see below). Then: {fix}", fix=fix
            )
        if made.distrust is Distrust.NO_TLS:
            text = tr("This port does not speak TLS.")
            yield error(TLS, about, text, fix, ServerMisconfigured.code)
        else:
            yield error(
                TLS,
                about,
                tr("Cannot make a trusted connection ({words}).", words=made.words),
                fix,
                NotTrusted.code if is_dated else ServerMisconfigured.code,
            )
    elif made.expires is not None and made.expires - now < SOON:
        days = max((made.expires - now).days, 0)
        yield warning(
            TLS,
            about,
            tr(
                "The certificate expires in {days} days ({expires}).",
                days=days,
                expires=format(made.expires, "%Y-%m-%d"),
            ),
            ADVICE[Distrust.EXPIRED],
            NotTrusted.code,
        )
    else:
        text = tr("The certificate is trusted.")
        if made.expires:
            day = f"{made.expires:%Y-%m-%d}"
            text = tr("The certificate is trusted, until {day}.", day=day)
        yield good(TLS, about, text)


def check_skew(about: str, skew: timedelta | None) -> Iterator[Finding]:
    """Check that this machine's clock agrees with the server's."""
    if skew is None:
        return
    seconds = abs(skew).total_seconds()
    if abs(skew) > MOST_SKEW:
        span = _span(seconds)
        text = tr("This machine's clock is {span} behind the server's.", span=span)
        if skew > timedelta():
            text = tr("This machine's clock is {span} ahead of the server's.", span=span)
        yield warning(
            CLOCK,
            about,
            text,
            tr(
                "Let the network set this clock: timedatectl set-ntp true. If it is right, "
                "tell the server's administrator."
            ),
        )
    else:
        yield good(
            CLOCK, about, tr("This machine's clock agrees with the server's within two minutes.")
        )


def _skew(route: Route, now: Callable[[], datetime]) -> timedelta | None:
    """The time by which this machine's clock is ahead; None if unknown."""
    if route.endpoint.proxy is not None and not route.https:
        return None  # this check does not send plain HTTP through proxies
    try:
        theirs = server_time(route.endpoint, https=route.https, timeout_s=route.timeout_s)
    except Unreachable:
        return None
    return None if theirs is None else now().astimezone(UTC) - theirs


def _no_name(route: Route, check: str, host: str, trouble: Unreachable) -> Finding:
    return error(
        check,
        route.name,
        tr("Cannot look up the name {host} ({trouble}).", host=host, trouble=trouble),
        tr(
            "Correct the host in servers.d. If it is right, check this machine's DNS: getent "
            "hosts {host}",
            host=host,
        )
        if check == DNS
        else tr(
            "Correct proxy in servers.d. If it is right, check this machine's DNS: getent "
            "hosts {host}",
            host=host,
        ),
        trouble.code,
    )


def _no_port(route: Route, host: str, port: int, trouble: Unreachable) -> Finding:
    is_proxy = route.endpoint.proxy is not None
    what = tr("the proxy") if is_proxy else tr("the server")
    fix = tr("Look for a firewall or a missing route between this machine and {what}.", what=what)
    if "refused" in str(trouble):
        fix = tr("Check that {what} runs and that the port in servers.d is right.", what=what)
    return error(
        PROXY if is_proxy else TCP,
        route.name,
        tr(
            "Cannot connect to {host}, port {port} ({trouble}).",
            host=host,
            port=port,
            trouble=trouble,
        ),
        fix,
        trouble.code,
    )


def _no_tunnel(route: Route, trouble: ServerMisconfigured | Unreachable) -> Finding:
    if route.endpoint.proxy is None:
        return failed(TLS, route.name, trouble, ADVICE[Distrust.OTHER_CERTIFICATE])
    host, port = route.endpoint.first
    return error(
        PROXY,
        route.name,
        tr(
            "The proxy {host}:{port} does not connect to the server ({trouble}).",
            host=host,
            port=port,
            trouble=trouble,
        ),
        tr(
            "Configure the proxy to let this machine connect to the server (method CONNECT), "
            "or correct proxy in servers.d, which may need a user and password."
        ),
        trouble.code,
    )


def _span(seconds: float) -> str:
    for size, TEMPLATE in _SPANS:  # noqa: N806 - a constant of the catalogs
        if seconds >= 2 * size:
            return tr(TEMPLATE, count=format(seconds / size, ".0f"))
    return tr("{count} seconds", count=format(seconds, ".0f"))
