"""Assumptions about uploads, submits, and what the server says of the submitted jobs.

Their attempts leave temporary files, which the server deletes after a while, and test pages on the
target that the administrator names.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from cirrus_bridge.base.errors import ApiError, Refused
from cirrus_bridge.base.model import Compression, Receipt, Segment, Ticket
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.wire.questions import (
    Assumption,
    Contradiction,
    MissingFeature,
    SkippedAttempt,
    SubmittedPage,
    Trial,
    api_key,
    idempotency_supported,
    why,
)
from cirrus_bridge.delivery.tracking import SentDocument, difference
from cirrus_bridge.drivers.capabilities import formats
from cirrus_bridge.sending.segments import SMALLEST_BYTES

UNNOTICED = tr("No action is needed. Cirrus Bridge cannot notice a mixed-up job by this field.")
TITLE = "Cirrus Bridge doctor"
# values for every device: one copy, one side, portrait, original size
PROPS = {
    **dict.fromkeys(("copies", "collate", "color", "duplex", "orientation"), "1"),
    "priority": "50",
    "scale": "2",
}


@Assumption(
    "tempfile",
    tr("POST without parameters creates a temporary file, and the response is its name."),
    [api_key],
)
def tempfile(trial: Trial) -> None:
    try:
        trial.temp_file = trial.api.temp_file()
    except Refused as error:
        try:
            trial.api.temp_file("GET")  # for the report
        except ApiError:
            raise error from None
        raise Contradiction(tr("{refusal}; but GET works", refusal=why(error))) from error


@Assumption(
    "putsegment",
    tr("PUT stores a segment at its byte position, and the response is its number of bytes."),
    [tempfile],
)
def putsegment(trial: Trial) -> None:
    _put(trial, trial.temp_file, _next_segment(trial, trial.upload.segment_bytes))


@Assumption(tr("repeated segment"), tr("A segment may be sent twice."), [putsegment])
def repeated_segment(trial: Trial) -> None:
    segment = _next_segment(trial)
    _put(trial, trial.temp_file, segment, segment)


@Assumption(tr("order of segments"), tr("Segments may be sent in any order."), [putsegment])
def order_of_segments(trial: Trial) -> None:
    first, second = _next_segment(trial), _next_segment(trial)
    _put(trial, trial.temp_file, second, first)


@Assumption(
    tr("parallel segments"),
    tr("Several segments may be sent at once."),
    [order_of_segments],
    fix=tr("Set connections = 1 below [upload] in bridge.toml. Uploads are then slower."),
    severity=Severity.WARNING,
)
def parallel_segments(trial: Trial) -> None:
    segments = [_next_segment(trial) for _ in range(max(trial.upload.connections, 2))]
    with ThreadPoolExecutor(len(segments)) as pool:
        list(pool.map(lambda segment: _put(trial, trial.temp_file, segment), segments))


def _next_segment(trial: Trial, size_bytes: int = SMALLEST_BYTES) -> Segment:
    segment = Segment(trial.used_bytes, b"%" * size_bytes)
    trial.used_bytes = segment.end
    return segment


def _put(trial: Trial, name: str, *segments: Segment) -> None:
    for segment in segments:
        trial.api.put_segment(name, segment)


@Assumption(
    "putfile", tr("PUT uploads and submits a document, and the response is a job id."), [api_key]
)
def putfile(trial: Trial) -> None:
    _submit(trial, {"copies": PROPS["copies"]}, trial.api.put_file)


@Assumption(
    tr("repeated submit"),
    tr("A submit with the same Idempotency-Key gets the same job id and prints nothing."),
    [putfile, idempotency_supported],
    fix=tr("Tell the server's administrator: jobs may be printed twice."),
)
def repeated_submit(trial: Trial) -> None:
    page = trial.pages[0]
    (receipt,) = trial.api.put_file(page.data, page.ticket)
    if receipt != page.receipt:
        raise Contradiction(
            tr("the server printed the page again, as job {job}", job=receipt.cloud_job_id)
        )


@Assumption(
    "submitfile",
    tr("POST submits uploaded segments with all props, and the response is a new job id."),
    [putfile, order_of_segments],
)
def submitfile(trial: Trial) -> None:
    def send(data: bytes, ticket: Ticket) -> list[Receipt]:
        name, half = trial.api.temp_file(), len(data) // 2
        _put(trial, name, Segment(half, data[half:]), Segment(0, data[:half]))
        return trial.api.submit_file(name, ticket)

    _submit(trial, PROPS, send)


def _submit(
    trial: Trial, props: Mapping[str, str], send: Callable[[bytes, Ticket], list[Receipt]]
) -> None:
    """Print the test page in a format that the target accepts."""
    if trial.target is None:
        server = trial.route.name
        fix = tr("Run: cirrusctl doctor --server {server} --submit LOCATION:DEVICE", server=server)
        raise SkippedAttempt(tr("it prints a page"), fix)
    taken = formats(trial.device) or {"any"}
    if not taken & {"any", "pdf", "txt"}:
        raise SkippedAttempt(
            tr("{target} takes neither PDF nor text", target=trial.target),
            tr("Name a device that takes PDF in --submit."),
        )
    page = trial.page(bool(taken & {"any", "pdf"}))
    data = zlib.compress(page)
    ticket = Ticket((trial.target,), TITLE, props, Compression.ZLIB, str(uuid.uuid4()))
    (receipt,) = send(data, ticket)
    if any(earlier.receipt == receipt for earlier in trial.pages):
        raise Contradiction(tr("two jobs have the id {job}", job=receipt.cloud_job_id))
    trial.pages.append(SubmittedPage(receipt, ticket, page, data))


@Assumption("get job", tr("The response is a JSON object with a known State."), [putfile])
def get_job(trial: Trial) -> None:
    trial.jobs = [(page, trial.api.job_status(page.receipt)) for page in trial.pages]


@Assumption(
    tr("job size"),
    tr("Size is the number of bytes of the document, or of the compressed upload."),
    [get_job],
    without=UNNOTICED,
)
def job_size(trial: Trial) -> None:
    for page, status in trial.jobs:
        if not status.size_bytes:
            raise MissingFeature
        sent_bytes = len(page.data)
        if found := difference(SentDocument("", len(page.page), sent_bytes), status):
            raise Contradiction(
                tr("{difference} (compressed: {sent})", difference=found, sent=sent_bytes)
            )


@Assumption(
    tr("job name"),
    tr("Name is the title, or has its letters in order."),
    [get_job],
    without=UNNOTICED,
)
def job_name(trial: Trial) -> None:
    for _, status in trial.jobs:
        if not status.name:
            raise MissingFeature
        if found := difference(SentDocument(TITLE), status):
            raise Contradiction(found)


@Assumption(
    tr("job props"),
    tr("Properties has the props that were submitted, by the same names."),
    [get_job],
)
def job_props(trial: Trial) -> None:
    for page, status in trial.jobs:
        props = page.ticket.props.items()
        lost = [f"{name}={value}" for name, value in props if status.properties.get(name) != value]
        if lost:
            raise Contradiction(tr("the job lacks {props}", props=", ".join(lost)))


@Assumption(
    tr("job times"),
    tr("Submitted has the time of the submit, in any form."),
    [get_job],
    without=tr("No action is needed. cirrusctl job does not show the times of the server."),
)
def job_times(trial: Trial) -> None:
    if not all(status.submitted for _, status in trial.jobs):
        raise MissingFeature
