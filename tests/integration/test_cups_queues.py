"""The poller's view of jobs and queues, against a real cupsd."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import CupsAway, CupsGone, CupsNotPossible, CupsRefused
from cirrus_bridge.base.text import fitting
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.jobs import operator_message
from cirrus_bridge.cups.queues import MESSAGE_PREFIX, CupsQueues
from private_cups import PrivateCups, private_cups

# holds a job, and completes it at its second run; "talk" sets a reason and a message, "work"
# does not end
HOLDING_BACKEND = """
[ $# -eq 0 ] && exit
case $3 in
talk) echo "STATE: +media-low-warning" >&2; echo "ERROR: of the backend" >&2; exit 0;;
work) exec sleep 60;;
esac
[ -e "$SEEN.$1" ] && exit 0
touch "$SEEN.$1"
exit 3
"""
# as distributions ship it: only authenticated administrators may change anything
STRICT = """
DefaultPolicy strict
<Policy strict>
  <Limit All>
    AuthType Basic
    Require user @SYSTEM
    Order deny,allow
  </Limit>
</Policy>
"""
LATE = "cirrus-delivery-late-warning"
AWAY = "cirrus-delivery-location-away"
HELD, COMPLETED = 4, 9


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """The backend of the queue."""
    program = tmp_path / "backend"
    program.write_text(f"#!/bin/sh\n{HOLDING_BACKEND}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def cups(tmp_path: Path, backend: Path) -> Iterator[PrivateCups]:
    """A private cupsd with one queue, whose backend holds its jobs."""
    with private_cups([backend], {"SEEN": str(tmp_path / "seen")}) as server:
        server.add_queue("q", "cirrus://cloud.test/C/L:D", driver=None)
        yield server


@pytest.fixture
def queues(cups: PrivateCups) -> CupsQueues:
    """The jobs and queues of the private cupsd, over its socket."""
    return CupsQueues(CupsServer(str(cups.socket)))


def held(cups: PrivateCups, *options: str) -> int:
    """Print a job that its backend holds, and return its id."""
    job_id = cups.lp("q", "-o", "raw", *options, data=b"text")
    cups.wait_job(job_id, "held")
    return job_id


def reasons(cups: PrivateCups) -> set[str]:
    """The queue's reasons, as another client sees the queue."""
    return set(cups.printer("q")["printer-state-reasons"])


def talk(cups: PrivateCups) -> None:
    """Let the queue's backend leave a reason and a message."""
    job_id = cups.lp("q", "-o", "raw", "-t", "talk", data=b"text")
    cups.wait_job(job_id)


def test_the_message_of_a_held_job(cups: PrivateCups, queues: CupsQueues) -> None:
    """Every client sees the message, beside the message of the last run."""
    job_id = held(cups)
    before = queues.job(job_id).message
    queues.set_message(job_id, "Waiting for “São Paulo”")
    seen = cups.job(job_id)
    assert seen["job-message-from-operator"] == "Waiting for “São Paulo”"
    assert seen.get("job-printer-state-message", "") == before
    job = queues.job(job_id)
    assert (job.job_id, job.queue, job.state, job.hold_until) == (job_id, "q", HELD, "indefinite")
    assert job.message == job.told == "Waiting for “São Paulo”"
    assert job.job_uuid == seen["job-uuid"]
    assert job.attributes["job-priority"] == [50]
    assert "job-hold-until-specified" in job.reasons


def test_a_text_is_cut_at_a_character(cups: PrivateCups, queues: CupsQueues) -> None:
    """A text has at most 127 octets, or 1,023; a line break becomes a space."""
    job_id = held(cups)
    text = "é\n" + "日本" * 1000
    queues.set_message(job_id, text)
    message = queues.job(job_id).message
    assert message == operator_message(text)
    for cut, most_bytes in ((message, 127), (fitting(text), 1023)):
        assert cut.startswith("é 日本")
        assert cut.endswith(("日…", "本…"))
        assert most_bytes - 5 < len(cut.encode()) <= most_bytes


