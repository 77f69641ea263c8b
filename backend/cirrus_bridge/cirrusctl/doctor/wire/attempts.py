"""Attempts: one step of a trial for each assumption. An attempt returns if the assumption holds.

Attempts leave only temporary files, which the server deletes after a while, and test pages on the
target that the administrator names.
"""

from __future__ import annotations

import functools
import uuid
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cirrus_bridge.base.errors import (
    ApiError,
    CirrusError,
    KeyRefused,
    Refused,
    ServerMisconfigured,
    UnexpectedAnswer,
    Unreachable,
)
from cirrus_bridge.base.model import Compression, Receipt, Segment, Target, Ticket
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.network import TLS
from cirrus_bridge.cirrusctl.doctor.wire.assumption import (
    Contradiction,
    MissingFeature,
    SkippedAttempt,
)
from cirrus_bridge.cirrusctl.doctor.wire.trial import SubmittedPage, Trial
from cirrus_bridge.delivery.tracking import SentDocument, difference
from cirrus_bridge.drivers.capabilities import formats
from cirrus_bridge.sending.segments import SMALLEST_BYTES

NO_JOB = "19700101000000-1"
INSTANCE_REQUESTS = 3  # a few requests reveal a load balancer
TITLE = "Cirrus Bridge doctor"
# values for every device: one copy, one side, portrait, original size
PROPS = {
    "copies": "1",
    "collate": "1",
    "color": "1",
    "duplex": "1",
    "orientation": "1",
    "priority": "50",
    "scale": "2",
}


def why(error: CirrusError) -> str:
    """The reason for an error; its detail names the request and the response."""
    return error.detail or error.message


# --- the way to the server


def connection(trial: Trial) -> None:
    """Check DNS, the proxy and TCP, as the doctor does."""
    _check_route(trial, is_tls=False)


def tls(trial: Trial) -> None:
    """Check the TLS handshake, as the doctor does."""
    if not trial.route.https:
        raise SkippedAttempt(
            tr("this server is used without TLS"),
            tr("Use TLS if anyone else can read the traffic on the way to the server."),
        )
    _check_route(trial, is_tls=True)


def _check_route(trial: Trial, *, is_tls: bool) -> None:
    for each in trial.route_findings:
        if each.severity is Severity.ERROR and (each.check == TLS) is is_tls:
            raise Contradiction(each.text, each.fix)


def redirects(trial: Trial) -> None:
    """Send `version`, the only request without a key."""
    try:
        trial.api.version()
    except ServerMisconfigured as error:
        raise Contradiction(error.message, error.hint) from error
    except ApiError:
        pass  # the attempt `version` reports this


# --- requests that leave no trace


def version(trial: Trial) -> None:
    """Expect four lines."""
    trial.api.version()


def api_key(trial: Trial) -> None:
    """Accept any response except a refusal of the key."""
    try:
        if trial.location:
            trial.api.location(trial.location)
        else:
            trial.api.temp_file()
    except (KeyRefused, Unreachable):
        raise
    except ApiError:
        pass  # the attempt for that request reports this


def wrong_key(trial: Trial) -> None:
    """Send two kinds of requests, because one may fail for another reason."""
    requests: list[Callable[[], object]] = [trial.stranger.temp_file]
    if trial.location:
        requests.insert(0, functools.partial(trial.stranger.location, trial.location))
    for request in requests:
        try:
            request()
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


def get_location(trial: Trial) -> None:
    """Check the fields that discovery and drivers read."""
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


def get_device(trial: Trial) -> None:
    """Check the fields that drivers read."""
    target = _target(trial)
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


def unknown_job(trial: Trial) -> None:
    """Ask for an id of 1970."""
    try:
        trial.api.job_status(Receipt(_target(trial), NO_JOB))
    except Refused:
        return
    raise Contradiction(tr("the server describes a job that does not exist"))


def server_instance(trial: Trial) -> None:
    """Expect the same value in several responses."""
    seen = set()
    for _ in range(INSTANCE_REQUESTS):
        trial.api.repeats_safely()
        seen.add(trial.api.server_instance)
    if seen == {""}:
        raise MissingFeature
    if len(seen) > 1:
        raise Contradiction(tr("its value changed between two requests"))


def idempotency_supported(trial: Trial) -> None:
    """Expect the header."""
    if not trial.api.repeats_safely():
        raise MissingFeature


def _target(trial: Trial) -> Target:
    target = trial.known_target
    if target is None:
        raise SkippedAttempt(
            tr("no device is known"),
            tr("Name a location that has a device in the server's entry in servers.d (locations)."),
        )
    return target


# --- uploads that are never submitted


def tempfile(trial: Trial) -> None:
    """Send POST, as Cirrus Bridge does; if it is refused, try GET for the report."""
    try:
        trial.temp_file = trial.api.temp_file()
    except Refused as error:
        try:
            trial.api.temp_file("GET")
        except ApiError:
            raise error from None
        raise Contradiction(tr("{refusal}; but GET works", refusal=why(error))) from error


