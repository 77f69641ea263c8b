"""The API client on real sockets: the form of each request, and every faulty answer."""

from __future__ import annotations

import errno
import gzip
import json
import os
import socket
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.responses import MOST_VALUES
from cirrus_bridge.base.errors import (
    ApiError,
    BadConfiguration,
    Definitive,
    KeyRefused,
    NotPermitted,
    Refused,
    ServerFault,
    ServerMisconfigured,
    ShortSegment,
    SubmitUnanswered,
    UnexpectedAnswer,
    Unreachable,
)
from cirrus_bridge.base.json_size import DEEPEST
from cirrus_bridge.base.model import Compression, DeliveryState, Receipt, Segment, Target, Ticket
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.servers import Secret, Server
from scripted_server import Answer, Drip, RawBytes, Request, Reset, Script, ScriptedServer, Stall

KEY = "sekret-k3y"
TARGETS = (Target("Paris", "Läser 1"), Target("Lyon", "B/2"))
PROPS = {"copies": "2", "duplex": "2"}


def _api(name: str, *, company: str | None = "Acme", read_timeout_s: float = 5) -> CloudApi:
    server = Server(name=name, api_key=Secret(KEY), company=company)
    timeouts = UploadSettings(connect_timeout_s=2, read_timeout_s=read_timeout_s)
    return CloudApi(server, "Acme", https=False, timeouts=timeouts)


def _ask(script: Script, call: Callable[[CloudApi], object], **how: float) -> Request:
    """Make one call; return the request that the server received."""
    with ScriptedServer(script) as server:
        call(_api(server.name, **how))  # type: ignore[arg-type]
    return server.requests[-1]


def _put(api: CloudApi) -> list[Receipt]:
    return api.put_file(b"data", Ticket(TARGETS, "Träum", PROPS, Compression.ZLIB, "k-1"))


def _submit(api: CloudApi) -> list[Receipt]:
    return api.submit_file("f1", Ticket(TARGETS, "T", PROPS, Compression.GZIP, "k-1"))


def _segment(api: CloudApi) -> None:
    api.put_segment("f1", Segment(7, b"12345"))


def _status(api: CloudApi) -> object:
    return api.job_status(Receipt(TARGETS[1], "20220318185808-1"))


CALLS: dict[str, Callable[[CloudApi], object]] = {
    "version": lambda api: api.version(),
    "location": lambda api: api.location("Paris"),
    "device": lambda api: api.device(TARGETS[0]),
    "temp_file": lambda api: api.temp_file(),
    "put_segment": _segment,
    "put_file": _put,
    "submit_file": _submit,
    "job_status": _status,
}
SUBMITS = ("put_file", "submit_file")
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_put_file() -> None:
    """putfile is a PUT with targets, title, cmp and props in the query; each target gets an id."""
    with ScriptedServer(lambda _: Answer("1-1\n1-2\n")) as server:
        receipts = _put(_api(server.name))
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("PUT", "/api/putfile", b"data")
    assert request.fields == {
        "targets": "Paris:Läser 1;Lyon:B/2",
        "title": "Träum",
        "cmp": "1",
        "props": "copies=2\nduplex=2",
    }
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Length"] == "4"
    assert request.headers["Idempotency-Key"] == "k-1"
    assert receipts == [Receipt(TARGETS[0], "1-1"), Receipt(TARGETS[1], "1-2")]


def test_submit_file() -> None:
    """submitfile names an uploaded file, form-encoded."""
    submit = _ask(lambda _: Answer("1-1\n1-2"), _submit)
    assert (submit.method, submit.path) == ("POST", "/api/submitfile")
    assert submit.fields == {
        "file": "f1",
        "targets": "Paris:Läser 1;Lyon:B/2",
        "title": "T",
        "cmp": "2",
        "props": "copies=2\nduplex=2",
    }


def test_segments() -> None:
    """tempfile takes no parameter. putsegment has file and index, and the count is checked."""
    temp = _ask(lambda _: Answer("t"), lambda api: api.temp_file())
    assert (temp.path, temp.fields) == ("/api/tempfile", {})
    put = _ask(lambda _: Answer("5"), _segment)
    assert (put.method, put.path, put.body) == ("PUT", "/api/putsegment", b"12345")
    assert put.fields == {"file": "f1", "index": "7"}
    with pytest.raises(ShortSegment, match="3 of 5"):
        _ask(lambda _: Answer("3"), _segment)


