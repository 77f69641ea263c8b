"""Every assumption about the wire, in the order in which they are tried.

installer/docs/wire.md has the same table, with what is sent and where in the code.
"""

from __future__ import annotations

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.wire import attempts
from cirrus_bridge.cirrusctl.doctor.wire.assumption import DOCUMENT, MANUAL, OURS, Assumption

_SEGMENTS = f"{DOCUMENT}: Upload Segments, then Submit File"
_STATUS = f"{DOCUMENT}: Job Status"
_UNNOTICED = tr("No action is needed. Cirrus Bridge cannot notice a mixed-up job by this field.")

ASSUMPTIONS = (
    # --- the way to the server
    Assumption(
        tr("connection"),
        tr("The server accepts connections at this address."),
        OURS,
        attempts.connection,
    ),
    Assumption(
        "TLS",
        tr("The server speaks TLS, with a trusted certificate for this name."),
        OURS,
        attempts.tls,
        needs=("connection",),
    ),
    Assumption(
        tr("redirects"),
        tr("The server answers at this address and does not redirect."),
        OURS,
        attempts.redirects,
        needs=("connection", "TLS"),
        fix=tr("Write the address that the print API itself has into servers.d."),
    ),
    # --- requests that leave no trace
    Assumption(
        "version",
        tr("GET /api/version needs no key, and the response has four lines."),
        MANUAL,
        attempts.version,
        needs=("redirects",),
    ),
    Assumption(
        tr("API key"),
        tr("The server accepts the key as “Authorization: Bearer KEY”."),
        MANUAL,
        attempts.api_key,
        needs=("redirects",),
        fix=tr("Put a valid key into servers.d (the server's administrator issues keys)."),
    ),
    Assumption(
        tr("wrong key"),
        tr("The server refuses a wrong key with status 401."),
        MANUAL,
        attempts.wrong_key,
        needs=("redirects",),
    ),
    Assumption(
        "get location",
        tr("The response is a JSON object that describes the location and its devices."),
        MANUAL,
        attempts.get_location,
        needs=("API key",),
    ),
    Assumption(
        "get device",
        tr("The response is a JSON object that describes the device."),
        MANUAL,
        attempts.get_device,
        needs=("API key",),
    ),
    Assumption(
        tr("unknown job"),
        tr("The server refuses a question about a job that does not exist."),
        _STATUS,
        attempts.unknown_job,
        needs=("API key",),
    ),
    Assumption(
        "Server-Instance",
        tr("This header names the running server, and changes only when the server restarts."),
        OURS,
        attempts.server_instance,
        needs=("redirects",),
        without=tr(
            "No action is needed. An upload that is interrupted for more than ten minutes starts "
            "again from the beginning."
        ),
    ),
    Assumption(
        "Idempotency-Supported",
        tr("This header announces that the server recognizes a repeated submit."),
        OURS,
        attempts.idempotency_supported,
        needs=("redirects",),
        without=tr("No action is needed. A job whose submit gets no response is held."),
    ),
    # --- uploads that are never submitted
    Assumption(
        "tempfile",
        tr("POST without parameters creates a temporary file, and the response is its name."),
        f"{_SEGMENTS}, request 1",
        attempts.tempfile,
        needs=("API key",),
    ),
    Assumption(
        "putsegment",
        tr("PUT stores a segment at its byte position, and the response is its number of bytes."),
        f"{_SEGMENTS}, request 2",
        attempts.putsegment,
        needs=("tempfile",),
    ),
    Assumption(
        tr("repeated segment"),
        tr("A segment may be sent twice."),
        OURS,
        attempts.repeated_segment,
        needs=("putsegment",),
    ),
    Assumption(
        tr("order of segments"),
        tr("Segments may be sent in any order."),
        OURS,
        attempts.order_of_segments,
        needs=("putsegment",),
    ),
    Assumption(
        tr("parallel segments"),
        tr("Several segments may be sent at once."),
        OURS,
        attempts.parallel_segments,
        needs=("order of segments",),
        fix=tr("Set connections = 1 below [upload] in bridge.toml. Uploads are then slower."),
        severity=Severity.WARNING,
    ),
    # --- test pages
    Assumption(
        "putfile",
        tr("PUT uploads and submits a document, and the response is a job id."),
        f"{DOCUMENT}: Upload and Submit File",
        attempts.putfile,
        needs=("API key",),
    ),
    Assumption(
        tr("repeated submit"),
        tr("A submit with the same Idempotency-Key gets the same job id and prints nothing."),
        OURS,
        attempts.repeated_submit,
        needs=("putfile", "Idempotency-Supported"),
        fix=tr("Tell the server's administrator: jobs may be printed twice."),
    ),
    Assumption(
        "submitfile",
        tr("POST submits uploaded segments with all props, and the response is a new job id."),
        f"{_SEGMENTS}, request 3",
        attempts.submitfile,
        needs=("putfile", "order of segments"),
    ),
    # --- what the server says of them
    Assumption(
        "get job",
        tr("The response is a JSON object with a known State."),
        _STATUS,
        attempts.get_job,
        needs=("putfile",),
    ),
    Assumption(
        tr("job size"),
        tr("Size is the number of bytes of the document, or of the compressed upload."),
        _STATUS,
        attempts.job_size,
        needs=("get job",),
        without=_UNNOTICED,
    ),
    Assumption(
        tr("job name"),
        tr("Name is the title, or has its letters in order."),
        _STATUS,
        attempts.job_name,
        needs=("get job",),
        without=_UNNOTICED,
    ),
    Assumption(
        tr("job props"),
        tr("Properties has the props that were submitted, by the same names."),
        _STATUS,
        attempts.job_props,
        needs=("get job",),
    ),
    Assumption(
        tr("job times"),
        tr("Submitted has the time of the submit, in any form."),
        _STATUS,
        attempts.job_times,
        needs=("get job",),
        without=tr("No action is needed. cirrusctl job does not show the times of the server."),
    ),
)
