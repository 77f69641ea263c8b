"""Faults of the line to the cloud, and the requests that they hit, for the matrices of faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from answers import WEB_PAGE, answer, mislabeled, with_interim
from cloudlet_server import CloudletServer
from tcp_proxy import TcpProxy

SMALL, LARGE = 1000, 1_500_000
# Request → size of a document that needs it, and a unique part of it.
REQUESTS: dict[str, tuple[int, bytes]] = {
    "putfile": (SMALL, b"PUT /api/putfile?"),
    "tempfile": (LARGE, b"POST /api/tempfile"),
    "putsegment": (LARGE, b"PUT /api/putsegment?"),
    "submitfile": (LARGE, b"POST /api/submitfile"),
    "get job": (SMALL, b"GET /api/get/job/"),
}


class FaultySite(Protocol):
    """A site with a cloud."""

    @property
    def cloud(self) -> CloudletServer: ...


Fault = Callable[[FaultySite, TcpProxy, bytes], None]


def instead(answer: bytes, times: int = 1) -> Fault:
    """The client gets an answer that is not the server's, a number of times."""

    def make(_: FaultySite, line: TcpProxy, piece: bytes) -> None:
        line.answer_instead = (piece, answer, times)

    return make


def _lose_request(_: FaultySite, line: TcpProxy, piece: bytes) -> None:
    line.lose_requests_with = piece


def _lose_answer(_: FaultySite, line: TcpProxy, piece: bytes) -> None:
    line.lose_answers_after = piece


def _stall(_: FaultySite, line: TcpProxy, piece: bytes) -> None:
    line.lose_answers_after, line.keep_answers = piece, True


def _restart(site: FaultySite, line: TcpProxy, piece: bytes) -> None:
    def restart() -> None:
        site.cloud.restart()
        line.lost += 1

    line.at_request = (piece, restart)


def _rewrite(rewrite: Callable[[bytes], bytes]) -> Fault:
    def make(_: FaultySite, line: TcpProxy, piece: bytes) -> None:
        def begin() -> None:
            line.rewrite_answers = rewrite
            line.lost += 1

        line.at_answer = (piece, begin)

    return make


COMMON_FAULTS: dict[str, Fault] = {
    "reset before the request": _lose_request,
    "reset after the request": _lose_answer,
    "no answer at all": _stall,
    "server restarts": _restart,
    "closed without an answer": instead(b""),
    "answer cut off": instead(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n2026"),
    "500": instead(answer("500 Internal Server Error", "oops")),
    "502 three times": instead(answer("502 Bad Gateway", "<h1>502</h1>"), 3),
    "503 with Retry-After": instead(answer("503 Unavailable", "later", "Retry-After: 1")),
    "429": instead(answer("429 Too Many Requests", "slow down", "Retry-After: 1")),
    "401": instead(answer("401 Unauthorized", "who are you?")),
    "404": instead(answer("404 Not Found", "no such thing")),
    "Error text": instead(answer("200 OK", "Error: something is wrong")),
    "login page": instead(WEB_PAGE),
    "interim answers": _rewrite(with_interim),
    "labeled text/html": _rewrite(mislabeled),
    "nothing": instead(answer("200 OK", "")),
}
