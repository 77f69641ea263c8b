"""Jobs and queues of a real cupsd, read and changed over IPP as the poller does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import CupsAway, CupsGone, CupsNotPossible, CupsRefused
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.jobs import fitting, operator_message
from cirrus_bridge.cups.queues import MESSAGE_PREFIX, CupsQueues
from private_cups import PrivateCups, private_cups

# holds a job, and ends it when it comes again; "talk" sets a reason and a message of its own,
# "work" does not come to its end
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
# as distributions ship it: changes are for administrators who have shown who they are
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
    """A private cupsd with one queue, whose backend hands its jobs over."""
    with private_cups([backend], {"SEEN": str(tmp_path / "seen")}) as server:
        server.add_queue("q", "cirrus://cloud.test/C/L:D", driver=None)
        yield server


@pytest.fixture
def queues(cups: PrivateCups) -> CupsQueues:
    """Its jobs and queues, over the socket."""
    return CupsQueues(CupsServer(str(cups.socket)))


def held(cups: PrivateCups, *options: str) -> int:
    """A job that its backend has put on hold."""
    job_id = cups.lp("q", "-o", "raw", *options, data=b"text")
    cups.wait_job(job_id, "held")
    return job_id


def reasons(cups: PrivateCups) -> set[str]:
    """The queue's reasons, as another client sees them."""
    return set(cups.printer("q")["printer-state-reasons"])


def talk(cups: PrivateCups) -> None:
    """Let the queue's backend leave a reason and a message."""
    job_id = cups.lp("q", "-o", "raw", "-t", "talk", data=b"text")
    cups.wait_job(job_id)


def test_a_held_job_tells_how_it_goes(cups: PrivateCups, queues: CupsQueues) -> None:
    """Its message is there for every client, beside that of its last run."""
    job_id = held(cups)
    before = queues.job(job_id).message
    queues.set_message(job_id, "Waiting for “São Paulo”")
    seen = cups.job(job_id)
    assert seen["job-message-from-operator"] == "Waiting for “São Paulo”"
    assert seen.get("job-printer-state-message", "") == before
    job = queues.job(job_id, also=["job-priority"])
    assert (job.job_id, job.queue, job.state, job.hold_until) == (job_id, "q", HELD, "indefinite")
    assert job.message == job.told == "Waiting for “São Paulo”"
    assert job.job_uuid == seen["job-uuid"]
    assert job.attributes["job-priority"] == [50]
    assert "job-hold-until-specified" in job.reasons


def test_a_text_is_cut_at_a_character(cups: PrivateCups, queues: CupsQueues) -> None:
    """127 octets at most, or 1,023; a line break is a space."""
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
    """Each does what lp would."""
    job_id = held(cups)
    queues.release_job(job_id)
    cups.wait_job(job_id, "completed")
    created = cups.job(job_id)["time-at-processing"]
    queues.restart_job(job_id)
    assert cups.wait_job(job_id, "completed")["time-at-processing"] >= created


def test_a_completed_job_can_not_be_changed(cups: PrivateCups, queues: CupsQueues) -> None:
    """Told apart from one that is not there."""
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
    """Both lists, with what is needed to know a job again."""
    assert queues.jobs() == []
    first, second = held(cups), held(cups)
    queues.release_job(first)
    cups.wait_job(first, "completed")
    (waiting,) = queues.jobs()
    (ended,) = queues.jobs(completed=True, also=["cirrus-state"])
    assert (waiting.job_id, waiting.state) == (second, HELD)
    assert (ended.job_id, ended.state) == (first, COMPLETED)
    assert waiting.job_uuid.startswith("urn:uuid:")
    assert waiting.attributes["time-at-completed"] == []  # no-value
    held(cups)
    assert [job.job_id for job in queues.jobs(limit=1)] == [second]


def test_queues(cups: PrivateCups, queues: CupsQueues) -> None:
    """All of them with their URIs, whatever they are called."""
    cups.add_queue("Büro", "cirrus://cloud.test/C/L:%C3%9C", driver=None)
    found = {printer.name: printer for printer in queues.queues()}
    assert set(found) == {"q", "Büro"}
    assert found["Büro"] == queues.queue("Büro")
    assert found["Büro"].device_uri == "cirrus://cloud.test/C/L:%C3%9C"
    assert (found["q"].state, found["q"].reasons) == (3, ())


def test_reasons_of_others_stay(cups: PrivateCups, queues: CupsQueues) -> None:
    """Ours come and go beside the backend's own; what is so already is not written."""
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
    """Back to `none`."""
    queues.tell_queue("q", [LATE], "")
    queues.tell_queue("q", [], "")
    assert reasons(cups) == {"none"}


def test_a_message_is_set_where_nobody_else_speaks(cups: PrivateCups, queues: CupsQueues) -> None:
    """Over none or our own, not over the backend's error."""
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
    """Reasons are told meanwhile, the message is not."""
    cups.wait_job(cups.lp("q", "-o", "raw", "-t", "work", data=b"text"), "processing")
    assert queues.tell_queue("q", [LATE], "3 jobs wait.")
    assert LATE in reasons(cups)
    assert queues.queue("q").message == ""


def test_a_policy_that_asks_who_it_is(backend: Path) -> None:
    """Over the socket the kernel vouches for us; over the network nobody does."""
    with private_cups([backend], {}, directives=[STRICT]) as server:
        server.add_queue("q", "cirrus://cloud.test/C/L:D", driver=None)
        assert CupsQueues(CupsServer(str(server.socket))).tell_queue("q", [LATE], "")
        with pytest.raises(CupsRefused, match="SystemGroup"):
            CupsQueues(CupsServer(f"127.0.0.1:{server.port}")).tell_queue("q", [AWAY], "")


def test_a_paused_queue_stays_as_it_is(cups: PrivateCups, queues: CupsQueues) -> None:
    """Its state, its reason and the administrator's words; afterwards ours come again."""
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


def test_what_survives_a_restart_of_cups(cups: PrivateCups, queues: CupsQueues) -> None:
    """Away while it is away; then the job is as it was, and the queue but for its message."""
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
    """And there again when it is started again."""
    held(cups)
    cups.kill()
    with pytest.raises(CupsAway):
        queues.jobs()
    cups.start()
    assert queues.jobs()


def test_by_host_and_port(cups: PrivateCups) -> None:
    """A cupsd without a socket, as far as its policy allows."""
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
    """Whatever comes instead of an answer, nothing waits for ever and nothing else is raised."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    threading.Thread(target=_answers, args=(listener, answer), daemon=True).start()
    with pytest.raises(CupsAway):
        CupsQueues(CupsServer(f"127.0.0.1:{port}", timeout_s=0.5)).jobs()