def test_compid_only_for_a_key_that_is_bound_to_no_company() -> None:
    """compid is sent only if the configuration names no company."""
    with ScriptedServer(lambda _: Answer("1-1\n1-2")) as server:
        _put(_api(server.name, company=None))
        _submit(_api(server.name, company=None))
        _put(_api(server.name))
    assert [r.fields.get("compid") for r in server.requests] == ["Acme", "Acme", None]


def test_job_status() -> None:
    """Each field that matters is read; ids are percent-encoded in the path."""
    text = (
        '{"Name":"T","Submitted":"a","Size":5,"Ext":"pdf","State":1,"Data":null,"Segments":[1,2],'
        '"Properties":{"copies":"2"},"RawPrint":true,"Target":"x","Received":"b","Delivered":null,'
        '"Message":"Paper\\njam","Updated":17}'
    )
    with ScriptedServer(lambda _: Answer(text)) as server:
        status = _api(server.name).job_status(Receipt(TARGETS[1], "1-1"))
    assert server.requests[0].path == "/api/get/job/Acme/Lyon/B%2F2/1-1"
    assert (status.name, status.submitted, status.size_bytes) == ("T", "a", 5)
    assert (status.state, status.message) == (DeliveryState.RECEIVED, "Paper jam")
    assert (status.received, status.delivered) == ("b", "")
    assert status.properties == {"copies": "2"}


@pytest.mark.parametrize("state", [0, 1, 2, 3, 8, 9])
def test_every_state(state: int) -> None:
    """The six states of the document are known, as numbers and as numbers in text."""
    for text in (f'{{"State":{state}}}', f'{{"State":"{state}"}}'):
        answer = Answer(text)
        with ScriptedServer(lambda _: answer) as server:  # noqa: B023 - used in this round only
            assert _api(server.name).job_status(Receipt(TARGETS[0], "1-1")).state == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"State":7}',
        '{"State":-1}',
        '{"State":-2}',
        '{"State":null}',
        '{"State":[]}',
        "{",
        "<html>",
        '{"State":1e999}',
        '{"State":2.9}',
    ],
)
def test_useless_status(text: str) -> None:
    """Any answer other than an object with a known state is an error."""
    with pytest.raises(UnexpectedAnswer):
        _ask(lambda _: Answer(text), _status)


def test_text_that_utf_8_can_not_hold() -> None:
    """A lone surrogate in a message does not fail a delivered job."""
    answer = Answer('{"State":2,"Message":"\\ud800"}')
    with ScriptedServer(lambda _: answer) as server:
        status = _api(server.name).job_status(Receipt(TARGETS[0], "1-1"))
    assert status.message.encode() == b"?"


@pytest.mark.parametrize("size", ['"x"', "1e400"])
def test_odd_types_of_side_fields_do_no_harm(size: str) -> None:
    """A changed type of an unimportant field is not an error."""
    text = f'{{"State":2,"Size":{size},"Segments":"y","Properties":["x"],"Message":{{}}}}'
    with ScriptedServer(lambda _: Answer(text)) as server:
        status = _api(server.name).job_status(Receipt(TARGETS[0], "1-1"))
    assert (status.state, status.size_bytes) == (2, 0)


def test_location_without_its_password() -> None:
    """The password in a location's answer is removed."""
    with ScriptedServer(lambda _: Answer('{"LocID":"Paris","Password":"p4ss"}')) as server:
        assert _api(server.name).location("Paris") == {"LocID": "Paris"}


def test_version_sends_no_key() -> None:
    """version needs no authentication, so no key is sent."""
    request = _ask(lambda _: Answer("3.0\n2.0\nS\nL"), lambda api: api.version())
    assert "Authorization" not in request.headers


@every_call
def test_error_text(call: Callable[[CloudApi], object]) -> None:
    """`Error: …` with status 200 is a refusal in the server's own words."""
    with pytest.raises(Refused, match="no such device"):
        _ask(lambda _: Answer("Error: no such device"), call)


@pytest.mark.parametrize("answer", [Answer("Error: no device 'B'."), Answer("no device 'B'.", 404)])
@pytest.mark.parametrize("name", SUBMITS)
def test_advice_of_a_refusal(name: str, answer: Answer) -> None:
    """The server's words are followed by advice: correct the queue's target, release the job."""
    with pytest.raises(Refused, match=r"no device 'B'\. If .* lpadmin -v.* release the job\.$"):
        _ask(lambda _: answer, CALLS[name])


