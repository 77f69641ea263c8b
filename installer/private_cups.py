"""A private cupsd: its own folders, socket and loopback port, beside the machine's own CUPS.

Used by the demo and by the tests. Starts Debian's real scheduler with real filters; needs no
root (then cupsd, filters and backends run as the user who started it). Never touches /etc/cups,
/var/spool/cups or the system's service, and leaves nothing running behind `stop()`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SERVER_BIN = Path("/usr/lib/cups")
DATA_DIR = Path("/usr/share/cups")
DRIVER = "drv:///cirrus-bridge.drv/cirrus-generic-pdf.ppd"
DRIVER_SOURCE = Path(__file__).parents[1] / "ppd" / "cirrus-bridge.drv"
# RFC 8011, 5.3.7: the states that a job does not leave by itself
FINAL_STATES = {7: "canceled", 8: "aborted", 9: "completed"}
STATES = {3: "pending", 4: "held", 5: "processing", 6: "stopped", **FINAL_STATES}
START_TIMEOUT_S = 20.0

CUPSD_CONF = """\
LogLevel debug
LogTimeFormat usecs
MaxLogSize 0
Listen 127.0.0.1:{port}
Listen {socket}
Browsing Off
DefaultAuthType None
WebInterface {web}
PreserveJobHistory Yes
DirtyCleanInterval 0
PreserveJobFiles Yes
JobRetryInterval {retry_interval_s}
<Location />
  Order allow,deny
  Allow localhost
</Location>
<Location /admin>
  Order allow,deny
  Allow localhost
</Location>
<Policy default>
  JobPrivateAccess all
  JobPrivateValues none
  <Limit All>
    Order deny,allow
    Allow localhost
  </Limit>
