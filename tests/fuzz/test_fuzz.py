"""Any input from outside is understood, or refused with one clear message.

The input is queue URIs, job options, server responses, the configuration and IPP of cupsd. The
corpus has earlier failures and likely ones; the prefix of a file's name selects its test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import (
    ApiError,
    BadConfiguration,
    BadQueueUri,
    CirrusError,
    ExposedKey,
)
from cirrus_bridge.base.model import Place, Receipt, Segment, Target
from cirrus_bridge.config.load import UploadSettings, load
from cirrus_bridge.config.queue_uri import format_queue_uri, parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.cups.job import read_job
from cirrus_bridge.drivers.devices import devices
from cirrus_bridge.ipp.message import decode
from cirrus_bridge.sending.job_props import job_props
from scripted_server import Answer, ScriptedServer

CORPUS = Path(__file__).parent / "corpus"
KEY = "sekret-k3y"
PLACE = Place("h", "Acme", "Paris")
TARGET = Target("Paris", "L1")
MESSAGE_BYTES = 1023  # text(MAX) of RFC 8011, 5.1.2, in which CUPS keeps a job's message


def corpus(kind: str) -> list[bytes]:
    """The corpus files for a test."""
    return [path.read_bytes() for path in sorted(CORPUS.glob(f"{kind}-*"))]


def is_clear(error: CirrusError) -> bool:
    """Tell whether an error is one line for a person, with a code and without the key."""
    text = f"{error} ({error.code})"
    return len(text) > 20 and text.isprintable() and KEY not in f"{text} {error.detail}"


# pieces of a queue URI, with any text between them
_PIECES = st.sampled_from(
    [
        "cirrus://",
        "h",
        ":443",
        "/",
        "Acme",
        "/",
        "Paris",
        ":",
        "L1",
        ";",
        "?",
        "&",
        "=",
        "%",
        "#",
        "@",
        "%2F",
        "%C3%BC",
        "%FF",
        "%00",
        "[::1]",
        "wait=delivered",
        "waittimeout=",
        "maxheld=-1",
    ]
)
URIS = st.lists(_PIECES | st.text(max_size=5), max_size=14).map("".join)


@pytest.mark.parametrize("uri", corpus("uri"))
def test_uri_of_the_corpus(uri: bytes) -> None:
    """See `test_uri`."""
    _read_uri(uri.decode("utf-8", "surrogateescape"))


@given(URIS | URIS.map("cirrus://h/Acme/Paris:L1?".__add__) | URIS.map("cirrus://h/".__add__))
def test_uri(uri: str) -> None:
    """An accepted URI names the same place after it is formatted again."""
    _read_uri(uri)


def _read_uri(uri: str) -> None:
    try:
        queue = parse_queue_uri(uri)
    except BadQueueUri as error:
        assert is_clear(error)
        return
    again = parse_queue_uri(format_queue_uri(queue.server, queue.company, queue.targets))
    assert (again.server, again.company) == (queue.server, queue.company)
    assert again.targets == queue.targets


_NAMES = st.sampled_from(
    [
        "copies",
        "media",
        "PageSize",
        "sides",
        "Duplex",
        "InputSlot",
        "media-col",
        "orientation",
        "print-color-mode",
        "ColorModel",
        "job-priority",
        "page-ranges",
        "number-up",
        "Collate",
        "orientation-requested",
        "print-scaling",
        "fit-to-page",
        "landscape",
        "job-uuid",
        "scale",
        "time-at-processing",
        "time-at-completed",
        "multiple-document-handling",
        "bmp",
        "priority",
    ]
)
_VALUES = st.text(max_size=12) | st.integers().map(str) | st.sampled_from(
    ["iso_a4_210x297mm", "A4", "Custom.1x1", "{media-size={x-dimension=1", "'", '"', "true", ""]
)  # fmt: skip
OPTIONS = st.lists(
    st.tuples(_NAMES, _VALUES).map("=".join) | st.text(max_size=10), max_size=8
).map(" ".join)  # fmt: skip


@pytest.mark.parametrize("options", corpus("options"))
def test_options_of_the_corpus(options: bytes) -> None:
    """See `test_options`."""
    _read_options("1", "title", "1", options.decode("utf-8", "surrogateescape"))


@given(st.text(max_size=6), st.text(max_size=300), st.integers().map(str) | st.text(), OPTIONS)
def test_options(job_id: str, title: str, copies: str, options: str) -> None:
    """No text of a user adds a line to the props, which are lines of `name=value`."""
    _read_options(job_id if job_id.isdigit() else "1", title, copies, options)


def _read_options(job_id: str, title: str, copies: str, options: str) -> None:
    argv = ["cirrus", job_id, "user", title, copies, options, "/spool/d00001-001"]
    try:
        job = read_job(argv, {"PRINTER": "q"})
        props = job_props(job, ["user", "host", "queue"])
    except CirrusError as error:
        assert is_clear(error)
        return
    assert job.title.isprintable()
    for name, value in props.items():
        assert name.isascii()
        assert value.isprintable()
        assert "=" not in name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
_FIELDS = st.sampled_from(["State", "Message", "Created", "Devices", "Printers", "Name", "LocID"])
BODIES = st.one_of(
    JSON.map(json.dumps),
    st.dictionaries(_FIELDS, JSON).map(json.dumps),
    st.text(max_size=200),
    st.lists(st.text("0123456789-", max_size=20), max_size=4).map("\n".join),
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 301, 302, 400, 401, 403, 404, 429, 500, 503])
CALLS = {
    "version": lambda api: api.version(),
    "location": lambda api: api.location("Paris"),
    "temp_file": lambda api: api.temp_file(),
    "put_segment": lambda api: api.put_segment("f1", Segment(0, b"12345")),
    "job_status": lambda api: api.job_status(Receipt(TARGET, "20220318185808-1")),
}
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Location", "Idempotency-Supported", "Content-Type"]),
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20),
    max_size=3,
)


@pytest.fixture(scope="module")
def answering() -> Iterator[tuple[ScriptedServer, list[Answer], CloudApi]]:
    """A server that returns the last response of a list, and an API client for the server."""
    answers = [Answer("")]
    with ScriptedServer(lambda _: answers[-1]) as server:
        timeouts = UploadSettings(connect_timeout_s=5, read_timeout_s=5)
        entry = Server(server.name, Secret(KEY), "Acme", ())
        yield server, answers, CloudApi(entry, "Acme", https=False, timeouts=timeouts)


@given(st.sampled_from(sorted(CALLS)), BODIES, STATUSES, HEADERS)
def test_answers(
    answering: tuple[ScriptedServer, list[Answer], CloudApi],
    call: str,
    body: str,
    status: int,
    headers: dict[str, str],
) -> None:
    """Any response to a repeatable call is understood or gives a clear error."""
    _, answers, api = answering
    answers[:] = [Answer(body.encode("utf-8", "replace").decode(), status, headers)]
    try:
        CALLS[call](api)
    except ApiError as error:
        assert is_clear(error)


@given(st.dictionaries(st.sampled_from(["Devices", "Printers", "Name", "IsWindows"]), JSON))
def test_locations(answer: dict[str, object]) -> None:
    """Each device of a location is one line and one driver."""
    for device in devices(PLACE, answer):
        assert device.device_line.isprintable()
        if device.language:
            assert device.ppd().startswith("*PPD-Adobe")


_TABLES = [
    "[defaults]",
    "[upload]",
    "[statusd]",
    "[journal]",
    "[printers]",
    "[[server]]",
    "[other]",
]
_KEYS = st.sampled_from(
    [
        "host",
        "company",
        "api_key",
        "api_key_file",
        "locations",
        "proxy",
        "ca_file",
        "wait",
        "allow_plaintext",
        "local_user",
        "maxheld",
        "identify",
        "connections",
        "segment_bytes",
        "hook",
        "notify",
        "keep_days",
        "metrics_port",
        "requests_per_minute",
        "contimeout",
        "listen",
        "port",
        "networks",
        "devices",
        "certificate",
        "odd",
    ]
)
_TOML = st.one_of(
    st.sampled_from(['"x"', '""', "1", "-1", "1.5", "nan", "true", "[]", '["a"]', "[1]", "{a=1}"]),
    st.sampled_from([f'"{KEY}"', f'["{KEY}"]', '"\\u0000"', "1979-05-27", "99999999999999999999"]),
    st.text(max_size=8),
)
TOML = st.lists(
    st.sampled_from(_TABLES) | st.tuples(_KEYS, _TOML).map(" = ".join) | st.text(max_size=8),
    max_size=10,
).map("\n".join)


@given(TOML | TOML.map("[[server]]\n".__add__), TOML)
def test_configuration(tmp_path: Path, servers: str, bridge: str) -> None:
    """An error names the file, and never shows a key, even one in the wrong place."""
    _load(tmp_path, servers.encode("utf-8", "replace"), bridge.encode("utf-8", "replace"))


@pytest.mark.parametrize("toml", corpus("toml"))
def test_configuration_of_the_corpus(tmp_path: Path, toml: bytes) -> None:
    """See `test_configuration`."""
    _load(tmp_path, toml, b"")


def _load(folder: Path, servers: bytes, bridge: bytes) -> None:
    (folder / "servers.d").mkdir(exist_ok=True)
    (folder / "servers.d" / "a.toml").touch(0o600)
    (folder / "servers.d" / "a.toml").write_bytes(servers)
    (folder / "bridge.toml").write_bytes(bridge)
    try:
        configuration = load(folder)
    except (BadConfiguration, ExposedKey) as error:
        assert is_clear(error)
        assert str(folder) in str(error)
    else:
        assert KEY not in repr(configuration)


@given(st.binary(max_size=200) | st.binary(max_size=100).map(b"\x02\x00\x00\x00\0\0\0\1".__add__))
def test_ipp(data: bytes) -> None:
    """A response of cupsd is decoded, or raises a ValueError with a text."""
    try:
        decode(data)
    except ValueError as error:
        assert str(error)