@pytest.mark.parametrize("answer", [Answer("Error:"), Answer("", 404)])
def test_refusal_without_words(answer: Answer) -> None:
    """The message says that the server gave no reason."""
    with pytest.raises(Refused, match=r": it gave no reason\. If "):
        _ask(lambda _: answer, _put)


@pytest.mark.parametrize("answer", [Answer("Error: unknown location"), Answer("bad key", 401)])
def test_no_job_in_the_advice_of_discovery(answer: Answer) -> None:
    """Without a job or queue, the advice is to correct servers.d."""
    with pytest.raises(Definitive, match=r"servers\.d") as caught:
        _ask(lambda _: answer, CALLS["location"])
    assert "job" not in str(caught.value)
    assert "lpadmin" not in str(caught.value)


@every_call
@pytest.mark.parametrize(
    ("status", "error", "advice"), [(401, KeyRefused, "valid key"), (403, NotPermitted, "grant")]
)
def test_refused_key(
    call: Callable[[CloudApi], object], status: int, error: type[ApiError], advice: str
) -> None:
    """401 and 403 have separate advice. Both name the server, and never show the key, even if the
    server repeats it."""
    with ScriptedServer(lambda _: Answer(f"bad key {KEY}", status)) as server:
        with pytest.raises(error, match=advice) as caught:
            call(_api(server.name))
        assert server.name in str(caught.value)
    assert KEY not in str(caught.value) + caught.value.detail


@every_call
@pytest.mark.parametrize("status", [400, 404, 405, 409])
def test_other_4xx(call: Callable[[CloudApi], object], status: int) -> None:
    """Any other 4xx is a refusal with the body's words."""
    with pytest.raises(Refused, match="missing targets"):
        _ask(lambda _: Answer("missing targets", status), call)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx(name: str, status: int) -> None:
    """A 5xx answer can be retried, but leaves the outcome of a submit unknown."""
    expected: type[ApiError] = SubmitUnanswered if name in SUBMITS else ServerFault
    answer = Answer("<h1>Bad gateway</h1>", status, {"Retry-After": "7"})
    with pytest.raises(expected) as caught:
        _ask(lambda _: answer, CALLS[name])
    if isinstance(caught.value, ServerFault):
        assert caught.value.retry_after_s == 7
    assert "<h1>" not in str(caught.value)


@every_call
def test_429_can_be_tried_again(call: Callable[[CloudApi], object]) -> None:
    """Too many requests are refused before anything is done, so even a submit can be repeated."""
    with pytest.raises(ServerFault, match=r"\(status 429\): slow down\."):
        _ask(lambda _: Answer("slow down.\n", 429), call)
    with pytest.raises(ServerFault, match=r"\(status 429\)\.$"):
        _ask(lambda _: Answer("", 429), call)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "answer",
    [
        Answer("<html><title>Sign in</title></html>", content_type="text/html"),
        Answer("<!DOCTYPE html>", content_type="text/plain"),
        Answer("\ufeff\r\n <html>", content_type="text/plain"),
    ],
    ids=["html", "unlabelled", "behind a BOM"],
)
def test_login_page(name: str, answer: Answer) -> None:
    """A web page with status 200 is an outage; for a submit, the outcome is unknown."""
    expected: type[ApiError] = SubmitUnanswered if name in SUBMITS else UnexpectedAnswer
    with pytest.raises(expected, match="web page"):
        _ask(lambda _: answer, CALLS[name])


RIGHT = {
    "version": "3.0\n2.0\nS\nL",
    "location": '{"LocID": "Paris"}',
    "device": '{"DevID": "L"}',
    "temp_file": "file-7",
    "put_segment": "5",
    "put_file": "1-1\n1-2",
    "submit_file": "1-1\n1-2",
    "job_status": '{"State": 1}',
}


@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["", "BOM"])
@pytest.mark.parametrize("name", CALLS)
def test_right_answer_with_a_wrong_label(name: str, bom: str) -> None:
    """Only the body counts, because the API's document names no content types."""
    answer = Answer(bom + RIGHT[name], content_type="text/html; charset=utf-8")
    _ask(lambda _: answer, CALLS[name])


@every_call
def test_refusal_behind_a_bom(call: Callable[[CloudApi], object]) -> None:
    """`Error: …` behind a BOM is a refusal."""
    with pytest.raises(Refused, match="no such device"):
        _ask(lambda _: Answer("\ufeffError: no such device", content_type="text/html"), call)


