"""Metrics of the service for Prometheus."""

from __future__ import annotations

import urllib.request

from paths import WELCOME
from ports import reserved_port
from printer_site import PrinterSite, eventually


class _Owner:
    """Keeps a port reserved."""


def test_a_print_is_counted() -> None:
    """By printer and state, as the poller of CUPS's queues counts its jobs."""
    owner = _Owner()
    port = reserved_port(owner)

    def metrics() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    with PrinterSite(f"metrics_port = {port}") as site:
        name = site.name
        assert "cirrus_last_round_timestamp_seconds" in metrics()
        site.print(WELCOME.read_bytes())
        wanted = f'cirrus_jobs{{queue="{name}",state="delivered"}} 1.0'
        eventually(lambda: wanted in metrics(), wanted, site.log)
