"""What the attempts of all assumptions share; and the assumptions about the way to the server and
about requests that leave no trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import (
    ApiError,
    CirrusError,
    KeyRefused,
    Refused,
    ServerMisconfigured,
    UnexpectedAnswer,
    Unreachable,
)
from cirrus_bridge.base.model import JobStatus, Receipt, Target, Ticket
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity
from cirrus_bridge.cirrusctl.doctor.network import TLS, Route
from cirrus_bridge.config.load import UploadSettings

NO_JOB = "19700101000000-1"
INSTANCE_REQUESTS = 3  # a few requests reveal a load balancer
REPORT = tr(
    "Check that this is the address of the print API. If it is, report this output (--json) to the "
    "authors of Cirrus Bridge."
)


class Contradiction(CirrusError):
    """The server contradicts the assumption. A hint replaces the assumption's `fix`."""


class SkippedAttempt(CirrusError):
    """An assumption cannot be tried now. The hint says how to change that."""


class MissingFeature(Exception):
    """The server does not offer something that Cirrus Bridge can do without."""


class SubmittedPage(NamedTuple):
    """A test page that the server has accepted, and the compressed data that was sent."""

    receipt: Receipt
    ticket: Ticket
    page: bytes
    data: bytes


@dataclass
class Trial:
    """One server under test.

    Attributes:
        connection: the doctor's findings about the route.
        stranger: the same server with a wrong key.
        location: a location to ask about; empty if none is known.
        target: the device that gets test pages; None if nothing may be printed.
        content, device: the JSON objects of the location and of a device, once they are known.
        temp_file: the temporary file for segments that are never submitted.
        used_bytes: the length of `temp_file` so far.
    """

    route: Route
    connection: Sequence[Finding]
    api: CloudApi
    stranger: CloudApi
    location: str
    target: Target | None
    page: Callable[[bool], bytes]
    upload: UploadSettings
    content: Mapping[str, Any] = field(default_factory=dict)
    device: Mapping[str, Any] = field(default_factory=dict)
    temp_file: str = ""
    used_bytes: int = 0
    pages: list[SubmittedPage] = field(default_factory=list)
    jobs: list[tuple[SubmittedPage, JobStatus]] = field(default_factory=list)


@dataclass(eq=False)
class Assumption:
    """An assumption of Cirrus Bridge about the API, used as a decorator of its attempt.

    Attributes:
        name: the name of a request or of a header, or a noun phrase.
        expected: the assumption as a sentence.
        needs: the assumptions that must hold before this one can be tried.
        fix, severity: of the finding if the assumption does not hold.
        without: the consequence if the server does not offer an optional feature.
        attempt: returns if the assumption holds; else raises Contradiction, MissingFeature,
            SkippedAttempt or CirrusError.
    """

    name: str
    expected: str
    needs: Sequence[Assumption] = ()
    fix: str = REPORT
    without: str = ""
    severity: Severity = Severity.ERROR
    attempt: Callable[[Trial], None] = field(init=False)

    def __call__(self, attempt: Callable[[Trial], None]) -> Assumption:
        self.attempt = attempt
        return self


def why(error: CirrusError) -> str:
    """The reason for an error; its detail names the request and the response."""
    return error.detail or error.message


@Assumption(tr("connection"), tr("The server accepts connections at this address."))
def connection(trial: Trial) -> None:
    _check_route(trial, is_tls=False)


@Assumption(
    "TLS", tr("The server speaks TLS, with a trusted certificate for this name."), [connection]
)
def tls(trial: Trial) -> None:
    if not trial.route.https:
        raise SkippedAttempt(
            tr("this server is used without TLS"),
            tr("Use TLS if anyone else can read the traffic on the way to the server."),
        )
    _check_route(trial, is_tls=True)


def _check_route(trial: Trial, *, is_tls: bool) -> None:
    for each in trial.connection:
        if each.severity is Severity.ERROR and (each.check == TLS) is is_tls:
            raise Contradiction(each.text, each.fix)


@Assumption(
    tr("redirects"),
    tr("The server answers at this address and does not redirect."),
    [connection, tls],
    fix=tr("Write the address that the print API itself has into servers.d."),
)
def redirects(trial: Trial) -> None:
    try:
        trial.api.version()  # the only request without a key
    except ServerMisconfigured as error:
        raise Contradiction(error.message, error.hint) from error
    except ApiError:
        pass  # the next attempt reports this


