"""The client's main loop: it waits at the server for jobs, and runs an errand for each.

The loop polls as long as the client runs, so the server knows that the client is there. Errands
continue without the server, and report when the server is back.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cirrus_cloudlet.client.connection import ClaimOver, Connection, ServerAway, ServerRefusal
from cirrus_cloudlet.client.errand import Errands, pause_s
from cirrus_cloudlet.client.journal import Entry, Journal
from cirrus_cloudlet.client.settings import Settings
from cirrus_cloudlet.client.spool import Spool
from cirrus_cloudlet.files import lock, open_private
from cirrus_cloudlet.version import __version__

log = logging.getLogger(__name__)
_AT_ONCE = 8  # errands
_WAIT_S = 25.0
_FULL_S = 10.0  # between two polls while there is no room for another errand
_LOOK_EVERY_S = 30.0  # at the printers
_TELL_EVERY_S = 600.0
_STOP_S = 10.0
_MACHINE_ID = Path("/etc/machine-id")


class Service:
    """A location's client, until `stop`.

    Args:
        list_printers: lists this machine's printers; see `cirrus_cloudlet.printers`.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        list_printers: Callable[[], list[dict[str, Any]]],
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._list_printers = list_printers
        self._stopping = threading.Event()
        self._changed = threading.Event()  # an errand has ended
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}
        self._ended: set[str] = set()  # the tokens that the server has taken back
        self._told: tuple[float, list[dict[str, Any]]] | None = None
        self._looked_at = -_LOOK_EVERY_S

    def stop(self) -> None:
        """Begin no more deliveries, and end `run` soon."""
        self._stopping.set()
        self._changed.set()

    def run(self) -> None:
        """Fetch and deliver jobs until `stop`.

        Raises:
            SettingsError: another client uses the folder, or a newer version has written it.
        """
        folder = self._settings.data
        with lock(folder / "client.lock", f"another client already uses {folder}"):
            journal = Journal(folder)
            try:
                spool = Spool(folder / "spool")
                self._run(client_id(folder), journal, spool)
            finally:
                journal.close()

    def _run(self, name: str, journal: Journal, spool: Spool) -> None:
        errands = Errands(self._settings, self._connection, journal, spool, self._stopping)
        unfinished = journal.all()
        spool.keep_only([entry.token for entry in unfinished])
        for entry in unfinished:
            self._begin(errands, entry)
        # a daemon: a request that waits for the server must not keep the client from stopping
        polls = threading.Thread(target=self._poll_all, args=(name, errands, journal), daemon=True)
        polls.start()
        self._stopping.wait()
        until = time.monotonic() + _STOP_S
        with self._lock:
            running = list(self._running.values())
        for thread in running:
            thread.join(max(0.0, until - time.monotonic()))

    def _poll_all(self, name: str, errands: Errands, journal: Journal) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._tell_printers(name)
                self._poll(name, errands, journal)
                failures = 0
            except (ServerAway, ServerRefusal, ClaimOver, OSError) as error:
                self._pause(failures, str(error))
                failures += 1
            except Exception as error:
                if self._stopping.is_set():  # the journal is closed
                    return
                log.exception("polling failed")
                self._pause(failures, type(error).__name__)
                failures += 1

    def _pause(self, failures: int, why: str) -> None:
        wait_s = pause_s(failures)
        log.warning("no jobs: %s; next attempt in %.0f s", why, wait_s)
        self._stopping.wait(wait_s)

    def _poll(self, name: str, errands: Errands, journal: Journal) -> None:
        with self._lock:
            self._changed.clear()
            have = [token for token in self._running if token not in self._ended]
            room = max(0, _AT_ONCE - len(self._running))
        wait_s = _WAIT_S if room else 0.0
        fields = {
            "location": self._settings.location,
            "client": name,
            "have": ",".join(have),
            "room": str(room),
            "wait": str(wait_s),
        }
        answer = self._connection.post(("poll",), fields, wait_s)
        if self._stopping.is_set():  # the server tells of the jobs again after the next start
            return
        with self._lock:
            self._ended.update(self._running.keys() & set(answer.get("ended", ())))
        for told in answer.get("jobs", ()):
            if told["token"] not in self._running:
                self._begin(errands, journal.find(told["token"]) or journal.add(told))
        if not room:
            self._changed.wait(_FULL_S)

    def _begin(self, errands: Errands, entry: Entry) -> None:
        def run() -> None:
            try:
                errands.run(entry, lambda: entry.token in self._ended)
            except Exception:
                log.exception("job %s", entry.job)
            finally:
                with self._lock:
                    del self._running[entry.token]
                    self._ended.discard(entry.token)
                self._changed.set()

        # a daemon: a printer that hangs must not keep the client from stopping
        thread = threading.Thread(target=run, daemon=True)
        with self._lock:
            self._running[entry.token] = thread
        thread.start()

    def _tell_printers(self, name: str) -> None:
        """Report the printers of this machine if they have changed, and now and then."""
        now = time.monotonic()
        if now < self._looked_at + _LOOK_EVERY_S:
            return
        self._looked_at = now
        printers = self._list_printers()
        if self._told and self._told[1] == printers and now < self._told[0] + _TELL_EVERY_S:
            return
        fields = {
            "client": name,
            "name": socket.gethostname(),
            "version": __version__,
            "printers": json.dumps(printers),
        }
        self._connection.post(("printers",), fields)
        self._told = (now, printers)


def client_id(folder: Path) -> str:
    """The id of the client with this folder; a copy of the folder on another machine differs."""
    path = folder / "client-id"
    try:
        made = path.read_text().strip()
    except FileNotFoundError:
        made = secrets.token_hex(16)
        with open(path, "x", opener=open_private) as file:
            file.write(made)
    try:
        machine = _MACHINE_ID.read_text().strip()
    except OSError:
        machine = ""
    return hashlib.sha256(f"{made} {machine}".encode()).hexdigest()[:32]
