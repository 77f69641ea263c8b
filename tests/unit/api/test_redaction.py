"""Secrets that a server repeats, in each place of an answer and in each encoding."""

from __future__ import annotations

import base64
import itertools
import json
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.connectivity import Endpoint, handshake, server_time
from cirrus_bridge.api.redaction import PART_BYTES, SHORTEST, Redaction
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.model import Compression, Receipt, Segment, Target, Ticket
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.servers import Secret, Server
from repeated_key import ENCODINGS, shown
from scripted_server import Answer, RawBytes, Request, ScriptedServer

KEY = "sekret-k3y/Z+9"
TARGET = Target("Paris", "L")
TICKET = Ticket((TARGET,), "T", {}, Compression.NONE, "k-1")


OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n"
PLACES = {
    "reason": "HTTP/1.1 200 {}\r\n\r\nError: no",
    "reason of a fault": "HTTP/1.1 500 {}\r\n\r\nno",
    "status": "HTTP/1.1 {} OK\r\n\r\n",
    "version": "{} 200 OK\r\n\r\n",
    "part of the version": "HTTP/{} 200 OK\r\n\r\n",
    "no HTTP": "{}",
    "name of a header": OK + "{}: x\r\n\r\nError: no",
    "value of a header": OK + "X: {}\r\n\r\nError: no",
    "folded header": OK + "X: a\r\n {}\r\n\r\nError: no",
    "line without a colon": OK + "{}\r\nX: y\r\n\r\nError: no",
    "Content-Length": OK + "Content-Length: {}\r\n\r\n1-1",
    "Transfer-Encoding": OK + "Transfer-Encoding: {}\r\n\r\n1-1",
    "Content-Encoding": OK + "Content-Encoding: {}\r\n\r\n1-1",
    "gzip": OK + "Content-Encoding: gzip\r\n\r\n{}",
    "Set-Cookie": OK + "Set-Cookie: {}\r\n\r\nError: no",
    "Server-Instance": OK + "Server-Instance: {}\r\n\r\nt",
    "Retry-After": "HTTP/1.1 503 OK\r\nRetry-After: {}\r\n\r\n",
    "Location": "HTTP/1.1 307 OK\r\nLocation: http://{}.example/\r\n\r\n",
    "Location of a deed": "HTTP/1.1 302 OK\r\nLocation: http://{}/{}\r\n\r\n",
    "size of a chunk": CHUNKED + "{}\r\nx\r\n0\r\n\r\n",
    "extension of a chunk": CHUNKED + "3;{}\r\n1-1\r\n0\r\n\r\n",
    "chunk without an end": CHUNKED + "3\r\n1-1{}",
    "trailer": CHUNKED + "3\r\n1-1\r\n0\r\nX: {}\r\n\r\n",
    "interim answer": "HTTP/1.1 103 {}\r\nLink: {}\r\n\r\n" + OK + "\r\nError: {}",
    "other protocol": "HTTP/1.1 101 {}\r\nUpgrade: {}\r\n\r\n",
    "body": OK + "\r\n{}",
    "job id": OK + "\r\n1-{}",
    "Error:": OK + "\r\nError: {}",
    "cut": OK + "\r\nError: " + 285 * "x" + " {}",
    "401": "HTTP/1.1 401 OK\r\n\r\n{}",
    "403": "HTTP/1.1 403 OK\r\n\r\nno {}.",
    "404": "HTTP/1.1 404 OK\r\n\r\n{}",
    "web page": OK + "\r\n<html>{}",
    "message": OK + '\r\n{"State":1,"Message":"a {} b"}',
    "long message": OK + '\r\n{"State":1,"Message":"' + 1010 * "x" + ' {}"}',
    "other texts": OK + '\r\n{"State":1,"Name":"{}","Submitted":"{}","Properties":{"{}":"{}"}}',
    "state": OK + '\r\n{"State":"{}"}',
    "no JSON": OK + '\r\n{"State":{}}',
    "devices": OK + '\r\n{"Devices":{"{}":{"Name":"{}","Notes":["{}"]}},"LocID":"{}"}',
}
CALLS: dict[str, Callable[[CloudApi], object]] = {
    "version": lambda api: api.version(),
    "location": lambda api: api.location("Paris"),
    "device": lambda api: api.device(TARGET),
    "temp_file": lambda api: (api.temp_file(), api.server_instance),
    "put_segment": lambda api: api.put_segment("f", Segment(0, b"12345")),
    "put_file": lambda api: api.put_file(b"data", TICKET),
    "job_status": lambda api: api.job_status(Receipt(TARGET, "1-1")),
}


