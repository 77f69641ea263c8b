"""Use case: check everything that printing needs, within a time limit.

First come the configuration and CUPS's queues, then the slow checks, each in a thread, then the
checks of the answers. A failed step is a finding and does not stop the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import CirrusError, Unreachable
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import told_by, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor import (
    cloud,
    cups,
    declared,
    following,
    machine,
    network,
    printers,
    rights,
    selinux,
    sharing,
)
from cirrus_bridge.cirrusctl.doctor.cloud import CloudQueue
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.cirrusctl.doctor.keys import read_configuration
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_uri import SCHEME
from cirrus_bridge.config.servers import Server
from cirrus_bridge.cups.cupsd import Cupsd, find_cupsd, is_missing
from cirrus_bridge.cups.queues import QueuePapers

TIMEOUTS = UploadSettings(connect_timeout_s=5.0, read_timeout_s=8.0)
LIMIT_S = 20.0  # more than the sum of the waits for one server
MOST_THREADS = 32


@dataclass(slots=True)
class _Facts:
    """The readable configuration, cupsd, and our queues; `findings` is about invalid queues. A
    machine that offers printers without drivers may lack CUPS."""

    configuration: Configuration
    daemon: Cupsd
    lacks_cups: bool = False
    refusal: CirrusError | None = None
    version: str = ""
    cancel_after_s: dict[str, int | None] = field(default_factory=dict)
    papers: list[QueuePapers] = field(default_factory=list)
    queues: list[CloudQueue] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def uses_tls(self, server: Server) -> bool:
        """Whether TLS is used with the server, as its queues or the configuration say."""
        uris = [each.uri for each in self.queues if each.uri.server == server.name]
        asked = [uri.settings.encryption for uri in uris]
        asked = asked or [self.configuration.encryption_of(server)]
        return not (server.may_be_plain and "never" in asked)

    def places(self) -> dict[Place, Server]:
        """The locations of servers.d and of queues, with the server whose key is used."""
        servers = self.configuration.servers
        found = {
            Place(server.name, server.company, location): server
            for server in servers
            if server.company is not None
            for location in server.locations
        }
        for uri in (each.uri for each in self.queues if servers):
            for target in uri.targets:
                place = Place(uri.server, uri.company, target.location)
                found.setdefault(place, self.configuration.server_for(uri))
        return found


def examine(installation: Installation) -> list[Finding]:
    """All findings, in a job's order: CUPS, configuration, network, cloud, poller."""
    is_root, clock = os.geteuid() == 0, installation.clock
    has_systemd = machine.has_systemd()
    configuration, of_configuration = read_configuration(installation.config, is_root=is_root)
    facts = _look_at_cups(installation, configuration)
    tasks: dict[Any, Callable[[], object]] = {
        "denials": lambda: list(
            machine.check_denials(machine.read_log(), clock.wall_s(), is_root=is_root)
        ),
        "SELinux": lambda: list(
            selinux.check_labels(
                selinux.read_labels(Path("/"), installation.state, installation.cache)
            )
        ),
        "printers": lambda: list(
            printers.check_service(
                configuration.printers,
                installation.config,
                installation.printers,
                clock.wall_s(),
                has_systemd=has_systemd,
            )
        ),
        "disk": lambda: [*_of_disks(facts, installation.state)],
    }
    connections = []
    for server in configuration.servers:
        route = network.route_to(server, https=facts.uses_tls(server))
        connections.append(f"connection to {server.name}")
        # a generator, which the thread runs
        tasks[connections[-1]] = partial(list, network.check_route(route, clock.now))
    places = facts.places()
    for place, server in places.items():
        api = CloudApi(server, place.company, https=facts.uses_tls(server), timeouts=TIMEOUTS)
        tasks[place] = partial(api.location, place.location)
    # root looks as other users, and threads cannot have different users
    readers = [*_of_readers(facts, installation.state)]
    of_poller = [*rights.check_rights(facts.daemon, installation.state)]
    journal: object = []
    try:
        if not facts.lacks_cups or following.has_journal(installation.state):
            journal = [
                *following.check_journal(
                    installation.state, clock.wall_s(), has_systemd=has_systemd
                )
            ]
    except Exception as error:  # noqa: BLE001 - a check that fails hides no other
        journal = error
    results = at_once(tasks, LIMIT_S) | {"journal": journal}
    answers = {place: _answer(place, results[place]) for place in places}
    return [
        *_of_cups(installation.cups_address, facts, is_root=is_root, has_systemd=has_systemd),
        *readers,
        *_done(results, "denials", "SELinux"),
        *of_configuration,
        *_done(results, *dict.fromkeys(connections)),
        *declared.check_declared(installation.config, list(answers.values())),
        *_of_cloud(facts, answers),
        *_done(results, "printers"),
        *printers.check_chosen(configuration.printers, list(answers.values())),
        *_done(results, "journal"),
        *of_poller,
        *_done(results, "disk"),
    ]


