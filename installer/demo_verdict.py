"""Compare the delivered document with the printed one: digests, then pages and text.

The checks are independent, and none trusts the cloud's own words. The backend's digest comes from
cupsd's log, and the delivered file is read again.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Check(NamedTuple):
    """The result of one check."""

    what: str
    holds: bool
    detail: str


def checks(
    original: Path,
    job_id: int,
    error_log: str,
    recorded: Mapping[str, Any],
    asked: Mapping[str, str],
) -> list[Check]:
    """Check a job that CUPS calls completed, by the cloud's record of it. The job must have the
    props `asked`."""
    props = recorded["props"]
    path = Path(recorded["delivered_path"] or "")
    if not path.is_file():
        why = f"state {recorded['state_name']}, file {recorded['delivered_path']}"
        return [Check("the device has the document", False, why)]
    delivered = hashlib.sha256(path.read_bytes()).hexdigest()
    # by the backend's last run
    logged = re.findall(rf"\[Job {job_id}\].* document sha256=([0-9a-f]{{64}})", error_log)
    sent = logged[-1] if logged else ""
    return [
        Check(
            "the cloud got what the backend read",
            sent == recorded["sha256"],
            f"SHA-256 {_short(recorded['sha256'])} at the cloud, {_short(sent)} in the log",
        ),
        Check(
            "the device got what the cloud has",
            delivered == recorded["sha256"],
            f"SHA-256 {_short(delivered)} of the delivered file",
        ),
        Check(
            "the job's options arrived",
            asked.items() <= props.items(),
            " ".join(f"{name}={text}" for name, text in sorted(props.items())),
        ),
        *_same_pages(original, path),
    ]


def _same_pages(original: Path, delivered: Path) -> list[Check]:
    pages, there = _pages(original), _pages(delivered)
    differing = [
        str(number)
        for number in range(1, pages + 1)
        if number > there or _text(original, number) != _text(delivered, number)
    ]
    text = f"page {', '.join(differing)} differs" if differing else "word for word"
    count = f"{there} delivered, {pages} printed"
    return [
        Check("the number of pages is the same", pages == there, count),
        Check("each page has the same text", not differing, text),
    ]


def _pages(pdf: Path) -> int:
    match = re.search(r"^Pages:\s+(\d+)$", _output("pdfinfo", str(pdf)), re.MULTILINE)
    return int(match[1]) if match else 0


def _text(pdf: Path, page: int) -> list[str]:
    return _output("pdftotext", "-f", str(page), "-l", str(page), str(pdf), "-").split()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _short(digest: str) -> str:
    return f"{digest[:12]}…" if digest else "(none)"