@pytest.mark.parametrize("name", SUBMITS)
@pytest.mark.parametrize(
    "text", ["", "\n\n", "1-1", "1-1\n1-2\n1-3", "1-1\n1-1", "OK\n{}", "1\n2", "1-1\n-"]
)
def test_wrong_job_ids(name: str, text: str) -> None:
    """Missing, wrong, equal, too few or too many ids are never a success."""
    with pytest.raises(SubmitUnanswered):
        _ask(lambda _: Answer(text), CALLS[name])


@pytest.mark.parametrize("text", ["", "five", "-5", "5.0", "５"])
def test_count_that_is_no_number(text: str) -> None:
    """A byte count that is not a number is an error."""
    with pytest.raises(UnexpectedAnswer):
        _ask(lambda _: Answer(text), _segment)


@pytest.mark.parametrize("text", ["", "a\nb", "x" * 300])
def test_name_that_is_no_name(text: str) -> None:
    """A file name must be one line of limited length."""
    with pytest.raises(UnexpectedAnswer):
        _ask(lambda _: Answer(text), CALLS["temp_file"])


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "fault",
    [Reset(), RawBytes(b""), RawBytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1-1")],
    ids=["reset", "closed", "cut-off"],
)
def test_lost_answer(name: str, fault: Reset | RawBytes) -> None:
    """A lost answer leaves the outcome of a submit unknown; any other request can be retried."""
    expected: type[ApiError] = SubmitUnanswered if name in SUBMITS else Unreachable
    with pytest.raises(expected):
        _ask(lambda _: fault, CALLS[name])


@pytest.mark.parametrize("name", ["temp_file", "put_file"])
def test_stalled_server(name: str) -> None:
    """A server that does not answer within the read timeout counts as away."""
    expected: type[ApiError] = SubmitUnanswered if name in SUBMITS else Unreachable
    with pytest.raises(expected, match="in time"):
        _ask(lambda _: Stall(), CALLS[name], read_timeout_s=0.3)


DRIPS = {
    "in its head": b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n20220318185808-1",
    "in 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + b"HTTP/1.1 200 OK\r\n\r\nx",
    "in other interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 2
    + b"HTTP/1.1 200 OK\r\n\r\nx",
    "in a body without length": b"HTTP/1.1 200 OK\r\n\r\n" + b"7" * 40,
}


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize("name", CALLS)
def test_answer_that_comes_drop_by_drop(name: str, drip: str) -> None:
    """The time limit applies to the whole answer, not to each byte."""
    script = Drip(DRIPS[drip], 0.02)
    expected = SubmitUnanswered if name in SUBMITS else Unreachable
    with (
        ScriptedServer(lambda _: script) as server,
        pytest.raises(expected, match="no response in time"),
    ):
        CALLS[name](_api(server.name, read_timeout_s=0.2))


@pytest.mark.parametrize("interim", [(102,), (103,), (100, 102, 103, 199)])
def test_interim_answers(interim: tuple[int, ...]) -> None:
    """Interim answers (RFC 9110, 15.2) are skipped, and each request gets its own answer on the
    same connection."""

    def script(request: Request) -> Answer:
        job_id = request.path.rpartition("/")[2]
        return Answer(f'{{"State": 1, "Name": "{job_id}"}}', interim=interim)

    with ScriptedServer(script) as server:
        api = _api(server.name)
        ids = [f"20220318185808-{number}" for number in range(3)]
        assert [api.job_status(Receipt(TARGETS[0], job_id)).name for job_id in ids] == ids
    assert len({request.client_port for request in server.requests}) == 1


@pytest.mark.parametrize("name", CALLS)
def test_switched_protocols(name: str) -> None:
    """An unrequested upgrade is not an answer, and its connection is not reused."""
    expected: type[ApiError] = SubmitUnanswered if name in SUBMITS else Unreachable
    with ScriptedServer(lambda _: Answer(RIGHT[name], interim=(101,))) as server:
        api = _api(server.name)
        for _ in range(2):
            with pytest.raises(expected, match="101"):
                CALLS[name](api)
    assert len({request.client_port for request in server.requests}) == 2


@every_call
def test_connection_refused(call: Callable[[CloudApi], object]) -> None:
    """If the connection is refused, nothing was sent, so even a submit can be retried."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(Unreachable, match="connection refused"):
            call(_api(name))


def test_a_connection_that_is_reset_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the connection is gone before the other end is checked, the message is in plain words."""

    def check(*_: object) -> None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr("cirrus_bridge.api.session.check_peer", check)
    with pytest.raises(Unreachable, match=r"\(connection reset\)"):
        _ask(lambda _: Answer(""), _put)


