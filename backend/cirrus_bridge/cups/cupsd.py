"""The local cupsd process and its configuration files.

Only root can identify the process, by its listening socket: several cupsd may run. For other users,
the configuration files are read from their usual paths.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_CUPSD_CONF, _FILES_CONF = Path("/etc/cups/cupsd.conf"), Path("/etc/cups/cups-files.conf")
_UNIX_LISTENS, _TCP_LISTENS = "00010000", "0A"  # proc(5): __SO_ACCEPTCON, TCP_LISTEN
_UNITS_S = {"w": 7 * 86_400, "d": 86_400, "h": 3600, "m": 60, "s": 1}
FOREVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class Cupsd:
    """A cupsd.

    Attributes:
        pid: None if the process was not found.
        directives: values of the configuration files by name, in lower case.
        unreadable: configuration files that cannot be read.
    """

    pid: int | None
    directives: Mapping[str, str]
    unreadable: tuple[Path, ...] = ()

    @property
    def server_root(self) -> Path:
        """The folder of the configuration."""
        return Path(self.directives.get("serverroot", "/etc/cups"))

    @property
    def server_bin(self) -> Path:
        """The folder of backends and other programs."""
        return Path(self.directives.get("serverbin", "/usr/lib/cups"))

    @property
    def spool(self) -> Path:
        """The folder of the jobs."""
        return Path(self.directives.get("requestroot", "/var/spool/cups"))

    def is_on(self, name: str, *, default: bool) -> bool:
        """Whether a directive has another value than No (Off, False, 0)."""
        text = self.directives.get(name.lower())
        return default if text is None else text.lower() not in ("no", "off", "false", "0")

    def seconds(self, name: str, *, yes_s: float, default_s: float) -> float:
        """A time in seconds, from a number with or without a unit, Yes or No (cupsd.conf(5)).

        Args:
            yes_s: the value of Yes.
            default_s: the value of a missing or invalid directive.
        """
        text = self.directives.get(name.lower(), "").lower()
        if text in ("yes", "on", "true"):
            return yes_s
        if text in ("no", "off", "false"):
            return 0.0
        number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS_S else (text, "s")
        try:
            return float(number) * _UNITS_S[unit]
        except ValueError:
            return default_s

    def number(self, name: str, default: int) -> int:
        """A directive as a whole number."""
        text = self.directives.get(name.lower(), "")
        return int(text) if text.isascii() and text.isdigit() else default


def find_cupsd(address: str) -> Cupsd:
    """Find the cupsd that listens on `address` (as in CUPS_SERVER)."""
    inodes = set(_unix_inodes(address) if address.startswith("/") else _tcp_inodes(address))
    pid = next(_holders(inodes), None)
    words = _words(pid) if pid is not None else []
    files_conf = _argument(words, "-s") or _FILES_CONF
    cupsd_conf = _argument(words, "-c") or _CUPSD_CONF
    directives: dict[str, str] = {}
    unreadable = []
    for path in (files_conf, cupsd_conf):
        try:
            directives.update(_directives(path.read_text("utf-8", "replace")))
        except OSError:
            unreadable.append(path)
    return Cupsd(pid, directives, tuple(unreadable))


def _directives(text: str) -> Iterator[tuple[str, str]]:
    """The directives outside of all <sections>, in their order."""
    depth = 0
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("</"):
            depth -= 1
        elif line.startswith("<"):
            depth += 1
        elif line and not line.startswith("#") and depth == 0:
            name, _, value = line.partition(" ")
            yield name.lower(), value.strip()


def _unix_inodes(address: str) -> Iterator[str]:
    wanted = Path(address).resolve()
    for line in _lines(_PROC / "net/unix"):
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[3] == _UNIX_LISTENS and Path(fields[7]).resolve() == wanted:
            yield fields[6]


def _tcp_inodes(address: str) -> Iterator[str]:
    port = address.rpartition(":")[2]
    wanted = int(port) if port.isascii() and port.isdigit() else 631
    for table in ("net/tcp", "net/tcp6"):
        for line in _lines(_PROC / table):
            fields = line.split()
            if fields[3] == _TCP_LISTENS and int(fields[1].rpartition(":")[2], 16) == wanted:
                yield fields[9]


def _lines(path: Path) -> list[str]:
    """The lines below the heading."""
    try:
        return path.read_text().splitlines()[1:]
    except OSError:
        return []


def _holders(inodes: set[str]) -> Iterator[int]:
    """The cupsd processes that have one of these sockets open."""
    sockets = {f"socket:[{inode}]" for inode in inodes}
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (process / "comm").read_text().strip() != "cupsd":
                continue
            if any(str(handle.readlink()) in sockets for handle in (process / "fd").iterdir()):
                yield int(process.name)


def _words(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:
        return []


def _argument(words: list[str], option: str) -> Path | None:
    """The path after an option of the command line."""
    if option not in words[:-1]:
        return None
    return Path(words[words.index(option) + 1])
