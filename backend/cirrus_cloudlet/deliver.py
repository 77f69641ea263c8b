"""Delivery: takes submitted jobs to their devices, as a location's client would.

A job of an offline location waits in state 0. Otherwise it becomes 1 (received), goes through its
device's sink, and becomes 2 (delivered); a failure leaves it in 1 with a message and is tried
again a few times. The jobs of one device go one after the other. What was in a sink when the
server died is repeated for files only: a command or printer may have done its work already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from cirrus_cloudlet.sinks import SINKS, DeliveryFailed
from cirrus_cloudlet.sites import Sites
from cirrus_cloudlet.store import Store, now
from cirrus_cloudlet.uploads import Uploads

log = logging.getLogger(__name__)
TICK_S = 0.1
SWEEP_S = 3600.0
TRIES = 5
FIRST_RETRY_S = 2.0
INTERRUPTED = "interrupted when the server stopped; look at the device, then use: job retry"


class Delivery:
    """The worker of a server; `run` until cancelled."""

    def __init__(self, folder: Path, sites: Sites, store: Store, uploads: Uploads) -> None:
        self._folder = folder / "delivered"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._sites, self._store, self._uploads = sites, store, uploads
        self._busy: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Deliver until cancelled; a fault of one job never ends the worker."""
        await run_in_threadpool(self._after_restart)
        swept_s = float("-inf")
        while True:
            try:
                await self._round()
                if time.monotonic() - swept_s > SWEEP_S:
                    swept_s = time.monotonic()
                    await run_in_threadpool(self._uploads.expire)
            except Exception:
                log.exception("a round of delivery failed")
            await asyncio.sleep(TICK_S)

    async def stop(self) -> None:
        """Wait for deliveries under way, a moment at most."""
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=1.0)

    async def _round(self) -> None:
        self._busy = {key: task for key, task in self._busy.items() if not task.done()}
        for job in reversed(await run_in_threadpool(self._store.jobs, states=(0, 1))):
            where = (job["company"], job["location"], job["device"])
            location = self._sites.location(*where[:2])
            device = self._sites.device(*where)
            if where in self._busy or location is None or device is None:
                continue
            if not location.online or job["next_try_s"] > time.time():
                continue
            if device.type not in SINKS:
                if job["state"] == 0:
                    self._store.change(job["id"], state=1, received=now())
                continue
            self._busy[where] = asyncio.create_task(
                run_in_threadpool(self._deliver, job, device.type)
            )

    def _deliver(self, job: Mapping[str, Any], kind: str) -> None:
        job_id, tries = job["id"], job["tries"] + 1
        received = job["received"] or now()
        # `tries` is written before the sink runs: after a crash it tells that one was under way
        values = {"state": 1, "received": received, "tries": tries, "next_try_s": float("inf")}
        if not self._store.change(job_id, unless_final=True, **values):
            return
        with contextlib.suppress(DeliveryFailed):
            path = self._attempt(job, kind, tries)
            self._store.change(
                job_id, state=2, delivered=now(), delivered_path=path, message="",
                raw_print=int(kind != "file" and job["format"] not in ("pdf", "txt")),
            )  # fmt: skip

    def _attempt(self, job: Mapping[str, Any], kind: str, tries: int) -> str:
        try:
            return SINKS[kind](job, self._uploads.path(job["document"]), self._folder)
        except DeliveryFailed as error:
            again = time.time() + FIRST_RETRY_S * 2**tries if tries < TRIES else float("inf")
            self._store.change(job["id"], unless_final=True, message=str(error), next_try_s=again)
            raise

    def _after_restart(self) -> None:
        for job in self._store.jobs(states=(1,)):
            if job["next_try_s"] != float("inf") or job["tries"] >= TRIES:
                continue
            device = self._sites.device(job["company"], job["location"], job["device"])
            if device is not None and device.type == "file":
                self._store.change(job["id"], next_try_s=0.0)
            else:
                self._store.change(job["id"], message=INTERRUPTED)