def test_unknown_host() -> None:
    """A name that does not exist is reported in plain words."""
    with pytest.raises(Unreachable, match="its name"):
        _put(_api("no-such-host.invalid"))


@every_call
def test_tls_to_a_port_without_tls(call: Callable[[CloudApi], object]) -> None:
    """A plain HTTP server is a fault of the configuration, with advice how to use such a server; a
    submit did not happen."""
    with ScriptedServer(lambda _: Answer("1-1\n1-2\n")) as server:
        entry = Server(name=server.name, api_key=Secret(KEY), company="Acme")
        api = CloudApi(entry, "Acme", https=True, timeouts=UploadSettings(read_timeout_s=5))
        with pytest.raises(ServerMisconfigured, match=r'TLS.*encryption = "never"') as caught:
            call(api)
    assert "SSL" not in str(caught.value)
    assert server.requests == []


def test_body_cut_before_its_end_is_no_submit() -> None:
    """A connection that breaks while the file is sent leaves nothing accepted."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)
    name = f"127.0.0.1:{listener.getsockname()[1]}"
    big = zlib.compress(b"", 0) + bytes(64 * 1024 * 1024)

    import threading

    def accept_and_break() -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.close()

    thread = threading.Thread(target=accept_and_break)
    thread.start()
    with pytest.raises(Unreachable):
        _api(name).put_file(big, Ticket(TARGETS, "t", {}, Compression.ZLIB, "k-1"))
    thread.join()
    listener.close()


@every_call
def test_redirect_is_not_followed(call: Callable[[CloudApi], object]) -> None:
    """A redirect to any host is an error that names the host, and the key is not sent there."""
    with ScriptedServer(lambda _: Answer("1-1\n1-2")) as other:
        to_other = Answer("", 307, {"Location": f"http://{other.name}/api/x"})
        with pytest.raises(ServerMisconfigured, match=other.name):
            _ask(lambda _: to_other, call)
    assert other.requests == []


@pytest.mark.parametrize("status", [302, 303])
@pytest.mark.parametrize("name", CALLS)
def test_redirect_that_may_follow_a_deed(name: str, status: int) -> None:
    """RFC 9110, 15.4: after 302 and 303, the outcome of a submit is unknown."""
    elsewhere = Answer("", status, {"Location": "http://there.example/"})
    expected: type[ApiError] = SubmitUnanswered if name in SUBMITS else ServerMisconfigured
    with pytest.raises(expected, match=r"redirects to there\.example"):
        _ask(lambda _: elsewhere, CALLS[name])


def test_key_that_the_server_repeats() -> None:
    """The server's words are shown to people without the key."""
    message = Answer(f'{{"State":2,"Message":"hello {KEY}"}}')
    with ScriptedServer(lambda _: message) as server:
        status = _api(server.name).job_status(Receipt(TARGETS[0], "1-1"))
    assert status.message == "hello ***"
    elsewhere = Answer("", 307, {"Location": f"http://{KEY}.example/"})
    with pytest.raises(ServerMisconfigured) as caught:
        _ask(lambda _: elsewhere, lambda api: api.temp_file())
    assert KEY not in str(caught.value) + caught.value.detail


def test_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    _ask(lambda _: Answer("t"), lambda api: api.temp_file())


def test_proxy_of_the_configuration_is_used() -> None:
    """apple/cups#5485, #853: requests go through the proxy that the server's entry names."""
    with ScriptedServer(lambda _: Answer("t")) as proxy:
        server = Server(
            name="cp.invalid", api_key=Secret(KEY), company="A", proxy=f"http://{proxy.name}"
        )
        api = CloudApi(server, "A", https=False, timeouts=UploadSettings())
        assert api.temp_file() == "t"


