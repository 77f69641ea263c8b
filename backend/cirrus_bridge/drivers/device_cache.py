"""The last good answer for each location, kept on disk for times when the server is away.

Only discovery writes the cache. Every user can read the cache, because CUPS runs driver programs as
another user. So the cache has names and abilities of devices, but neither keys nor passwords.
Without a usable cache, everything else works.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import astuple
from pathlib import Path
from typing import Any

from cirrus_bridge.base.model import Place

_OF_LOCATION = ("Name", "IsInactive", "IsWindows", "Printers")
_OF_DEVICE = ("Name", "IsInactive", "Type", "Formats", "DefaultProps")
_FILE_BYTES = 64 << 20  # JSON escapes take up to three times as many bytes as the answer


class DeviceCache:
    """The cache in `folder`, which must exist before `keep`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, place: Place, answer: Mapping[str, Any]) -> None:
        """Keep the parts of an answer to `get location` that discovery and drivers need.

        If the file cannot be written (OSError), the previous answer stays.
        """
        devices = answer.get("Devices")
        kept: dict[str, Any] = {name: answer.get(name) for name in _OF_LOCATION}
        printers = _names(answer.get("Printers"))
        kept["Devices"] = {
            str(key): {name: device[name] for name in _OF_DEVICE if name in device}
            | _printer_of(device, printers)
            for key, device in (devices.items() if isinstance(devices, dict) else ())
            if isinstance(device, dict)
        }
        try:
            text = json.dumps({"place": astuple(place), "answer": kept})
        except RecursionError:
            raise OSError(errno.EINVAL, "it is nested too deeply") from None
        path = self._path(place)
        with contextlib.suppress(OSError, ValueError):
            if path.read_text("utf-8") == text:
                return
        handle, temporary = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), 0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def last(self, place: Place) -> Mapping[str, Any] | None:
        """The last good answer for a location; None if there was none."""
        found = _read(self._path(place))
        return found[1] if found and found[0] == place else None

    def size_bytes(self, place: Place) -> int:
        """The size of the file that `last` reads."""
        try:
            return self._path(place).stat().st_size
        except OSError:
            return 0

    def keep_only(self, places: Iterable[Place]) -> None:
        """Delete the answers of all other places. Queues keep their drivers."""
        kept = {self._path(place) for place in places}
        for path in self._folder.glob("*.json"):
            if path not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()

    def everything(self) -> Iterator[tuple[Place, Mapping[str, Any]]]:
        """All places in the cache, with their answers."""
        for path in sorted(self._folder.glob("*.json")):
            if found := _read(path):
                yield found

    def _path(self, place: Place) -> Path:
        name = "\0".join(astuple(place))
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def _names(printers: object) -> Set[str]:
    """The names of a location's printers."""
    lines = printers if isinstance(printers, list) else []
    return {line.partition("\t")[0].strip() for line in lines if isinstance(line, str)}


def _printer_of(device: Mapping[str, Any], printers: Set[str]) -> dict[str, str]:
    """The device's target if the target is a printer. Any other may be a command with passwords."""
    target = device.get("Target")
    return {"Target": target} if isinstance(target, str) and target in printers else {}


def _read(path: Path) -> tuple[Place, Mapping[str, Any]] | None:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_FILE_BYTES))
        place, answer = Place(*map(str, content["place"])), content["answer"]
        "".join(astuple(place)).encode()  # JSON may contain lone surrogates
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return (place, answer) if isinstance(answer, dict) else None
