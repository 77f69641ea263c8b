"""Use case: check everything that printing needs, within a time limit.

The facts are collected in three steps: the configuration and CUPS's queues; then the slow checks,
each in a thread; then the checks of the answers. A failed step is a finding and does not stop the
others.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import CirrusError, Unreachable
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor import (
    cloud,
    confinement,
    cups,
    disk,
    following,
    network,
    programs,
    versions,
)
from cirrus_bridge.cirrusctl.doctor.at_once import at_once
from cirrus_bridge.cirrusctl.doctor.finding import Finding, error, note
from cirrus_bridge.cirrusctl.doctor.keys import CheckedConfiguration, read_configuration
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_uri import SCHEME, QueueUri
from cirrus_bridge.config.servers import Server
from cirrus_bridge.cups.cupsd import Cupsd, find_cupsd
from cirrus_bridge.cups.queues import STOPPED

TIMEOUTS = UploadSettings(connect_timeout_s=5.0, read_timeout_s=8.0)
LIMIT_S = 20.0  # more than the sum of the waits for one server
Check = Callable[[], list[Finding]]


@dataclass(slots=True)
class _LocalCups:
    """cupsd and our valid queues; `findings` has the invalid ones."""

    daemon: Cupsd
    refusal: CirrusError | None = None
    version: str = ""
    queues: list[tuple[cloud.QueueFacts, QueueUri]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    cancel_after_s: dict[str, int | None] = field(default_factory=dict)


def examine(installation: Installation) -> list[Finding]:
    """All findings, in a job's order: CUPS, configuration, network, cloud, poller."""
    is_root = os.geteuid() == 0
    read = read_configuration(installation.config, is_root=is_root)
    local = _look_at_cups(installation, read)
    places = _places(read, local)
    apis = {place: _api(read, local, server, place) for place, server in places.items()}
    routes = {route.name: route for route in _routes(read, local)}
    now = installation.clock.now
    checks: dict[str, Check] = {
        "denials": lambda: [
            *confinement.check_denials(
                confinement.read_log(), installation.clock.wall_s(), is_root=is_root
            )
        ],
        "disk": lambda: [*disk.check_disks(_folders(installation, local.daemon))],
        **{
            f"connection to {name}": functools.partial(
                lambda route: [*network.check_route(route, now)], route
            )
            for name, route in routes.items()
        },
    }
    asked: dict[Place, Check | Callable[[], LocationAnswer]] = {
        place: functools.partial(_ask, api, place) for place, api in apis.items()
    }
    # root looks as the journal's owner, and threads cannot have different users
    journal = _result(
        lambda: [*following.check_journal(installation.state, installation.clock.wall_s())]
    )
    results = at_once({**checks, **asked}, LIMIT_S) | {"journal": journal}
    answers = {place: _answer(place, results[place]) for place in places}

    def done(name: str) -> list[Finding]:
        return _done(name, results[name])

    return [
        *_of_cups(installation, local, read, is_root=is_root),
        *done("denials"),
        *read.findings,
        *(finding for name in routes for finding in done(f"connection to {name}")),
        *_of_cloud(read.configuration.servers, answers, local),
        *done("journal"),
        *done("disk"),
    ]


def _look_at_cups(installation: Installation, read: CheckedConfiguration) -> _LocalCups:
    local = _LocalCups(find_cupsd(installation.cups_address))
    configuration = read.configuration
    try:
        queues = cloud_queues(installation)
        local.version = installation.cups.version()
    except CirrusError as trouble:
        local.refusal = trouble
        return local
    if not queues:
        local.findings.append(cloud.no_queue(installation.cups_address))
    local.cancel_after_s = {queue.name: queue.cancel_after_s for queue in queues}
    for queue in queues:
        try:
            uri = configuration.queue(queue.device_uri)
            if configuration.servers:  # without any, that is reported once
                configuration.server_for(uri)
            ppd = installation.cups.ppd(queue.name)
        except CirrusError as trouble:
            local.findings.append(cloud.unusable(queue.name, trouble))
            continue
        facts = cloud.QueueFacts(
            queue.name,
            uri.server,
            uri.targets,
            ppd,
            queue.state == STOPPED,
            queue.accepting,
            queue.message,
        )
        local.queues.append((facts, uri))
    return local