def test_endless_answer() -> None:
    """An answer without end is cut off and refused."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    with pytest.raises(UnexpectedAnswer, match="longer than 1 MiB"):
        _ask(lambda _: RawBytes(head + b"1" * 5_000_000), lambda api: api.temp_file())


@pytest.mark.attacker("server")
def test_a_packed_answer() -> None:
    """Send a small response that decompresses to a huge one: decompression stops at the limit."""
    packed = gzip.compress(bytes(1 << 28), 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    tracemalloc.start()
    try:
        with pytest.raises(UnexpectedAnswer, match="longer than 1 MiB"):
            _ask(lambda _: RawBytes(head + packed), lambda api: api.temp_file())
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.attacker("server")
@pytest.mark.parametrize(
    "text",
    [
        "[" * 1000 + "]" * 1000,
        "[" * 1_000_000,
        '{"a":' * 17 + "1" + "}" * 17,
        "{" + ",".join(f'"{n}":[]' for n in range(MOST_VALUES)) + "}",
        '{"State":1,"Segments":[' + "1.5," * MOST_VALUES + "1]}",
        '{"Name":"\\"[","Segments":' + "[" * 17 + '"]"' + "]" * 17 + "}",
    ],
    ids=["deep", "deep and cut off", "deep objects", "objects", "numbers", "behind strings"],
)
def test_json_that_would_fill_the_memory(text: str) -> None:
    """Send JSON with many values or levels: refused before it is parsed."""
    with pytest.raises(UnexpectedAnswer, match="too many values"):
        _ask(lambda _: Answer(text), _status)


def test_brackets_in_strings_are_not_levels() -> None:
    """Strings may hold any characters, and JSON may have as many levels as the API needs."""
    levels = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    message = json.dumps("[{" * 20_000 + '\\",' * 20_000)
    answer = Answer(f'{{"State":1,"Message":{message},"Segments":{levels}}}')
    with ScriptedServer(lambda _: answer) as server:
        status = _api(server.name).job_status(Receipt(TARGETS[0], "1-1"))
    assert status.message.startswith("[{[{")


@pytest.mark.attacker("server")
@pytest.mark.parametrize("letter", ["x", "é", "日", "😀"])
def test_a_long_message(letter: str) -> None:
    """Send a long message for a job: 1 KiB is kept, and its end shows the cut."""
    answer = Answer(f'{{"State":2,"Message":"Error: {letter * 200_000}"}}')
    with ScriptedServer(lambda _: answer) as server:
        status = _api(server.name).job_status(Receipt(TARGETS[0], "1-1"))
    assert 1020 <= len(status.message.encode()) <= 1024
    assert status.message.startswith(f"Error: {letter}") and status.message.endswith(f"{letter}…")


@pytest.mark.attacker("server")
def test_cookies_without_end() -> None:
    """Set cookies without end: memory does not grow, and a load balancer's cookie is still sent
    back."""

    def script(request: Request) -> RawBytes:
        number = len(server.requests)
        large = "".join(f"Set-Cookie: a{number}-{n}={'x' * 9000}\r\n" for n in range(9))
        small = "".join(f"Set-Cookie: b{number}-{n}=x\r\n" for n in range(9))
        head = f"HTTP/1.1 200 OK\r\nSet-Cookie: node={number}\r\nConnection: close\r\n"
        return RawBytes(f"{head}{small}{large}\r\nt".encode())

    with ScriptedServer(script) as server:
        api = _api(server.name)
        for _ in range(9):
            api.temp_file()
    cookies = server.requests[-1].headers["Cookie"]
    assert "node=8" in cookies.split("; ") and len(cookies) < 200


def test_a_ca_that_only_root_could_read() -> None:
    """The error names the unreadable file; the server does not count as away."""
    server = Server("cp.example.com", Secret(KEY), ca_file="/etc/cirrus-bridge/servers.d/gone.pem")
    with pytest.raises(BadConfiguration, match="readable by everyone"):
        CloudApi(server, "Acme", https=True, timeouts=UploadSettings()).version()


def test_secret_props() -> None:
    """A secret prop is in the body, which servers do not log, and in no message. The digits of a
    job id may be the same."""
    ticket = Ticket(TARGETS[:1], "T", {"copies": "1"}, Compression.ZLIB, "k-1", {"Pin": "4711"})
    request = _ask(lambda _: Answer("2026-4711"), lambda api: api.submit_file("f1", ticket))
    assert "4711" not in request.path
    assert request.fields["props"] == "copies=1\nPin=4711"
    for answer in (Answer("Error: props: Pin=4711 is too short"), Answer("bad 4711", 400)):
        with pytest.raises(Refused) as caught:
            _ask(lambda _, answer=answer: answer, lambda api: api.submit_file("f1", ticket))  # type: ignore[misc]
        assert "4711" not in f"{caught.value.text} {caught.value.detail} {ticket}"
    with ScriptedServer(lambda _: Answer("2026-4711")) as server:
        assert _api(server.name).submit_file("f1", ticket)[0].cloud_job_id == "2026-4711"