def _look_at_cups(installation: Installation, configuration: Configuration) -> _Facts:
    address = installation.cups_address
    facts = _Facts(configuration, find_cupsd(address))
    if printers.are_wanted(configuration.printers) and is_missing(address):
        facts.lacks_cups = True
        return facts
    try:
        queues = cloud_queues(installation)
        facts.version = installation.cups.version()
        facts.papers = installation.cups.papers()
    except CirrusError as trouble:
        facts.refusal = trouble
        return facts
    if not queues:
        text = tr("CUPS has no queue that leads to the cloud.")
        fix = tr(
            "Run: cirrusctl setup. Alternatively, add a device from lpinfo -v with lpadmin or a "
            "print dialog."
        )
        facts.findings.append(Subject(cloud.QUEUE, address).note(text, fix))
    facts.cancel_after_s = {queue.name: queue.cancel_after_s for queue in queues}
    for queue in queues:
        try:
            uri = configuration.queue(queue.device_uri)
            if configuration.servers:  # without any, that is reported once
                configuration.server_for(uri)
            ppd = installation.cups.ppd(queue.name)
        except CirrusError as trouble:
            facts.findings.append(Subject(cloud.QUEUE, queue.name).failed(trouble))
        else:
            facts.queues.append(CloudQueue(queue, uri, ppd))
    return facts


def _of_cups(address: str, facts: _Facts, *, is_root: bool, has_systemd: bool) -> Iterator[Finding]:
    daemon = facts.daemon
    yield cups.check_versions(facts.version)
    if facts.lacks_cups:
        yield cups.without_cups()
        return
    yield from cups.check_daemon(
        address, daemon, facts.refusal, is_root=is_root, has_systemd=has_systemd
    )
    yield from cups.check_snap(Path("/"))
    yield machine.check_backend(daemon.server_bin / "backend" / SCHEME)
    yield machine.check_driver(daemon.server_bin / "driver" / SCHEME)
    yield cups.check_preserving(daemon)
    held = [facts.configuration.defaults, *(each.uri.settings for each in facts.queues)]
    yield cups.check_limits(daemon, [each.max_held for each in held])
    yield from cups.check_job_time(daemon, facts.cancel_after_s)
    ppds = {each.queue.name: each.ppd for each in facts.queues}
    yield from sharing.check_ready_papers(facts.papers, ppds)


def _of_readers(facts: _Facts, state: Path) -> Iterator[Finding]:
    if not facts.lacks_cups:
        yield from machine.check_readers(state, facts.daemon.user)


def _of_disks(facts: _Facts, state: Path) -> Iterator[Finding]:
    if not facts.lacks_cups:
        yield machine.check_disk(tr("CUPS's spool"), facts.daemon.spool)
    yield machine.check_disk(tr("journal"), state)


def _of_cloud(facts: _Facts, answers: Mapping[Place, LocationAnswer]) -> Iterator[Finding]:
    for name in dict.fromkeys(server.name for server in facts.configuration.servers):
        yield from cloud.check_server(
            name, [answer for place, answer in answers.items() if place.server == name]
        )
    for answer in answers.values():
        yield from cloud.check_location(answer)
    yield from facts.findings
    devices = declared.valid_devices(facts.configuration.folder)
    for each in facts.queues:
        yield from cloud.check_queue(each.queue, each.uri.targets)
        for target in each.uri.targets:
            place = Place(each.uri.server, each.uri.company, target.location)
            if place in answers:
                yield from cloud.check_target(each, target, answers[place])
                if devices and target == each.uri.targets[0]:
                    yield from declared.check_options(
                        each.queue.name, target, each.ppd, devices, answers[place]
                    )


def _answer(place: Place, result: Any) -> LocationAnswer:
    if not isinstance(result, BaseException):
        return LocationAnswer(place, result)
    error = result if isinstance(result, CirrusError) else Unreachable(told_by(result))
    return LocationAnswer(place, {}, error)


def _done(results: Mapping[Any, object], *names: str) -> Iterator[Finding]:
    for name in names:
        subject = Subject(name.partition(" ")[0], name)
        match results[name]:
            case list() as findings:
                yield from findings
            case PermissionError():
                yield subject.note(tr("Only root can check this."), tr("Run the doctor as root."))
            case failure:
                fix = tr(
                    "Run the doctor again. If the check still fails, report the whole output "
                    "(--json)."
                )
                yield subject.error(tr("This check failed: {result}", result=repr(failure)), fix)


def at_once(tasks: Mapping[Any, Callable[[], object]], limit_s: float) -> dict[Any, object]:
    """Run each task in a thread of its own; return results or exceptions (TimeoutError if late).

    A task that hangs delays neither the others nor the end of the program: `main` does not wait
    for threads.
    """
    pool = ThreadPoolExecutor(MOST_THREADS)
    asked = {key: pool.submit(task) for key, task in tasks.items()}
    done = wait(asked.values(), limit_s).done
    pool.shutdown(wait=False, cancel_futures=True)
    late = TimeoutError(tr("no result within {seconds} seconds", seconds=format(limit_s, "g")))
    return {
        key: (future.exception() or future.result()) if future in done else late
        for key, future in asked.items()
    }
