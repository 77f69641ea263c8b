"""A private cupsd: its own folders, socket and loopback port, beside the machine's own CUPS.

Demo and tests use it. It runs the distribution's scheduler and filters, as root or as any user. It
never touches /etc/cups, /var/spool/cups or the system's service. Nothing keeps running after
`stop()`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ports import reserved_port
from private_cups_layout import configure, lay_out, socket_path
from programs import Program

DRIVER = "drv:///cirrus-bridge.drv/cirrus-generic-pdf.ppd"
# RFC 8011, 5.3.7: the states that a job does not leave by itself
FINAL_STATES = {7: "canceled", 8: "aborted", 9: "completed"}
STATES = {3: "pending", 4: "held", 5: "processing", 6: "stopped", **FINAL_STATES}
START_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 60.0
LOG_LINES = 60
# lines about single requests and connections, which are numerous
_SINGLE = re.compile(r"\[Client |BusyState|[A-Z][-A-Za-z]+ ipp://|CUPS-Get-")


class PrivateCups:
    """One private cupsd below `root`, which is an empty folder at first.

    Args:
        root: a short path: the socket's full path has to fit into 107 bytes (unix(7)).
        backend: the command of the CUPS backend `cirrus`.
        backend_env: its variables; cupsd passes on none.
        driver: the driver program, if any.
        web_interface: whether CUPS's own web pages are on.
        retry_interval_s: the time after which CUPS repeats a job that asks for it.
        directives: more lines for cupsd.conf.
    """

    def __init__(
        self,
        root: Path,
        backend: Sequence[str | Path],
        backend_env: Mapping[str, str],
        *,
        driver: Sequence[str | Path] = (),
        web_interface: bool = False,
        retry_interval_s: int = 2,
        directives: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.socket = socket_path(root)
        self.port = reserved_port(self)
        self._cupsd: Program[bytes] | None = None
        lay_out(root, backend, backend_env, driver)
        configure(
            root,
            port=self.port,
            web_interface=web_interface,
            retry_interval_s=retry_interval_s,
            directives=directives,
        )

    @property
    def pid(self) -> int:
        """The process id of the running cupsd."""
        assert self._cupsd is not None, "it does not run"
        return self._cupsd.pid

    @property
    def env(self) -> dict[str, str]:
        """The environment for lp, lpadmin and lpstat, without the user's own ~/.cups."""
        kept = {name: text for name, text in os.environ.items() if name in ("PATH", "TERM", "TZ")}
        # an ordinary user's PATH lacks /usr/sbin, which has lpadmin and lpinfo
        kept["PATH"] = f"{kept.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        return {
            **kept,
            "CUPS_SERVER": str(self.socket),
            "HOME": str(self.root / "home"),
            "LC_ALL": "C.UTF-8",
        }

    def uri(self, queue: str) -> str:
        """A queue's address for ipptool(1), which ignores CUPS_SERVER."""
        return f"ipp://127.0.0.1:{self.port}/printers/{queue}"

    def error_log(self) -> str:
        """The log of cupsd, filters and backends."""
        return (self.root / "log" / "error_log").read_text("utf-8", "replace")

    def start(self) -> None:
        """Start cupsd and wait until it answers.

        Raises:
            RuntimeError: cupsd ended, or did not answer in time; the text has the end of its log.
        """
        etc = self.root / "etc"
        with (self.root / "log" / "stderr").open("ab") as stderr:
            self._cupsd = Program[bytes](
                [
                    self.root / "cupsd",
                    "-f",
                    "-c",
                    etc / "cupsd.conf",
                    "-s",
                    etc / "cups-files.conf",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C at the terminal must not reach cupsd
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._cupsd.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"cupsd did not start:\n{self.log_end()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop cupsd as the system would (it kills its backends), and all its programs."""
        self._end(signal.SIGTERM)

    def kill(self, *, alone: bool = False) -> None:
        """Stop cupsd like a power failure: backends and filters die with it, unless `alone`."""
        self._end(signal.SIGKILL, alone=alone)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Keep cupsd from answering in the context."""
        if self._cupsd is None:
            raise RuntimeError("cupsd does not run")
        self._cupsd.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._cupsd.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def run(self, *command: str | Path) -> str:
        """Run a CUPS command against this cupsd; return its output.

        Raises:
            RuntimeError: the command failed; the text is its own.
        """
        done = self._run(command)
        return done.stdout.decode("utf-8", "replace")

    def add_queue(
        self,
        name: str,
        uri: str,
        *,
        driver: str | None = DRIVER,
        policy: str = "retry-job",
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Add a queue as an administrator does; without a driver, the queue is raw."""
        model = ("-m", driver) if driver else ()
        settings = {"printer-error-policy": policy, **(options or {})}
        words = [word for pair in settings.items() for word in ("-o", "=".join(pair))]
        self.run("lpadmin", "-p", name, "-E", "-v", uri, *model, *words)

    def lp(self, queue: str, *arguments: str | Path, data: bytes | None = None) -> int:
        """Print with lp(1), `data` as its standard input; return the CUPS job id."""
        done = self._run(("lp", "-d", queue, *arguments), data)
        # request id is QUEUE-17 (1 file(s))
        return int(done.stdout.decode().split()[3].rpartition("-")[2])

    def job(self, job_id: int) -> dict[str, Any]:
        """All attributes of a job."""
        attributes: dict[str, Any] = self._connection().getJobAttributes(job_id)
        return attributes

    def printer(self, queue: str) -> dict[str, Any]:
        """All attributes of a queue."""
        attributes: dict[str, Any] = self._connection().getPrinterAttributes(queue)
        return attributes

    def wait_job(self, job_id: int, *states: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """Wait until a job has one of `states` (by default, a final one); return its attributes.

        Raises:
            TimeoutError: the text has the job's attributes and the end of the log.
        """
        wanted = states or tuple(FINAL_STATES.values())
        deadline = time.monotonic() + timeout_s
        while True:
            job = self.job(job_id)
            if STATES[job["job-state"]] in wanted:
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is not {wanted}: {job}\n{self.log_end()}")
            time.sleep(0.1)

    def log_end(self) -> str:
        """The last lines of the logs, without lines about single requests and connections."""
        lines: list[str] = []
        for name in ("stderr", "error_log"):
            path = self.root / "log" / name
            if path.exists():
                lines += path.read_text("utf-8", "replace").splitlines()
        telling = [line for line in lines if not _SINGLE.search(line)]
        return "\n".join(telling[-LOG_LINES:])

    def _run(
        self, command: Sequence[str | Path], data: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        words = [str(word) for word in command]
        done = subprocess.run(
            words,
            env=self.env,
            input=data or b"",
            capture_output=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace")
            raise RuntimeError(f"{shlex.join(words)}: {said}")
        return done

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        done = subprocess.run(["lpstat", "-r"], env=self.env, capture_output=True, check=False)
        return b"is running" in done.stdout

    def _connection(self) -> Any:
        import cups  # late: this module is imported before the project is installed

        return cups.Connection(host=str(self.socket))

    def _end(self, number: signal.Signals, *, alone: bool = False) -> None:
        if self._cupsd is None:
            return
        children = [] if alone else _descendants(self._cupsd.pid)
        if number == signal.SIGKILL:
            for pid in children:  # power fails for all at once: no process may see another's end
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
        self._cupsd.send_signal(number)
        self._cupsd.end()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._cupsd = None


@contextlib.contextmanager
def private_cups(
    backend: Sequence[str | Path], backend_env: Mapping[str, str], **settings: Any
) -> Iterator[PrivateCups]:
    """Start a private cupsd in a short-lived folder; stop and remove it at the end.

    Args:
        settings: as `PrivateCups` takes them.
    """
    root = Path(tempfile.mkdtemp(prefix="cups-"))
    try:
        server = PrivateCups(root, backend, backend_env, **settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(root)


def _descendants(pid: int) -> list[int]:
    """The processes below `pid`; cupsd gives each child a process group of its own."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found
