"""The API's requests, one method for each, and the API client for each queue.

All errors are translated into the tree of `errors`. The key is sent only in the Authorization
header and only to the configured server. No redirect is followed, and proxies, netrc and CAs of the
environment are not used. Nothing is retried here. An answer counts as a success only in the form
that the API's document gives.
"""

from __future__ import annotations

import contextlib
import functools
import io
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, urlencode

from cirrus_bridge.api import responses as answers
from cirrus_bridge.api.exchange import Exchange, check_status, in_short
from cirrus_bridge.api.redaction import Redaction, redaction_of
from cirrus_bridge.api.transport_errors import translated
from cirrus_bridge.base.errors import ApiError, BadConfiguration, ShortSegment
from cirrus_bridge.base.model import JobStatus, Receipt, Segment, Target, Ticket
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.config.servers import Secret, Server

if TYPE_CHECKING:
    from cirrus_bridge.api.session import Session

    SessionFor: TypeAlias = Callable[[Server], Session]

# limits of an answer; a location may have tens of thousands of devices
ANSWER_BYTES = 1 << 20
LOCATION_BYTES = 16 << 20
HEADERS = ("Idempotency-Supported", "Location", "Retry-After", "Server-Instance")  # no others


class CloudApi:
    """The API of one server, for one company (CompID), with or without TLS. If `sets_up`, the
    server is being set up, so errors do not mention servers.d. If there is a `wrong_key`, this
    key is sent instead of the server's. `session_for` returns a session that others may use too; by
    default, the session is new."""

    def __init__(
        self,
        server: Server,
        company: str,
        *,
        https: bool,
        timeouts: UploadSettings,
        sets_up: bool = False,
        wrong_key: Secret | None = None,
        session_for: SessionFor | None = None,
    ) -> None:
        self._server = server
        self._key = wrong_key or server.api_key
        self._company = company
        self._base = f"{'https' if https else 'http'}://{server.name}/api"
        self._sets_up = sets_up
        self._timeouts = (timeouts.connect_timeout_s, timeouts.read_timeout_s)
        self._redaction = self._redaction_of_answers = redaction_of(server)
        if https:
            # the server never sees the proxy's password, which may be a word of honest responses
            self._redaction_of_answers = Redaction(server.api_key.reveal())
        self.server_instance = ""  # changes when the server is restarted or replaced
        self._session_for = session_for
        self._local: Session | None = None
        self._has_answered = False
        self._lock = threading.Lock()

    def version(self) -> tuple[str, ...]:
        """Server version, client version, serial number, licensee (no key is sent)."""
        return answers.lines(self._send("GET", "/version", with_key=False), 4)

    def repeats_safely(self) -> bool:
        """Whether the server announces that it recognizes a repeated Idempotency-Key."""
        exchange = self._send("GET", "/version", with_key=False)
        return exchange.headers.get("Idempotency-Supported") == "1"

    def location(self, location: str) -> Mapping[str, Any]:
        """`get location`: the JSON object, without the password."""
        return answers.location(self.unread_location(location))

    def unread_location(self, location: str) -> Exchange:
        """`get location`, unparsed: the caller decides when to spend time on parsing."""
        path = self._path("get/location", location)
        return self._send("GET", path, limit_bytes=LOCATION_BYTES)

    def device(self, target: Target) -> Mapping[str, Any]:
        """`get device`: the JSON object."""
        path = self._path("get/device", target.location, target.device)
        return answers.json_object(self._send("GET", path))

    def job_status(self, receipt: Receipt) -> JobStatus:
        """`get job`: the status of a submitted job."""
        where = receipt.target
        path = self._path("get/job", where.location, where.device, receipt.cloud_job_id)
        return answers.job_status(self._send("GET", path))

    # --- uploads: a repeated request leaves at most one more temporary file

    def temp_file(
        self,
        method: str = "POST",  # the API's document names no method
        *,
        reached: Callable[[], None] = lambda: None,
    ) -> str:
        """`tempfile`: the name of a new temporary file for segments. `reached` is called once the
        request's connection exists, before TLS."""
        return answers.name(self._send(method, "/tempfile", reached=reached))

    def connect(self) -> None:
        """Open a connection for a later request, unless one is idle. Errors need no handling: the
        later request has them too."""
        session = self._session()
        from cirrus_bridge.api.deadline import answer_within
        from cirrus_bridge.api.session import open_connection

        with answer_within(self._timeouts[1]):
            open_connection(session, self._base, self._timeouts[0])

    def put_segment(self, name: str, segment: Segment) -> None:
        """`putsegment`: write a segment of the compressed stream at its position. Raises
        ShortSegment if the server reports another number of bytes."""
        query = {"file": name, "index": str(segment.index)}
        exchange = self._send("PUT", "/putsegment", query=query, body=segment.data)
        written = answers.number(exchange)
        if written != len(segment.data):
            raise ShortSegment(
                tr(
                    "{server} stored {written} of {sent} bytes at byte {place} of the upload.",
                    server=self._server.name,
                    written=written,
                    sent=len(segment.data),
                    place=segment.index,
                )
            )

    # --- submits: a repeated request prints again. They raise SubmitUnanswered if the whole request
    # was sent, but the outcome is unknown.

    def put_file(self, data: bytes, ticket: Ticket) -> list[Receipt]:
        """`putfile` with targets: upload and submit in one step."""
        self._check_kept_connection()
        fields = self._fields(ticket)
        key = ticket.idempotency_key
        exchange = self._send("PUT", "/putfile", query=fields, body=data, submit_key=key)
        return answers.receipts(exchange, ticket.targets)

    def submit_file(self, name: str, ticket: Ticket) -> list[Receipt]:
        """`submitfile`: submit an uploaded file; may be repeated with other parameters."""
        body = urlencode({"file": name} | self._fields(ticket)).encode()
        key = ticket.idempotency_key
        secrets = tuple(ticket.secret_props.values())
        exchange = self._send(
            "POST", "/submitfile", body=body, form=True, submit_key=key, secrets=secrets
        )
        return answers.receipts(exchange, ticket.targets)

    def _check_kept_connection(self) -> None:
        """Before a submit, use a connection that an earlier job has used. The server may close an
        idle connection at any time, and a submit that is sent then stays without an answer."""
        if not self._has_answered and self._session().jobs:
            with contextlib.suppress(ApiError):  # which closes the connection
                self.version()

    # --- below: one request

    def _fields(self, ticket: Ticket) -> dict[str, str]:
        props = {**ticket.props, **ticket.secret_props}
        fields = {
            "targets": ";".join(map(str, ticket.targets)),
            "title": ticket.title,
            "cmp": str(int(ticket.compression)),
            "props": "\n".join(f"{name}={value}" for name, value in props.items()),
        }
        if self._server.company is None:
            fields["compid"] = self._company
        return fields

    def _path(self, verb: str, *ids: str) -> str:
        return "/".join(("", verb, *(quote(part, safe="") for part in (self._company, *ids))))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        form: bool = False,
        submit_key: str = "",
        with_key: bool = True,
        limit_bytes: int = ANSWER_BYTES,
        secrets: tuple[str, ...] = (),
        reached: Callable[[], None] = lambda: None,
    ) -> Exchange:
        """Send a request and check its answer for status and `Error: …`. `secrets`, such as a PIN,
        are removed only from the server's words, because an id may have the same digits."""
        headers = {}
        if with_key:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        if submit_key:
            headers["Idempotency-Key"] = submit_key
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif body:
            headers["Content-Type"] = "application/octet-stream"
        url = self._base + path + (f"?{urlencode(query)}" if query else "")
        session = self._session()
        verb = " ".join(path.split("/")[1:3]) if path.startswith("/get/") else path[1:]
        sent = io.BytesIO(body)
        exchange = Exchange(self._server, verb, sent, bool(submit_key), self._sets_up)
        exchange.secrets = secrets
        without_secrets = self._redaction_of_answers
        from cirrus_bridge.api.deadline import answer_within

        try:
            with (
                translated(exchange, self._redaction),
                answer_within(self._timeouts[1], reached),
                session.request(
                    method,
                    url,
                    data=sent if body else None,
                    headers=headers,
                    timeout=self._timeouts,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                # urllib3 also limits what it unpacks
                answer = response.raw.read(limit_bytes + 1, decode_content=True)
                exchange.status = response.status_code
                exchange.headers = {
                    name: without_secrets.text(response.headers[name])
                    for name in HEADERS
                    if name in response.headers
                }
                exchange.answer = without_secrets.data(answer)
        except ApiError:
            session.close()  # an idle connection would block a server with a single thread
            raise
        if len(answer) > limit_bytes:
            size = limit_bytes >> 20
            raise exchange.useless(tr("its response is longer than {size} MiB", size=size))
        self._has_answered = True
        check_status(exchange)
        instance = exchange.headers.get("Server-Instance", self.server_instance)
        self.server_instance = in_short(instance)
        return exchange

    def _session(self) -> Session:
        with self._lock:
            if self._local is None:
                from cirrus_bridge.api.session import new_session

                self._local = (self._session_for or new_session)(self._server)
            return self._local


def clients_of(
    configuration: Configuration, session_for: SessionFor | None = None
) -> Callable[[QueueUri], CloudApi]:
    """The function that returns the API client for a queue, or raises UnknownServer, or
    BadConfiguration if the queue asks for plain text, which is not allowed. All queues of a server
    and company share a client, and so its connections. `session_for` is that of CloudApi."""
    timeouts = configuration.upload
    client = functools.cache(
        functools.partial(CloudApi, timeouts=timeouts, session_for=session_for)
    )

    def client_of(queue: QueueUri) -> CloudApi:
        server = configuration.server_for(queue)
        plain = queue.settings.encryption == "never"
        if plain and not server.may_be_plain:
            raise BadConfiguration(
                tr(
                    "The queue has encryption=never, but data sent to {server} leaves this "
                    "machine.",
                    server=queue.server,
                ),
                tr(
                    "Remove encryption=never from the queue's URI, or set allow_plaintext = "
                    "true in the server's entry."
                ),
            )
        return client(server, queue.company, https=not plain)

    return client_of


def api_for(configuration: Configuration, server: Server, timeouts: UploadSettings) -> CloudApi:
    """The API client for requests about a server itself, without a queue."""
    https = uses_tls(configuration, server)
    return CloudApi(server, server.company or "", https=https, timeouts=timeouts)


def uses_tls(configuration: Configuration, server: Server) -> bool:
    """Whether requests about a server itself go by TLS."""
    # encryption=never in [defaults] may be meant for this machine; no key leaves it in plain text
    return configuration.encryption_of(server) != "never" or not server.may_be_plain