</Policy>
"""
CUPS_FILES_CONF = """\
ServerRoot {root}/etc
ServerBin {root}/bin
DataDir {root}/data
RequestRoot {root}/spool
CacheDir {root}/cache
StateDir {root}/state
TempDir {root}/spool/tmp
AccessLog {root}/log/access_log
ErrorLog {root}/log/error_log
PageLog {root}/log/page_log
User {user}
Group {group}
SystemGroup {system_groups}
FileDevice Yes
"""


class PrivateCups:
    """One private cupsd below `root`, an empty folder that every user may pass through.

    Args:
        root: its path must be short: the socket's full path has to fit into 107 bytes (unix(7)).
        backend: the command that is the CUPS backend `cirrus`.
        backend_env: variables for it; cupsd itself passes on none.
        web_interface: whether CUPS's own web pages are on.
        retry_interval_s: after which time CUPS tries a job again that asks for it.
    """

    def __init__(
        self,
        root: Path,
        backend: Sequence[str | Path],
        backend_env: Mapping[str, str],
        *,
        web_interface: bool = False,
        retry_interval_s: int = 2,
    ) -> None:
        self.root = root
        self.socket = root / "state" / "cups.sock"
        self.port = _free_port()
        self._cupsd: subprocess.Popen[bytes] | None = None
        self._lay_out(backend, backend_env)
        self._configure("Yes" if web_interface else "No", retry_interval_s)

    @property
    def env(self) -> dict[str, str]:
        """The environment for lp, lpadmin and lpstat; the person's own ~/.cups is left out."""
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "TERM", "TZ")}
        return {
            **kept,
            "CUPS_SERVER": str(self.socket),
            "HOME": str(self.root / "home"),
            "LC_ALL": "C.UTF-8",
        }

    @property
    def error_log(self) -> str:
        """Everything that cupsd, filters and backends have logged."""
        return (self.root / "log" / "error_log").read_text("utf-8", "replace")

    def start(self) -> None:
        """Start cupsd and wait until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time; the text has the end of its log.
        """
        etc = self.root / "etc"
        # A copy of the program, because AppArmor profiles go by path: the distribution's profile
        # for /usr/sbin/cupsd allows the system's folders only.
        program = self.root / "cupsd"
        if not program.exists():
            shutil.copy("/usr/sbin/cupsd", program)
        with (self.root / "log" / "stderr").open("ab") as stderr:
            self._cupsd = subprocess.Popen(
                [program, "-f", "-c", etc / "cupsd.conf", "-s", etc / "cups-files.conf"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._cupsd.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"cupsd did not start:\n{self._log_end()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop cupsd as the system would, and whatever it had started."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop cupsd as a power failure would: backends and filters die with it."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def run(self, *command: str | Path, **options: Any) -> str:
        """Run a CUPS command against this cupsd; returns its output."""
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=False, **options
        )
        if done.returncode:
            raise RuntimeError(f"{shlex.join(map(str, command))}: {done.stderr or done.stdout}")
        output: str = done.stdout
        return output

    def add_queue(
        self, name: str, uri: str, *, driver: str | None = DRIVER, policy: str = "retry-job"
    ) -> None:
        """Add a queue as an administrator does; without a driver it is a raw one."""
        model = ("-m", driver) if driver else ()
        self.run(
            "lpadmin", "-p", name, "-E", "-v", uri, *model, "-o", f"printer-error-policy={policy}"
        )

    def lp(self, queue: str, *arguments: str | Path, data: bytes | None = None) -> int:
        """Print with lp(1); returns the CUPS job id."""
        command = ["lp", "-d", queue, *map(str, arguments)]
        done = subprocess.run(command, env=self.env, input=data, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace"))
        # request id is QUEUE-17 (1 file(s))
        return int(done.stdout.decode().split()[3].rpartition("-")[2])

    def job(self, job_id: int) -> dict[str, Any]:
        """All attributes of a job."""
        with self._connected() as connection:
            attributes: dict[str, Any] = connection.getJobAttributes(job_id)
        return attributes

    def printer(self, queue: str) -> dict[str, Any]:
        """All attributes of a queue."""
        with self._connected() as connection:
            attributes: dict[str, Any] = connection.getPrinterAttributes(queue)
        return attributes

    def wait_job(self, job_id: int, *states: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Wait until a job is in one of `states` (a final one if none is named).

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
                raise TimeoutError(f"job {job_id} is not {wanted}: {job}\n{self._log_end()}")
            time.sleep(0.1)

    def _lay_out(self, backend: Sequence[str | Path], backend_env: Mapping[str, str]) -> None:
        for folder in ("etc", "spool/tmp", "cache", "state", "log", "home", "data/drv"):
            (self.root / folder).mkdir(parents=True)
        server_bin = self.root / "bin"
        for folder in ("backend", "filter", "driver"):
            (server_bin / folder).mkdir(parents=True)
        for folder in ("filter", "driver"):
            _link_all(SERVER_BIN / folder, server_bin / folder)
        for folder in ("daemon", "cgi-bin", "monitor", "notifier"):
            (server_bin / folder).symlink_to(SERVER_BIN / folder)
        _link_all(DATA_DIR, self.root / "data", but="drv")
        _link_all(DATA_DIR / "drv", self.root / "data" / "drv")
        (self.root / "data" / "drv" / DRIVER_SOURCE.name).write_bytes(DRIVER_SOURCE.read_bytes())
        lines = [f"export {name}={shlex.quote(value)}" for name, value in backend_env.items()]
        script = server_bin / "backend" / "cirrus"
        script.write_text(
            "\n".join(["#!/bin/sh", *lines, f'exec {shlex.join(map(str, backend))} "$@"', ""])
        )
        script.chmod(0o700)  # root's alone, so that cupsd runs it as root and it can read keys
        if os.geteuid() == 0:
            lp = pwd.getpwnam("lp")
            for folder in ("spool", "spool/tmp", "cache", "state", "log"):
                os.chown(self.root / folder, lp.pw_uid, lp.pw_gid)

    def _configure(self, web: str, retry_interval_s: int) -> None:
        is_root = os.geteuid() == 0
        names = {
            "root": self.root,
            "user": "lp" if is_root else pwd.getpwuid(os.geteuid()).pw_name,
            "group": "lp" if is_root else _own_group(),
            "system_groups": "root lpadmin" if is_root else _own_group(),
            "port": self.port,
            "socket": self.socket,
            "web": web,
            "retry_interval_s": retry_interval_s,
        }
        for name, text in (("cupsd.conf", CUPSD_CONF), ("cups-files.conf", CUPS_FILES_CONF)):
            (self.root / "etc" / name).write_text(text.format(**names))

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        command = ["lpstat", "-r"]
        done = subprocess.run(command, env=self.env, capture_output=True, check=False)
        return b"is running" in done.stdout

    @contextlib.contextmanager
    def _connected(self) -> Any:
        import cups

        yield cups.Connection(host=str(self.socket))

    def _end(self, number: signal.Signals) -> None:
        if self._cupsd is None:
            return
        group = self._cupsd.pid
        children = _descendants(group)
        with contextlib.suppress(ProcessLookupError):
            os.kill(group, number)
        if number is signal.SIGKILL:
            _kill(children)
        try:
            self._cupsd.wait(20)
        except subprocess.TimeoutExpired:
            self._cupsd.kill()
            self._cupsd.wait()
        _kill(children)
        self._cupsd = None

    def _log_end(self) -> str:
        texts = []
        for name in ("stderr", "error_log"):
            path = self.root / "log" / name
            if path.exists():
                texts.append(path.read_text("utf-8", "replace")[-4000:])
        return "\n".join(texts)


def _link_all(source: Path, target: Path, *, but: str = "") -> None:
    for entry in source.iterdir() if source.is_dir() else ():
        if entry.name != but:
            (target / entry.name).symlink_to(entry)


def _own_group() -> str:
    import grp

    return grp.getgrgid(os.getegid()).gr_name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _descendants(pid: int) -> list[int]:
    """Processes below `pid`; cupsd gives each of its children a process group of its own."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
