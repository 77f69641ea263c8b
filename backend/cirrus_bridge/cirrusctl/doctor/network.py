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
from cirrus_bridge.api.trusted_cas import trusted_cas
from cirrus_bridge.base.distrust import PASSING, Distrust
from cirrus_bridge.base.errors import NotTrusted, ServerMisconfigured, Unreachable
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.config.queue_uri import parse_server
from cirrus_bridge.config.servers import Server

DNS, TCP, PROXY, TLS = "DNS", "TCP", tr("proxy"), "TLS"
CONNECT_S = 5.0
SOON = timedelta(days=21)
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

    def subject(self, check: str) -> Subject:
        """The subject of a step that fails at the proxy, if there is one."""
        return Subject(check if self.endpoint.proxy is None else PROXY, self.name)


def route_to(server: Server, *, https: bool) -> Route:
    """The route to a server of the configuration."""
    host, port = parse_server(server.name)
    endpoint = Endpoint(host.strip("[]"), port or (443 if https else 80), server.proxy)
    return Route(server.name, endpoint, https, trusted_cas(server), CONNECT_S)


def check_route(route: Route, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Check all steps up to the first that fails."""
    host, port = route.endpoint.first
    try:
        found = addresses(host, port)
    except Unreachable as trouble:
        yield _no_name(route, host, trouble)
        return
    try:
        connect(host, port, timeout_s=route.timeout_s)
    except Unreachable as trouble:
        yield _no_port(route, host, port, trouble)
        return
    if found != [host]:
        listed = ", ".join(found[:3])
        yield route.subject(DNS).good(tr("{host} resolves to {found}.", host=host, found=listed))
    yield Subject(TCP, route.name).good(
        tr("{host}, port {port}, accepts connections.", host=host, port=port)
    )
    skew = _skew(route, now)
    if route.https:
        try:
            made = handshake(route.endpoint, route.cas, timeout_s=route.timeout_s)
        except (ServerMisconfigured, Unreachable) as trouble:
            yield _no_tunnel(route, trouble)
            return
        yield from _check_handshake(Subject(TLS, route.name), made, now(), skew)
    if skew is not None:
        yield _check_skew(Subject(tr("clock"), route.name), skew)


def _no_name(route: Route, host: str, trouble: Unreachable) -> Finding:
    fix = tr(
        "Correct the host in servers.d. If it is right, check this machine's DNS: getent "
        "hosts {host}",
        host=host,
    )
    if route.endpoint.proxy is not None:
        fix = tr(
            "Correct proxy in servers.d. If it is right, check this machine's DNS: getent "
            "hosts {host}",
            host=host,
        )
    text = tr("Cannot look up the name {host} ({trouble}).", host=host, trouble=trouble)
    return route.subject(DNS).error(text, fix, trouble.code)


def _no_port(route: Route, host: str, port: int, trouble: Unreachable) -> Finding:
    what = tr("the server") if route.endpoint.proxy is None else tr("the proxy")
    fix = tr("Look for a firewall or a missing route between this machine and {what}.", what=what)
    if "refused" in str(trouble):
        fix = tr("Check that {what} runs and that the port in servers.d is right.", what=what)
    text = tr(
        "Cannot connect to {host}, port {port} ({trouble}).", host=host, port=port, trouble=trouble
    )
    return route.subject(TCP).error(text, fix, trouble.code)


def _no_tunnel(route: Route, trouble: ServerMisconfigured | Unreachable) -> Finding:
    if route.endpoint.proxy is None:
        return route.subject(TLS).failed(trouble, Distrust.OTHER_CERTIFICATE.value)
    host, port = route.endpoint.first
    text = tr(
        "The proxy {host}:{port} does not connect to the server ({trouble}).",
        host=host,
        port=port,
        trouble=trouble,
    )
    fix = tr(
        "Configure the proxy to let this machine connect to the server (method CONNECT), or "
        "correct proxy in servers.d, which may need a user and password."
    )
    return route.subject(TLS).error(text, fix, trouble.code)


def _check_handshake(
    tls: Subject, made: Handshake, now: datetime, skew: timedelta | None
) -> Iterator[Finding]:
    match made:
        case Handshake(distrust=Distrust.NO_TLS):
            text = tr("This port does not speak TLS.")
            yield tls.error(text, Distrust.NO_TLS.value, ServerMisconfigured.code)
        case Handshake(distrust=Distrust() as distrust):
            fix = distrust.value
            is_dated = distrust in PASSING
            if is_dated and skew is not None and abs(skew) > MOST_SKEW:
                fix = tr(
                    "First set this machine's clock (timedatectl; see below). Then: {fix}", fix=fix
                )
            text = tr("Cannot make a trusted connection ({words}).", words=made.words)
            yield tls.error(text, fix, NotTrusted.code if is_dated else ServerMisconfigured.code)
        case Handshake(expires=datetime() as expires) if expires - now < SOON:
            days, day = max((expires - now).days, 0), f"{expires:%Y-%m-%d}"
            text = tr("The certificate expires in {days} days ({expires}).", days=days, expires=day)
            yield tls.warning(text, Distrust.EXPIRED.value, NotTrusted.code)
        case Handshake(expires=datetime() as expires):
            day = f"{expires:%Y-%m-%d}"
            yield tls.good(tr("The certificate is trusted, until {day}.", day=day))


def _check_skew(clock: Subject, skew: timedelta) -> Finding:
    if abs(skew) <= MOST_SKEW:
        return clock.good(tr("This machine's clock agrees with the server's within two minutes."))
    span = _span(abs(skew) / timedelta(minutes=1))
    text = tr("This machine's clock is {span} behind the server's.", span=span)
    if skew > timedelta():
        text = tr("This machine's clock is {span} ahead of the server's.", span=span)
    fix = tr(
        "Let the network set this clock: timedatectl set-ntp true (for a container, on its host). "
        "If this clock is right, tell the server's administrator."
    )
    return clock.warning(text, fix)


def _span(minutes: float) -> str:
    if minutes >= 2 * 1440:
        return tr("{count} days", count=round(minutes / 1440))
    if minutes >= 2 * 60:
        return tr("{count} hours", count=round(minutes / 60))
    return tr("{count} minutes", count=round(minutes))


def _skew(route: Route, now: Callable[[], datetime]) -> timedelta | None:
    """The time by which this machine's clock is ahead; None if unknown."""
    if route.endpoint.proxy is not None and not route.https:
        return None  # this check does not send plain HTTP through proxies
    try:
        theirs = server_time(route.endpoint, https=route.https, timeout_s=route.timeout_s)
    except Unreachable:
        return None
    return None if theirs is None else now().astimezone(UTC) - theirs