def test_release_restart(cups: PrivateCups, queues: CupsQueues) -> None:
    """Release and restart have the effect that they have with lp."""
    job_id = held(cups)
    queues.release_job(job_id)
    cups.wait_job(job_id, "completed")
    created = cups.job(job_id)["time-at-processing"]
    queues.restart_job(job_id)
    assert cups.wait_job(job_id, "completed")["time-at-processing"] >= created


def test_a_completed_job_cannot_be_changed(cups: PrivateCups, queues: CupsQueues) -> None:
    """A completed job and an unknown job raise different errors."""
    job_id = held(cups)
    queues.release_job(job_id)
    cups.wait_job(job_id, "completed")
    with pytest.raises(CupsNotPossible):
        queues.set_message(job_id, "late")
    with pytest.raises(CupsNotPossible):
        queues.release_job(job_id)
    for ask in (queues.job, queues.release_job):
        with pytest.raises(CupsGone):
            ask(4711)
    with pytest.raises(CupsGone):
        queues.queue("nobody")


def test_jobs_that_wait_and_jobs_that_ended(cups: PrivateCups, queues: CupsQueues) -> None:
    """Both lists have the attributes that identify a job."""
    assert queues.jobs() == []
    first, second = held(cups), held(cups)
    queues.release_job(first)
    cups.wait_job(first, "completed")
    (waiting,) = queues.jobs()
    (ended,) = queues.jobs(completed=True)
    assert (waiting.job_id, waiting.state) == (second, HELD)
    assert (ended.job_id, ended.state) == (first, COMPLETED)
    assert waiting.job_uuid.startswith("urn:uuid:")
    assert waiting.attributes["time-at-completed"] == []  # no-value
    held(cups)
    assert [job.job_id for job in queues.jobs(limit=1)] == [second]


def test_queues(cups: PrivateCups, queues: CupsQueues) -> None:
    """All queues are listed with their URIs, including queues with non-ASCII names."""
    cups.add_queue("Büro", "cirrus://cloud.test/C/L:%C3%9C", driver=None)
    found = {printer.name: printer for printer in queues.queues()}
    assert set(found) == {"q", "Büro"}
    assert found["Büro"] == queues.queue("Büro")
    assert found["Büro"].device_uri == "cirrus://cloud.test/C/L:%C3%9C"
    assert (found["q"].state, found["q"].reasons) == (3, ())


def test_reasons_of_others_stay(cups: PrivateCups, queues: CupsQueues) -> None:
    """Our reasons come and go beside the backend's; an unchanged state is not written."""
    talk(cups)
    assert queues.tell_queue("q", [LATE, AWAY], "")
    assert reasons(cups) == {"media-low-warning", LATE, AWAY}
    assert not queues.tell_queue("q", [AWAY, LATE], "")
    assert queues.tell_queue("q", [AWAY], "")
    assert reasons(cups) == {"media-low-warning", AWAY}
    held(cups)
    assert reasons(cups) == {"media-low-warning", AWAY}  # through a job
    assert queues.tell_queue("q", [], "")
    assert reasons(cups) == {"media-low-warning"}


def test_the_last_reason_goes(cups: PrivateCups, queues: CupsQueues) -> None:
    """Without our reason, the queue's reason is `none` again."""
    queues.tell_queue("q", [LATE], "")
    queues.tell_queue("q", [], "")
    assert reasons(cups) == {"none"}


def test_a_message_of_the_backend_stays(cups: PrivateCups, queues: CupsQueues) -> None:
    """A message replaces only an empty message or our own, never the backend's error."""
    assert queues.tell_queue("q", [], "3 jobs wait for Paris.")
    assert MESSAGE_PREFIX + "3 jobs wait for Paris." in cups.run("lpstat", "-p", "q")
    assert not queues.tell_queue("q", [], "3 jobs wait for Paris.")
    assert queues.tell_queue("q", [], "2 jobs wait for Paris.")
    assert queues.tell_queue("q", [], "")
    assert queues.queue("q").message == ""
    talk(cups)
    assert not queues.tell_queue("q", [], "2 jobs wait for Paris.")
    assert queues.queue("q").message == "of the backend"


