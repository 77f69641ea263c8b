"""Use case: try every assumption about the wire against one server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from cirrus_bridge.api.client import CloudApi, uses_tls
from cirrus_bridge.base.errors import CirrusError, UnknownServer
from cirrus_bridge.base.model import Target
from cirrus_bridge.base.translation import changed, joined, tr
from cirrus_bridge.cirrusctl.context import TIMEOUTS, Installation
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.cirrusctl.doctor.network import check_route, route_to
from cirrus_bridge.cirrusctl.doctor.wire import questions, uploads
from cirrus_bridge.cirrusctl.doctor.wire.questions import (
    Assumption,
    Contradiction,
    MissingFeature,
    SkippedAttempt,
    Trial,
    why,
)
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer, with_guess
from cirrus_bridge.config.load import Configuration
from cirrus_bridge.config.queue_uri import parse_server, server_name
from cirrus_bridge.config.servers import Secret, Server

# tried in the order in which the modules define them
_KNOWN = (*vars(questions).values(), *vars(uploads).values())
ASSUMPTIONS = tuple(dict.fromkeys(each for each in _KNOWN if isinstance(each, Assumption)))
WRONG_KEY = Secret("wrong-key-of-cirrusctl-doctor")


def examine_server(
    installation: Installation, name: str, submit_to: Target | None, page: Callable[[bool], bytes]
) -> list[Finding]:
    """Try all assumptions against a server of servers.d.

    Args:
        name: HOST[:PORT][/COMPANY]; the company is needed if servers.d does not determine it.
        submit_to: the device for the test pages; None if nothing may be printed.
        page: makes the test page, as PDF or as text.

    Raises:
        UnknownServer: no entry of servers.d has this name.
        WrongAnswer: the company is not clear.
    """
    host, _, company = name.partition("/")
    configuration = installation.configuration
    servers = _servers(configuration, host, company)
    is_unclear = len(servers) > 1 or not (company or servers[0].company)
    if submit_to is not None and is_unclear:
        raise WrongAnswer(
            tr("It is not clear which company {target} belongs to.", target=submit_to),
            tr("Name the company: --server {host}/COMPANY", host=host),
        )
    findings: list[Finding] = []
    for server in servers:
        https = uses_tls(configuration, server)
        where = server.company or company
        known = server.locations[0] if where and server.locations else ""
        api, stranger = (
            CloudApi(server, where, https=https, timeouts=TIMEOUTS, wrong_key=wrong_key)
            for wrong_key in (None, WRONG_KEY)
        )
        route = route_to(server, https=https)
        found = [*check_route(route, installation.clock.now)]
        location = submit_to.location if submit_to else known
        trial = Trial(route, found, api, stranger, location, submit_to, page, configuration.upload)
        findings += _examine(trial)
    return findings


def _servers(configuration: Configuration, host: str, company: str) -> Sequence[Server]:
    found: list[Server] = []
    with contextlib.suppress(ValueError):  # no entry has an invalid name
        name = server_name(*parse_server(host))
        found += (server for server in configuration.servers if server.name == name)
    if company:  # as for a queue, an entry without a company serves any company
        own = [server for server in found if server.company == company]
        found = own or [server for server in found if server.company is None]
    if not found:
        wanted = f"{host}/{company}" if company else host
        folder = configuration.folder
        text = tr(
            "There is no entry for {server} in {folder}/servers.d.", server=wanted, folder=folder
        )
        known = [
            f"{server.name}/{server.company}" if company else server.name
            for server in configuration.servers
        ]
        raise UnknownServer(text, with_guess(wanted, known, tr("Add one: cirrusctl setup")))
    return found


def _examine(trial: Trial) -> Iterator[Finding]:
    """The findings of all attempts. Untried assumptions are grouped by reason."""
    # by assumption: why the assumptions that need it cannot be tried
    blocked: dict[Assumption, SkippedAttempt] = {}
    untried: dict[tuple[str, str], list[str]] = {}
    for each in ASSUMPTIONS:
        subject = Subject(each.name, trial.route.name)
        does_not_hold = SkippedAttempt(
            tr("“{name}” does not hold", name=each.name), tr("See “{name}” above.", name=each.name)
        )
        try:
            for need in each.needs:
                if need in blocked:
                    raise blocked[need]
            each.attempt(trial)
        except SkippedAttempt as skipped:
            untried.setdefault((skipped.message, skipped.hint), []).append(each.name)
            if each is not questions.tls:  # a server may be used without TLS
                blocked[each] = skipped
        except MissingFeature:
            blocked[each] = does_not_hold
            text = joined(" ", (each.expected, tr("The server does not offer this.")))
            yield subject.note(text, each.without)
        except CirrusError as trouble:
            blocked[each] = does_not_hold
            reason = changed(why(trouble), lambda text: text.rstrip(".: "))
            text = joined(" ", (each.expected, tr("This does not hold: {reason}.", reason=reason)))
            fix = (isinstance(trouble, Contradiction) and trouble.hint) or each.fix
            yield subject.found(each.severity, text, fix, trouble.code)
        else:
            yield subject.good(each.expected)
    for (reason, fix), names in untried.items():
        text = tr("Not tried ({reason}): {names}.", reason=reason, names=joined(", ", names))
        yield Subject(tr("untried"), trial.route.name).note(text, fix)