@Assumption(
    "version", tr("GET /api/version needs no key, and the response has four lines."), [redirects]
)
def version(trial: Trial) -> None:
    trial.api.version()


@Assumption(
    tr("API key"),
    tr("The server accepts the key as “Authorization: Bearer KEY”."),
    [redirects],
    fix=tr("Put a valid key into servers.d (the server's administrator issues keys)."),
)
def api_key(trial: Trial) -> None:
    try:
        _use_key(trial.api, trial.location)
    except (KeyRefused, Unreachable):
        raise
    except ApiError:
        pass  # the attempt for that request reports this


@Assumption(tr("wrong key"), tr("The server refuses a wrong key with status 401."), [redirects])
def wrong_key(trial: Trial) -> None:
    reason = ""
    for location in dict.fromkeys((trial.location, "")):  # one may fail for another reason
        try:
            _use_key(trial.stranger, location)
        except KeyRefused:
            return
        except ApiError as error:
            reason = why(error)
        else:
            raise Contradiction(
                tr("the server accepts a wrong key"),
                tr("Tell the server's administrator: anyone can use this server."),
            )
    raise Contradiction(reason)


def _use_key(api: CloudApi, location: str) -> None:
    """Ask for a location; without one, for a temporary file."""
    if location:
        api.location(location)
    else:
        api.temp_file()


@Assumption(
    "get location",
    tr("The response is a JSON object that describes the location and its devices."),
    [api_key],
)
def get_location(trial: Trial) -> None:
    if not trial.location:
        raise SkippedAttempt(
            tr("no location is known"),
            tr('Add locations = ["…"] to the server\'s entry in servers.d.'),
        )
    try:
        content = trial.api.location(trial.location)
    except UnexpectedAnswer as error:
        # the detail quotes the response, which may contain the location's password
        raise Contradiction(error.message) from error
    devices = content.get("Devices")
    if not isinstance(devices, dict) or not all(isinstance(d, dict) for d in devices.values()):
        raise Contradiction(tr("Devices is not an object with an object for each device"))
    if not isinstance(content.get("Printers", []), list | None):
        raise Contradiction(tr("Printers is not an array"))
    trial.content = content


@Assumption("get device", tr("The response is a JSON object that describes the device."), [api_key])
def get_device(trial: Trial) -> None:
    target = _known_target(trial)
    device = trial.api.device(target)
    wanted = {"DevID": str, "Type": int, "Formats": list, "DefaultProps": dict}
    wrong = [name for name, kind in wanted.items() if not isinstance(device.get(name), kind)]
    if wrong:
        raise Contradiction(
            tr("these fields are missing or of another type: {names}", names=", ".join(wrong))
        )
    if device["DevID"] != target.device:
        raise Contradiction(tr("DevID is “{found}”", found=device["DevID"]))
    trial.device = device


@Assumption(
    tr("unknown job"),
    tr("The server refuses a question about a job that does not exist."),
    [api_key],
)
def unknown_job(trial: Trial) -> None:
    try:
        trial.api.job_status(Receipt(_known_target(trial), NO_JOB))
    except Refused:
        return
    raise Contradiction(tr("the server describes a job that does not exist"))


def _known_target(trial: Trial) -> Target:
    """The command line's device, or else the first device of the location."""
    if trial.target:
        return trial.target
    if devices := trial.content.get("Devices"):
        return Target(trial.location, min(devices))
    raise SkippedAttempt(
        tr("no device is known"),
        tr("Name a location that has a device in the server's entry in servers.d (locations)."),
    )


@Assumption(
    "Server-Instance",
    tr("This header names the running server, and changes only when the server restarts."),
    [redirects],
    without=tr(
        "No action is needed. An upload that is interrupted for more than ten minutes starts "
        "again from the beginning."
    ),
)
def server_instance(trial: Trial) -> None:
    seen = set()
    for _ in range(INSTANCE_REQUESTS):
        trial.api.repeats_safely()
        seen.add(trial.api.server_instance)
    if seen == {""}:
        raise MissingFeature
    if len(seen) > 1:
        raise Contradiction(tr("its value changed between two requests"))


@Assumption(
    "Idempotency-Supported",
    tr("This header announces that the server recognizes a repeated submit."),
    [redirects],
    without=tr("No action is needed. A job whose submit gets no response is held."),
)
def idempotency_supported(trial: Trial) -> None:
    if not trial.api.repeats_safely():
        raise MissingFeature
