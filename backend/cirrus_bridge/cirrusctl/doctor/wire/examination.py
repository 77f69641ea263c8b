"""Use case: try every assumption about the wire against one server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from cirrus_bridge.api.client import CloudApi, uses_tls
from cirrus_bridge.base.errors import CirrusError, UnknownServer
from cirrus_bridge.base.model import Target
from cirrus_bridge.base.translation import changed, joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.doctor.finding import Finding, good, note
from cirrus_bridge.cirrusctl.doctor.network import route_to
from cirrus_bridge.cirrusctl.doctor.wire.assumption import (
    Assumption,
    Contradiction,
    MissingFeature,
    SkippedAttempt,
)
from cirrus_bridge.cirrusctl.doctor.wire.assumptions import ASSUMPTIONS
from cirrus_bridge.cirrusctl.doctor.wire.attempts import why
from cirrus_bridge.cirrusctl.doctor.wire.trial import Trial
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_uri import parse_server, server_name
from cirrus_bridge.config.servers import Secret, Server

TIMEOUTS = UploadSettings(connect_timeout_s=5.0, read_timeout_s=15.0)
WRONG_KEY = Secret("wrong-key-of-cirrusctl-doctor")


def examine_server(
    installation: Installation,
    name: str,
    submit_to: Target | None,
    page: Callable[[bool], bytes],
) -> list[Finding]:
    """Try all assumptions against a server of servers.d.

    Args:
        name: HOST[:PORT][/COMPANY]; the company is needed if servers.d does not determine it.
        submit_to: the device for the test pages; None if nothing may be printed.
        page: makes the test page, as PDF or as text.

    Raises:
        UnknownServer: no entry of servers.d has this name, or the company is not clear.
    """
    host, _, company = name.partition("/")
    servers = _servers(installation.configuration, host, company)
    is_unclear = len(servers) > 1 or not (company or servers[0].company)
    if submit_to is not None and is_unclear:
        raise UnknownServer(
            tr("It is not clear which company {target} belongs to.", target=submit_to),
            tr("Name the company: --server {host}/COMPANY", host=host),
        )
    return [
        finding
        for server in servers
        for finding in examine_trial(_trial(installation, server, company, submit_to, page))
    ]


def examine_trial(trial: Trial) -> Iterator[Finding]:
    """The findings of all attempts. Untried assumptions are grouped by reason."""
    about = trial.route.name
    untried: dict[str, SkippedAttempt] = {}
    failed: set[str] = set()
    for each in ASSUMPTIONS:
        try:
            _check_needs(each, failed, untried)
            each.attempt(trial)
        except SkippedAttempt as reason:
            untried[each.name] = reason
        except MissingFeature:
            failed.add(each.name)
            text = joined(" ", (each.expected, tr("The server does not offer this.")))
            yield note(each.name, about, text, each.without)
        except (Contradiction, CirrusError) as trouble:
            failed.add(each.name)
            yield _not_held(each, about, trouble)
        else:
            yield good(each.name, about, each.expected)
    yield from _untried(about, untried)


def _check_needs(each: Assumption, failed: set[str], untried: dict[str, SkippedAttempt]) -> None:
    for name in each.needs:
        if name in failed:
            raise SkippedAttempt(
                tr("“{name}” does not hold", name=_NAMES[name]),
                tr("See “{name}” above.", name=_NAMES[name]),
            )
        if name in untried and name != "TLS":  # a server may be used without TLS
            raise untried[name]


def _not_held(each: Assumption, about: str, trouble: Contradiction | CirrusError) -> Finding:
    code, fix = "", each.fix
    if isinstance(trouble, Contradiction):
        reason = trouble.why
        fix = trouble.fix or fix
    else:
        reason, code = why(trouble), trouble.code
    reason = changed(reason, lambda text: text.rstrip(".: "))
    text = joined(" ", (each.expected, tr("This does not hold: {reason}.", reason=reason)))
    return Finding(each.name, about, each.severity, text, fix, code)


def _untried(about: str, untried: dict[str, SkippedAttempt]) -> Iterator[Finding]:
    for reason in dict.fromkeys((each.why, each.fix) for each in untried.values()):
        names = [_NAMES[n] for n, each in untried.items() if (each.why, each.fix) == reason]
        listed = joined(", ", names)
        text = tr("Not tried ({reason}): {names}.", reason=reason[0], names=listed)
        yield note(tr("untried"), about, text, reason[1])


def _servers(configuration: Configuration, host: str, company: str) -> Sequence[Server]:
    try:
        name = server_name(*parse_server(host))
    except ValueError:
        name = host
    companies = (company, None) if company else ()
    found = [
        server
        for server in configuration.servers
        if server.name == name and (not companies or server.company in companies)
    ]
    if not found:
        wanted = f"{host}/{company}" if company else host
        raise UnknownServer(
            tr(
                "There is no entry for {server} in {folder}/servers.d.",
                server=wanted,
                folder=configuration.folder,
            ),
            tr("Add one: cirrusctl setup"),
        )
    return found


def _trial(
    installation: Installation,
    server: Server,
    company: str,
    submit_to: Target | None,
    page: Callable[[bool], bytes],
) -> Trial:
    configuration = installation.configuration
    company = server.company or company
    https = uses_tls(configuration, server)
    stranger = replace(server, api_key=WRONG_KEY)
    known = server.locations[0] if company and server.locations else ""
    return Trial(
        CloudApi(server, company, https=https, timeouts=TIMEOUTS),
        CloudApi(stranger, company, https=https, timeouts=TIMEOUTS),
        route_to(server, https=https, timeout_s=TIMEOUTS.connect_timeout_s),
        installation.clock.now,
        submit_to.location if submit_to else known,
        submit_to,
        page,
        configuration.upload.segment_bytes,
        configuration.upload.connections,
    )


_NAMES = {str(each.name): each.name for each in ASSUMPTIONS}