def _texts(error: BaseException | None) -> Iterator[str]:
    """All texts that a log may show of an error, and of those that it refers to."""
    while error is not None:
        yield repr(error)
        yield repr(getattr(error, "__dict__", ""))
        error = error.__cause__ or error.__context__


def _outcome(call: Callable[[], object]) -> str:
    try:
        return repr(call())
    except CirrusError as error:
        return "\n".join(_texts(error))


@pytest.mark.attacker("server")
@pytest.mark.parametrize("place", PLACES)
def test_the_key_in_an_answer(place: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Repeat the key anywhere in a response, in any encoding: no value, error or output contains
    the key."""
    answers = [RawBytes(b"")]
    with ScriptedServer(lambda _: answers[-1]) as server:
        timeouts = UploadSettings(connect_timeout_s=5, read_timeout_s=5)
        entry = Server(server.name, Secret(KEY), "Acme")
        api = CloudApi(entry, "Acme", https=False, timeouts=timeouts)
        for encoding, encode in ENCODINGS.items():
            text = PLACES[place].replace("{}", encode(KEY))
            answers.append(RawBytes(text.encode()))
            for name in (
                CALLS if encoding == "as it is" else ("temp_file", "put_file", "job_status")
            ):
                said = _outcome(lambda: CALLS[name](api))  # noqa: B023 - used in this round only
                assert not shown(said, KEY), (encoding, name, said)
    assert capfd.readouterr() == ("", "")


@pytest.mark.attacker("server")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_key_in_a_message(encoding: str) -> None:
    """Repeat the key in a location's message: the message is shown without the key."""
    message = json.dumps({"State": 1, "Message": f"before {ENCODINGS[encoding](KEY)} after"})
    with ScriptedServer(lambda _: Answer(message)) as server:
        entry = Server(server.name, Secret(KEY), "Acme")
        api = CloudApi(entry, "Acme", https=False, timeouts=UploadSettings())
        said = api.job_status(Receipt(TARGET, "1-1")).message
    assert said.startswith("before ") and said.endswith(" after") and "***" in said
    assert not shown(said, KEY)


@pytest.mark.attacker("server")
def test_the_key_in_an_answer_to_a_wrong_key() -> None:
    """Answer the doctor's wrong key with the right one: the doctor does not show the right key."""
    with ScriptedServer(lambda _: Answer(f"not {KEY}", 401)) as server:
        entry = Server(server.name, Secret(KEY), "Acme")
        wrong = Secret("another-key")
        timeouts = UploadSettings()
        api = CloudApi(entry, "Acme", https=False, timeouts=timeouts, wrong_key=wrong)
        said = _outcome(api.temp_file)
    assert server.requests[0].headers["Authorization"] == "Bearer another-key"
    assert "not ***" in said and not shown(said, KEY)


PASSWORD = "pÄss w@rd-7zqxjk"
QUOTED = quote(PASSWORD, safe="")


@pytest.mark.attacker("server")
@pytest.mark.parametrize("https", [True, False])
@pytest.mark.parametrize("status", [403, 407, 503])
def test_the_secrets_in_the_answer_of_a_proxy(tmp_path: Path, https: bool, status: int) -> None:
    """As a proxy, repeat the key or the proxy's password: neither printing nor the doctor shows
    them."""
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca))

    repeated = [KEY]

    def script(request: Request) -> RawBytes:
        basic = request.headers["Proxy-Authorization"]
        words = f"{basic} {PASSWORD} {QUOTED} {repeated[-1]}".encode()
        return RawBytes(b"HTTP/1.1 %d %s\r\nX: %s\r\n\r\n%s" % (status, words, words, words))

    with ScriptedServer(script) as proxy:
        url = f"http://user:{QUOTED}@{proxy.name}"
        entry = Server("print.example", Secret(KEY), "A", proxy=url, ca_file=str(ca))
        api = CloudApi(entry, "A", https=https, timeouts=UploadSettings())
        endpoint = Endpoint("print.example", 443, url)
        for encode in ENCODINGS.values():
            repeated.append(encode(KEY))
            said = _outcome(api.temp_file)
            if encode(KEY) in (KEY, ENCODINGS["line break"](KEY)):
                said += _outcome(lambda: handshake(endpoint, str(ca), timeout_s=5))
                said += _outcome(lambda: server_time(endpoint, https=True, timeout_s=5))
            assert not shown(said, KEY), said
            for secret in (
                PASSWORD,
                QUOTED,
                base64.b64encode(f"user:{PASSWORD}".encode()).decode(),
            ):
                assert not shown(said, secret[8:]), said
    assert str(status) in said


