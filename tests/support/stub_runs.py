"""A program that starts runs of a stub worker, for tests: a fork is safe here, and not in pytest.

Arguments: the seconds after which an idle process rests and ends. Each line on standard input is
`start JOB` or `stop JOB`; at its end, the runs are stopped. The program writes the news as JSON.
Jobs below 100 succeed; below 200, the process may not go on; below 300, the job works until it is
stopped; below 400, a signal ends the process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import Interrupted
from cirrus_bridge.ipp_server import job_processes
from cirrus_bridge.ipp_server.job_processes import JobProcesses, Tell


class StubWorker:
    """Tells its process with each job, and when it rests."""

    def __init__(self) -> None:
        self._tell: Tell = lambda _: None

    def run(self, job_id: int, tell: Tell, clock: Clock) -> bool:
        self._tell = tell
        tell({"job": job_id, "process": os.getpid()})
        if job_id >= 300:
            os.kill(os.getpid(), signal.SIGKILL)
        if job_id >= 200:
            try:
                with clock.stoppable():
                    clock.sleep(600)
            except Interrupted:
                tell({"job": job_id, "stopped": True})
        return job_id < 100 or job_id >= 200

    def rest(self) -> None:
        self._tell({"rests": os.getpid()})


def main() -> None:
    job_processes.REST_S, job_processes.IDLE_S = map(float, sys.argv[1:])
    processes = JobProcesses(StubWorker)
    while True:
        for ready in select.select([sys.stdin, processes.socket], [], [])[0]:
            if ready is sys.stdin:
                words = os.read(0, 100).decode().split()
                if not words:
                    _say(processes.close())
                    return
                for what, job_id in zip(words[::2], words[1::2], strict=True):
                    (processes.start if what == "start" else processes.stop)(int(job_id))
            else:
                _say(processes.news())


def _say(news: list[dict[str, object]]) -> None:
    for each in news:
        print(json.dumps(each), flush=True)


if __name__ == "__main__":
    main()