def test_a_message_is_the_backends_while_it_works(cups: PrivateCups, queues: CupsQueues) -> None:
    """While a backend works, reasons are set, but no message is."""
    cups.wait_job(cups.lp("q", "-o", "raw", "-t", "work", data=b"text"), "processing")
    assert queues.tell_queue("q", [LATE], "3 jobs wait.")
    assert LATE in reasons(cups)
    assert queues.queue("q").message == ""


def test_a_policy_that_requires_authentication(backend: Path) -> None:
    """The kernel authenticates us over the socket; over the network we are refused."""
    with private_cups([backend], {}, directives=[STRICT]) as server:
        server.add_queue("q", "cirrus://cloud.test/C/L:D", driver=None)
        assert CupsQueues(CupsServer(str(server.socket))).tell_queue("q", [LATE], "")
        with pytest.raises(CupsRefused, match="SystemGroup"):
            CupsQueues(CupsServer(f"127.0.0.1:{server.port}")).tell_queue("q", [AWAY], "")


def test_the_version_without_queues(cups: PrivateCups, queues: CupsQueues) -> None:
    """Without queues, the first two numbers of cupsd's version are known."""
    exact = queues.version()
    assert exact.count(".") == 2
    cups.run("lpadmin", "-x", "q")
    assert queues.version() == exact.rpartition(".")[0]


def test_a_paused_queue_stays_as_it_is(cups: PrivateCups, queues: CupsQueues) -> None:
    """State, reason and message of a paused queue stay; a resumed queue gets our reasons."""
    queues.tell_queue("q", [LATE], "")
    cups.run("cupsdisable", "-r", "out of paper", "q")
    before = queues.queue("q")
    assert not queues.tell_queue("q", [], "2 jobs wait.")
    assert queues.queue("q") == before
    assert (before.state, before.message) == (5, "out of paper")
    assert reasons(cups) == {"paused", LATE}
    cups.run("cupsenable", "q")
    assert queues.tell_queue("q", [AWAY], "")
    assert (queues.queue("q").state, reasons(cups)) == (3, {AWAY})


def test_a_restart_of_cups(cups: PrivateCups, queues: CupsQueues) -> None:
    """The job and the queue's reasons survive a restart; the queue's message is lost."""
    job_id = held(cups)
    queues.set_message(job_id, "Waiting for Paris")
    queues.tell_queue("q", [LATE], "1 job waits.")
    cups.stop()
    for _ in range(2):
        with pytest.raises(CupsAway):
            queues.set_message(job_id, "Waiting")
    cups.start()
    job = queues.job(job_id)
    assert (job.state, job.message) == (HELD, "Waiting for Paris")
    printer = queues.queue("q")
    assert (printer.reasons, printer.message) == ((LATE,), "")
    assert queues.tell_queue("q", [LATE], "1 job waits.")


def test_a_cups_that_is_killed_is_away(cups: PrivateCups, queues: CupsQueues) -> None:
    """A killed cupsd is away until it is started again."""
    held(cups)
    cups.kill()
    with pytest.raises(CupsAway):
        queues.jobs()
    cups.start()
    assert queues.jobs()


def test_by_host_and_port(cups: PrivateCups) -> None:
    """A cupsd is reachable by host and port, as far as its policy allows."""
    queues = CupsQueues(CupsServer(f"127.0.0.1:{cups.port}"))
    assert queues.queue("q").name == "q"


def _answers(listener: socket.socket, answer: bytes) -> None:
    with listener:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)
            connection.recv(65536)  # until the client gives up


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x02\0",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x02\0\0\0\0\0\0\x01\x02",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<htm",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["stalled", "cut", "unfinished", "no IPP", "busy", "no HTTP"],
)
def test_a_cups_that_answers_badly_is_away(tmp_path: Path, answer: bytes) -> None:
    """A wrong or missing response raises CupsAway within the timeout."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    threading.Thread(target=_answers, args=(listener, answer), daemon=True).start()
    with pytest.raises(CupsAway):
        CupsQueues(CupsServer(f"127.0.0.1:{port}", timeout_s=0.5)).jobs()