def test_the_key_in_an_answer_to_the_doctor() -> None:
    """The doctor's look at the server's clock shows no key."""
    answers = [RawBytes(b"")]
    with ScriptedServer(lambda _: answers[-1]) as server:
        host, _, port = server.name.partition(":")
        endpoint = Endpoint(host, int(port))
        for encode in ENCODINGS.values():
            answers.append(RawBytes(f"HTTP/1.1 {encode(KEY)} OK\r\n\r\n".encode()))
            assert not shown(_outcome(lambda: server_time(endpoint, https=False, timeout_s=5)), KEY)


def test_honest_words() -> None:
    """A text without secrets stays as it is, with all its escapes."""
    redaction = Redaction(KEY, "abc")
    for text in ('{"a":"\\u00fc\\n%20&#65;"}', "100 %", "abcd abc1 dabc", "ü\ud800", ""):
        assert redaction.text(text) == text


@pytest.mark.parametrize("secret", ["k", "abc", "x" * (SHORTEST - 1), "-+/*-+/*-+"])
def test_a_short_secret(secret: str) -> None:
    """A short secret is removed as a whole word, but other words stay."""
    redaction = Redaction(secret)
    assert redaction.text(f"bad key {secret}.") == "bad key ***."
    words = f"{secret}s {secret.upper()} a{secret}b 1{secret}2"
    if secret.isalpha():
        assert redaction.text(words) == words


def test_random_alignments() -> None:
    """base64 hides no key, whatever stands before and after it."""
    redaction = Redaction(KEY)
    for before, after in itertools.product(range(7), range(4)):
        packed = base64.b64encode(b"\xff" * before + KEY.encode() + b"\xff" * after).decode()
        assert not shown(redaction.text(packed), KEY)
        assert "***" in redaction.text(f"x {packed} y")


@pytest.mark.parametrize("encoding", ["JSON", "percent", "HTML", "repr", "zero width"])
def test_a_key_in_much_data(encoding: str) -> None:
    """A key is found at every place of data that is taken apart."""
    form = ENCODINGS[encoding](KEY).encode("ascii", "backslashreplace")
    redaction = Redaction(KEY)
    for filling in (b"\\u00e9", b"%c3", b"x", b" "):
        for at in range(0, len(form), 5):
            before = filling * (PART_BYTES // len(filling)) + b"x" * (at - len(form) // 2)
            masked = redaction.data(before[: PART_BYTES - at] + b" " + form + filling)
            assert not shown(masked[-300:].decode(), KEY)


def test_time_is_linear() -> None:
    """Words that are made of the key's beginning do not take longer than others."""
    key = string.ascii_lowercase[:1] * 30 + "b"
    text = key + ("a" + " " * 50) * 5000
    assert Redaction(key).text(text).startswith("***")


def test_time_of_backslashes() -> None:
    """A long run of backslashes takes no hours, however the run ends."""
    redaction = Redaction(KEY)
    for end in (b"", b"u00e9", b"x41"):
        assert redaction.data(b"\\" * (1 << 22) + end).endswith(end)