def _of_cups(
    installation: Installation, local: _LocalCups, read: CheckedConfiguration, *, is_root: bool
) -> Iterator[Finding]:
    daemon = local.daemon
    yield from versions.check_versions(local.version)
    yield from cups.check_daemon(installation.cups_address, daemon, local.refusal, is_root=is_root)
    yield from cups.check_snap(Path("/"))
    yield from programs.check_backend(daemon.server_bin / "backend" / SCHEME)
    yield from programs.check_driver(daemon.server_bin / "driver" / SCHEME)
    yield from cups.check_preserving(daemon)
    held = [read.configuration.defaults, *(uri.settings for _, uri in local.queues)]
    yield from cups.check_limits(daemon, [each.max_held for each in held])
    yield from cups.check_job_time(daemon, local.cancel_after_s)


def _of_cloud(
    servers: Sequence[Server], answers: Mapping[Place, LocationAnswer], local: _LocalCups
) -> Iterator[Finding]:
    by_server: dict[str, list[LocationAnswer]] = {each.name: [] for each in servers}
    for place, answer in answers.items():
        by_server[place.server].append(answer)
    for name, here in by_server.items():
        yield from cloud.check_server(name, here)
    for answer in answers.values():
        yield from cloud.check_location(answer)
    yield from local.findings
    for facts, uri in local.queues:
        yield from cloud.check_queue(facts)
        for target in facts.targets:
            place = Place(uri.server, uri.company, target.location)
            if place in answers:
                yield from cloud.check_target(facts, target, answers[place])


def _places(read: CheckedConfiguration, local: _LocalCups) -> dict[Place, Server]:
    """The locations of servers.d and of queues, with the server whose key is used."""
    found: dict[Place, Server] = {}
    for server in read.configuration.servers:
        if server.company is not None:
            for location in server.locations:
                found[Place(server.name, server.company, location)] = server
    if read.configuration.servers:
        for _, uri in local.queues:
            for target in uri.targets:
                place = Place(uri.server, uri.company, target.location)
                found.setdefault(place, read.configuration.server_for(uri))
    return found


def _is_plain(read: CheckedConfiguration, local: _LocalCups, server: Server) -> bool:
    """Whether the server is used without TLS, by default or by a queue's URI."""
    asked = [uri.settings.encryption for _, uri in local.queues if uri.server == server.name]
    return server.may_be_plain and "never" in (asked or [read.configuration.encryption_of(server)])


def _api(read: CheckedConfiguration, local: _LocalCups, server: Server, place: Place) -> CloudApi:
    https = not _is_plain(read, local, server)
    return CloudApi(server, place.company, https=https, timeouts=TIMEOUTS)


def _routes(read: CheckedConfiguration, local: _LocalCups) -> Iterator[network.Route]:
    for server in read.configuration.servers:
        https = not _is_plain(read, local, server)
        yield network.route_to(server, https=https, timeout_s=TIMEOUTS.connect_timeout_s)


def _ask(api: CloudApi, place: Place) -> LocationAnswer:
    try:
        return LocationAnswer(place, api.location(place.location))
    except CirrusError as trouble:
        return LocationAnswer(place, {}, trouble)


def _answer(place: Place, result: object) -> LocationAnswer:
    if isinstance(result, LocationAnswer):
        return result
    return LocationAnswer(
        place, {}, Unreachable(result.args[0] if isinstance(result, TimeoutError) else str(result))
    )


def _result(check: Check) -> list[Finding] | Exception:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that fails hides no other
        return error


def _done(name: str, result: object) -> list[Finding]:
    if isinstance(result, list):
        return result
    if isinstance(result, PermissionError):
        text = tr("Only root can check this.")
        return [note(name.partition(" ")[0], name, text, tr("Run the doctor as root."))]
    return [
        error(
            name.partition(" ")[0],
            name,
            tr("This check failed: {result}", result=repr(result)),
            tr("Run the doctor again. If the check still fails, report the whole output (--json)."),
        )
    ]


def _folders(installation: Installation, daemon: Cupsd) -> Mapping[str, Path]:
    return {
        tr("CUPS's spool"): daemon.spool,
        tr("journal"): installation.state,
    }