def putsegment(trial: Trial) -> None:
    """Send a segment of the initial size."""
    _put(trial, trial.next_segment(trial.segment_bytes))


def repeated_segment(trial: Trial) -> None:
    """Send a segment twice, as after a lost response."""
    segment = trial.next_segment(SMALLEST_BYTES)
    _put(trial, segment)
    _put(trial, segment)


def order_of_segments(trial: Trial) -> None:
    """Send the second segment before the first."""
    first, second = trial.next_segment(SMALLEST_BYTES), trial.next_segment(SMALLEST_BYTES)
    _put(trial, second)
    _put(trial, first)


def parallel_segments(trial: Trial) -> None:
    """Send as many segments at once as the configuration allows."""
    segments = [trial.next_segment(SMALLEST_BYTES) for _ in range(max(trial.connections, 2))]
    with ThreadPoolExecutor(len(segments)) as pool:
        for result in [pool.submit(_put, trial, segment) for segment in segments]:
            result.result()


def _put(trial: Trial, segment: Segment) -> None:
    trial.api.put_segment(trial.temp_file, segment)


# --- test pages


def putfile(trial: Trial) -> None:
    """Send a whole document in one request, with the parameters in the query."""
    target, page = _printable(trial)
    props = {"copies": PROPS["copies"]}
    data = zlib.compress(page)
    ticket = Ticket((target,), TITLE, props, Compression.ZLIB, str(uuid.uuid4()))
    (receipt,) = trial.api.put_file(data, ticket)
    trial.pages["putfile"] = SubmittedPage(
        receipt, SentDocument(TITLE, len(page), len(data)), props
    )
    trial.repeat = lambda: trial.api.put_file(data, ticket)


def repeated_submit(trial: Trial) -> None:
    """Repeat the request with the same Idempotency-Key."""
    (receipt,) = trial.repeat()
    if receipt != trial.pages["putfile"].receipt:
        raise Contradiction(
            tr("the server printed the page again, as job {job}", job=receipt.cloud_job_id)
        )


def submitfile(trial: Trial) -> None:
    """Upload two segments, the last first, and submit them by a form."""
    target, page = _printable(trial)
    data = zlib.compress(page)
    half = len(data) // 2
    name = trial.api.temp_file()
    for segment in (Segment(half, data[half:]), Segment(0, data[:half])):
        trial.api.put_segment(name, segment)
    ticket = Ticket((target,), TITLE, PROPS, Compression.ZLIB, str(uuid.uuid4()))
    (receipt,) = trial.api.submit_file(name, ticket)
    earlier = trial.pages.get("putfile")
    if earlier and earlier.receipt == receipt:
        raise Contradiction(tr("two jobs have the id {job}", job=receipt.cloud_job_id))
    trial.pages["submitfile"] = SubmittedPage(
        receipt, SentDocument(TITLE, len(page), len(data)), PROPS
    )


def _printable(trial: Trial) -> tuple[Target, bytes]:
    """The target of the test pages, and a page in a format that its device accepts."""
    if trial.target is None:
        raise SkippedAttempt(
            tr("it prints a page"),
            tr(
                "Run: cirrusctl doctor --server {server} --submit LOCATION:DEVICE",
                server=trial.route.name,
            ),
        )
    taken = formats(trial.device)
    if taken and not taken & {"any", "pdf", "txt"}:
        raise SkippedAttempt(
            tr("{target} takes neither PDF nor text", target=trial.target),
            tr("Name a device that takes PDF in --submit."),
        )
    return trial.target, trial.page(not taken or bool(taken & {"any", "pdf"}))


# --- what the server says of them


def get_job(trial: Trial) -> None:
    """Expect a state for each page."""
    for name, page in trial.pages.items():
        trial.statuses[name] = trial.api.job_status(page.receipt)


def job_size(trial: Trial) -> None:
    """Compare the size as for each document."""
    for name, status in trial.statuses.items():
        if not status.size_bytes:
            raise MissingFeature
        sent = trial.pages[name].sent
        found = difference(SentDocument("", sent.size_bytes, sent.sent_bytes), status)
        if found:
            raise Contradiction(
                tr("{difference} (compressed: {sent})", difference=found, sent=sent.sent_bytes)
            )


def job_name(trial: Trial) -> None:
    """Compare the name as for each document."""
    for name, status in trial.statuses.items():
        if not status.name:
            raise MissingFeature
        if found := difference(SentDocument(trial.pages[name].sent.title), status):
            raise Contradiction(found)


def job_props(trial: Trial) -> None:
    """Expect all props that were submitted."""
    for name, status in trial.statuses.items():
        lost = [
            f"{prop}={value}"
            for prop, value in trial.pages[name].props.items()
            if status.properties.get(prop) != value
        ]
        if lost:
            raise Contradiction(tr("the job lacks {props}", props=", ".join(lost)))


def job_times(trial: Trial) -> None:
    """Expect text of any form, because it is only shown."""
    if not all(status.submitted for status in trial.statuses.values()):
        raise MissingFeature
