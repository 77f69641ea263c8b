"""Where documents go: a file, a command, or a CUPS queue. One function each, blocking.

A sink returns where the document went; it raises DeliveryFailed with a reason for people.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

DEFAULT_PATTERN = "{location}/{device}/{jobid}-{title}.{ext}"
NAME_BYTES = 150
COMMAND_TIMEOUT_S = 300
_TAG = re.compile(r"\{(jobid|title|location|device|ext|date|file)\}")
_TABLES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "duplex": ("sides", {
        "1": "one-sided", "2": "two-sided-long-edge", "3": "two-sided-short-edge"}),
    "color": ("print-color-mode", {"1": "monochrome", "2": "color"}),
    "orientation": ("orientation-requested", {"1": "3", "2": "4"}),
    "scale": ("print-scaling", {"0": "fit", "1": "auto", "2": "none"}),
    "collate": ("Collate", {"1": "True"}),
}  # fmt: skip


class DeliveryFailed(Exception):
    """The document did not get there; the text says why."""


def to_file(job: Mapping[str, Any], document: Path, folder: Path) -> str:
    """Copy the document to the path that the target's pattern gives, below `folder` unless the
    pattern is absolute. Never overwrites; a half-written file never has the final name."""
    pattern = job["target"] or DEFAULT_PATTERN
    parts = [_filled(part, job) for part in pattern.split("/") if part not in ("", ".", "..")]
    base = Path("/") if pattern.startswith("/") else folder
    path = base.joinpath(*parts)
    ext = job["ext"]
    if path.name.lower().endswith(f".{ext}.{ext}"):
        path = path.with_name(path.name[: -len(ext) - 1])
    temporary = path.with_name(f".{job['id']}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(document, temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        path = _place(temporary, path)
    except OSError as error:
        raise DeliveryFailed(f"can not write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return str(path)


def to_command(job: Mapping[str, Any], document: Path, folder: Path) -> str:
    """Run the target as a command line without a shell; the document is its standard input."""
    words = [_filled(word, job, file=str(document)) for word in shlex.split(job["target"])]
    props = {
        "CIRRUS_PROP_" + re.sub(r"\W", "_", name).upper(): value.replace("\0", "")
        for name, value in job["props"].items()
    }
    try:
        with document.open("rb") as source:
            done = subprocess.run(
                words,
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, **props},
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
    except (OSError, IndexError, subprocess.TimeoutExpired) as error:
        raise DeliveryFailed(f"the command could not be run: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DeliveryFailed(
            said[-1][:300] if said else f"the command ended with {done.returncode}"
        )
    return shlex.join(words)


def to_queue(job: Mapping[str, Any], document: Path, folder: Path) -> str:
    """Print on the CUPS queue that the target names, with the props as CUPS options."""
    import cups

    try:
        connection = cups.Connection()
        number = connection.printFile(
            job["target"], str(document), job["title"][:255], queue_options(job["props"])
        )
    except (cups.IPPError, cups.HTTPError, RuntimeError) as error:
        raise DeliveryFailed(f"CUPS queue {job['target']}: {error}") from error
    return f"{job['target']}-{number}"


def queue_options(props: Mapping[str, str]) -> dict[str, str]:
    """The API's props as CUPS job options (lp(1), PWG 5100.13)."""
    options = {
        _TABLES[name][0]: _TABLES[name][1][value]
        for name, value in props.items()
        if name in _TABLES and value in _TABLES[name][1]
    }
    for prop, option in (("copies", "copies"), ("priority", "job-priority"), ("tray", "InputSlot"),
                         ("size", "media")):  # fmt: skip
        if prop in props:
            options[option] = props[prop]
    return options


Sink = Callable[[Mapping[str, Any], Path, Path], str]
SINKS: Mapping[str, Sink] = {
    "file": to_file, "command": to_command, "printer": to_queue, "network-printer": to_queue,
}  # fmt: skip


def _filled(text: str, job: Mapping[str, Any], file: str = "") -> str:
    values = {
        "jobid": job["id"], "title": job["title"], "location": job["location"],
        "device": job["device"], "ext": job["ext"], "date": f"{datetime.now():%Y-%m-%d}",
    }  # fmt: skip
    safe = {name: _safe(value) for name, value in values.items()} | {"file": file}
    return _TAG.sub(lambda match: safe[match[1]], text)


def _safe(text: str) -> str:
    """Text as a part of one file name: no separators, no hidden files, not too long."""
    clean = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in text)
    clean = clean.encode()[:NAME_BYTES].decode("utf-8", "ignore").strip()
    return "_" + clean[1:] if clean.startswith(".") else clean or "_"


def _place(source: Path, wanted: Path) -> Path:
    """Give the file its name, or the name with a number if it is taken."""
    for number in range(1, 10_000):
        path = wanted
        if number > 1:
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        try:
            os.link(source, path)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(17, "too many files of one name", str(wanted))
