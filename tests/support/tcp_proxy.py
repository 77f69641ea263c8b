"""A real TCP proxy in front of a server, which slows down or breaks connections."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable

from accepting import Accepting, reset


class TcpProxy(Accepting):
    """A context manager. A "piece" below is bytes that identify a request.

    Attributes:
        bytes_per_s: limits the way to the server.
        lose_answers_after: a piece; the server gets the request, the client a reset.
        keep_answers: whether those answers are withheld forever instead.
        lose_requests_with: a piece; the server does not get the request, the client gets a reset.
        hide: words that each side does not see of the other.
        answer_instead: a piece, the answer to the client, and how often; the server gets nothing.
        at_request: a piece, and a function to call once before the request goes on.
        at_answer: a piece, and a function to call once before the client gets the answer.
        cut_answer: a piece, and after how many bytes its answer is cut; once.
        rewrite_answers: changes the server's bytes for the client.
        heads: the first lines of all requests.
    """

    def __init__(self, server: str) -> None:
        super().__init__()
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self.bytes_per_s: float | None = None
        self.lose_answers_after: bytes | None = None
        self.keep_answers = False
        self.hide: tuple[bytes, ...] = ()
        self.lose_requests_with: bytes | None = None
        self.answer_instead: tuple[bytes, bytes, int] | None = None
        self.at_request: tuple[bytes, Callable[[], object]] | None = None
        self.at_answer: tuple[bytes, Callable[[], object]] | None = None
        self.cut_answer: tuple[bytes, int] | None = None
        self.rewrite_answers: Callable[[bytes], bytes] = bytes
        self.heads: list[bytes] = []
        self.lost = 0
        self.sent_bytes = 0

    def _serve(self, client: socket.socket) -> None:
        try:
            connected = socket.create_connection(self._server)
        except OSError:  # the client sees the same failure as without the proxy
            with client:
                reset(client)
            return
        with client, connected as server:
            lose = threading.Event()
            act_then: list[Callable[[], object]] = []
            cuts: list[int] = []
            back = threading.Thread(
                target=self._pump_back, args=(server, client, lose, act_then, cuts)
            )
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(16 * 1024):
                    if data.startswith((b"PUT ", b"POST ", b"GET ")):
                        self.heads.append(data.partition(b"\r\n")[0])
                    if self.at_request and self.at_request[0] in data:
                        act, self.at_request = self.at_request[1], None
                        act()
                    if self._answers(client, data):
                        break
                    if self.lose_requests_with and self.lose_requests_with in data:
                        self.lost += 1
                        reset(client)
                        break
                    if self.lose_answers_after and self.lose_answers_after in data:
                        lose.set()
                    self._prepare_answer(data, cuts, act_then)
                    server.sendall(self._hidden(data))
                    self.sent_bytes += len(data)
                    if self.bytes_per_s:
                        time.sleep(len(data) / self.bytes_per_s)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _prepare_answer(
        self, data: bytes, cuts: list[int], act_then: list[Callable[[], object]]
    ) -> None:
        """Note what is to happen to the answer of a request, or before it."""
        if self.cut_answer and self.cut_answer[0] in data:
            cuts.append(self.cut_answer[1])
            self.cut_answer = None
        if self.at_answer and self.at_answer[0] in data:
            act_then.append(self.at_answer[1])
            self.at_answer = None

    def _answers(self, client: socket.socket, data: bytes) -> bool:
        """If `answer_instead` names this request, answer it here once it is complete."""
        if self.answer_instead is None or self.answer_instead[0] not in data:
            return False
        piece, answer, times = self.answer_instead
        self.answer_instead = (piece, answer, times - 1) if times > 1 else None
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        left = int(length[1]) - len(body) if length else 0
        while left > 0:
            left -= len(client.recv(64 * 1024)) or left
        client.sendall(answer)
        self.lost += 1
        return True

    def _hidden(self, data: bytes) -> bytes:
        for word in self.hide:
            data = data.replace(word, b"x" * len(word))
        return data

    def _pump_back(
        self,
        server: socket.socket,
        client: socket.socket,
        lose: threading.Event,
        act_then: list[Callable[[], object]],
        cuts: list[int],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(16 * 1024):
                if cuts:
                    if cuts[0] < len(data):
                        client.sendall(data[: cuts[0]])
                        self.lost += 1
                        reset(client)
                        return
                    cuts[0] -= len(data)
                while act_then:
                    act_then.pop()()
                if lose.is_set():
                    self.lost += 1
                    if self.keep_answers:
                        continue
                    reset(client)
                    return
                client.sendall(self.rewrite_answers(self._hidden(data)))
            client.shutdown(socket.SHUT_WR)
