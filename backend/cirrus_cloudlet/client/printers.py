"""This machine's printers, from CUPS, as the client reports them.

Queues that print through Cirrus Bridge are left out: their jobs would come back.
"""

from __future__ import annotations

from typing import Any

from cirrus_cloudlet.printers import MOST_PRINTERS


def list_printers() -> list[dict[str, Any]]:
    """List CUPS's queues; no queues if there is no CUPS, or if CUPS does not answer."""
    try:
        import cups
    except ImportError:
        return []
    try:
        found = cups.Connection().getPrinters()
    except (cups.IPPError, cups.HTTPError, RuntimeError):
        return []
    return [
        _describe(queue, facts)
        for queue, facts in sorted(found.items())[:MOST_PRINTERS]
        if not str(facts.get("device-uri", "")).startswith("cirrus:")
    ]


_STATES = {3: "idle", 4: "printing", 5: "stopped"}


def _describe(queue: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "queue": queue,
        "name": _line(facts.get("printer-info")),
        "model": _line(facts.get("printer-make-and-model")),
        "state": _STATES.get(facts.get("printer-state", 0), "unknown"),
        "message": _line(facts.get("printer-state-message")),
    }


def _line(text: object) -> str:
    return "".join(each for each in str(text or "") if each.isprintable())[:200]
