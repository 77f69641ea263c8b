"""A real cirrus-cloudlet process for tests, on a loopback port, over a data folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROGRAM = (sys.executable, "-m", "cirrus_cloudlet.main")


class CloudletServer:
    """Use as a context manager. `company` is a company "Acme" with a key bound to it; the
    location Paris has a `file` device Laser1."""

    def __init__(self, data: Path, *, tls: tuple[Path, Path] | None = None) -> None:
        self.data = data
        self._tls = tls
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.name = "127.0.0.1:0"
        self.cli("company", "add", "Acme")
        self.cli("location", "add", "Acme/Paris", "--name", "Paris office")
        self.cli("device", "add", "Acme/Paris/Laser1", "--type", "file")
        self.key = self.cli("key", "add", "--company", "Acme", "--name", "test").strip()

    def __enter__(self) -> CloudletServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def cli(self, *arguments: str) -> str:
        """Run a command of cirrus-cloudlet on the data folder; its output."""
        done = subprocess.run(
            [*PROGRAM, *arguments, "--data", str(self.data)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def start(self) -> None:
        """Start the server, on the port that it had before if it had one."""
        tls = ["--tls-cert", str(self._tls[0]), "--tls-key", str(self._tls[1])] if self._tls else []
        self._process = subprocess.Popen(
            [*PROGRAM, "serve", "--data", str(self.data), "--listen", self.name, *tls],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("Listening on "), line
        self.url = line.split()[2].rstrip("/")
        self.name = self.url.partition("://")[2]

    def stop(self) -> None:
        """End the server as a service manager does."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def kill(self) -> None:
        """End the server as a power failure does."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait(20)
        self._process.stdout.close()
        self._process = None

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, oldest first, with where their documents are."""
        jobs: list[dict[str, Any]] = json.loads(self.cli("job", "list", "--json"))
        return jobs[::-1]

    def wait_jobs(
        self, ready: Callable[[list[dict[str, Any]]], bool], timeout_s: float = 20
    ) -> list[dict[str, Any]]:
        """The jobs as soon as `ready` says that they are as expected."""
        deadline = time.monotonic() + timeout_s
        while not ready(jobs := self.jobs()):
            assert time.monotonic() < deadline, jobs
            time.sleep(0.05)
        return jobs


def document(job: Mapping[str, Any]) -> bytes:
    """The document of a job, as the cloud has it."""
    return Path(job["document"]).read_bytes()
