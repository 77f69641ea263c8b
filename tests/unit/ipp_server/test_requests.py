"""The form of requests."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.ipp.message import (
    Attribute,
    Group,
    Operation,
    Status,
    attributes_end,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import Charset, Keyword, Language, Name, Text, Uri, Value
from cirrus_bridge.ipp_server.requests import (
    Client,
    Refusal,
    Request,
    Response,
    read_request,
    response_bytes,
)

CLIENT = Client("192.0.2.1")
PRINTER = Attribute("printer-uri", [Uri("ipp://h:8631/ipp/print/p")])


def _read(*attributes: Attribute, operation: int = Operation.GET_JOBS) -> Request:
    return read_request(encode(operation, [(Group.OPERATION, attributes)]), CLIENT)


def _refusal(head: bytes) -> Status:
    with pytest.raises(Refusal) as caught:
        read_request(head, CLIENT)
    return caught.value.status


def _raw(*attributes: tuple[str, Value], version: bytes = b"\2\0", request_id: int = 1) -> bytes:
    """A request whose operation attributes are exactly these."""
    whole = encode(
        Operation.GET_JOBS, [(Group.OPERATION, [Attribute(n, [v]) for n, v in attributes])]
    )
    first = encode(Operation.GET_JOBS, [(Group.OPERATION, [])])
    begin = struct.pack(">2sHI", version, Operation.GET_JOBS, request_id)
    return begin + bytes([Group.OPERATION]) + whole[len(first) - 1 :]


UTF8 = ("attributes-charset", Charset("utf-8"))
ENGLISH = ("attributes-natural-language", Language("en"))
URI = ("printer-uri", PRINTER.values[0])


def test_a_request_to_a_printer() -> None:
    request = _read(PRINTER, Attribute("requesting-user-name", [Name("ann")]))
    assert (request.printer, request.job_id, request.user) == ("p", 0, "ann")
    assert request.language == "en"


def test_a_request_about_a_job() -> None:
    """By its URI, or by the printer's URI and the job's id."""
    by_uri = _read(Attribute("job-uri", [Uri("ipp://h/ipp/print/p/12")]))
    by_id = _read(PRINTER, Attribute("job-id", [12]))
    assert (by_uri.printer, by_uri.job_id) == (by_id.printer, by_id.job_id) == ("p", 12)


def test_a_verified_name_counts() -> None:
    """A client cannot print as someone else after a sign-in."""
    head = encode(
        Operation.GET_JOBS,
        [(Group.OPERATION, [PRINTER, Attribute("requesting-user-name", [Name("root")])])],
    )
    assert read_request(head, Client("h", user="ann")).user == "ann"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (_raw(ENGLISH, UTF8, URI), Status.BAD_REQUEST),
        (_raw(UTF8, URI), Status.BAD_REQUEST),
        (_raw(UTF8, URI, ENGLISH), Status.BAD_REQUEST),
        (_raw(("attributes-charset", Keyword("utf-8")), ENGLISH, URI), Status.BAD_REQUEST),
        (
            _raw(("attributes-charset", Charset("klingon")), ENGLISH, URI),
            Status.CHARSET_NOT_SUPPORTED,
        ),
        (_raw(UTF8, ENGLISH), Status.BAD_REQUEST),
        (_raw(UTF8, ENGLISH, ("printer-uri", Text("ipp://h/ipp/print/p"))), Status.BAD_REQUEST),
        (_raw(UTF8, ENGLISH, URI, version=b"\0\0"), Status.VERSION_NOT_SUPPORTED),
        (_raw(UTF8, ENGLISH, URI, version=b"\7\0"), Status.VERSION_NOT_SUPPORTED),
        (_raw(UTF8, ENGLISH, URI, request_id=0), Status.BAD_REQUEST),
        (_raw(UTF8, ENGLISH, ("job-uri", Uri("ipp://h/ipp/print/p/x"))), Status.NOT_FOUND),
        (b"", Status.BAD_REQUEST),
        (encode(Operation.GET_JOBS, []), Status.BAD_REQUEST),
        (encode(Operation.GET_JOBS, [(Group.JOB, [])]), Status.BAD_REQUEST),
        (encode(0x3FFF, [(Group.OPERATION, [PRINTER])]), Status.OPERATION_NOT_SUPPORTED),
    ],
)
def test_an_invalid_request(head: bytes, status: Status) -> None:
    assert _refusal(head) is status


def test_ipp_1_1() -> None:
    """The response has the request's version and id."""
    head = _raw(UTF8, ENGLISH, URI, version=b"\1\1", request_id=77)
    answer = decode(response_bytes(head, Response()))
    assert (answer.version, answer.request_id, answer.code) == ((1, 1), 77, Status.OK)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_response(data: bytes) -> None:
    """No bytes of a client end in anything but a status."""
    try:
        read_request(data, CLIENT)
    except Refusal as error:
        response = Response(error.status, error.message)
    else:
        response = Response()
    assert decode(response_bytes(data, response)).code == response.status


@given(st.binary(max_size=100), st.integers(0, 400))
def test_where_the_attributes_end(data: bytes, cut: int) -> None:
    """A part of the attributes has no end; the end is where the document begins."""
    head = encode(Operation.PRINT_JOB, [(Group.OPERATION, [PRINTER]), (Group.JOB, [])])
    assert attributes_end(head + data) == len(head)
    if cut < len(head):
        assert attributes_end(head[:cut]) is None
