"""The cupsd process of this machine: which it is, and what its configuration files say.

Found by the socket that it listens on, so that one of several is told from the others; that takes
root's rights, and without them the files are looked for where distributions have them.
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
class Daemon:
    """A cupsd. `pid` is None where its process was not found, `unreadable` are the files of its
    configuration that can not be read; `directives` has what they say, by name in lower case."""

    pid: int | None
    directives: Mapping[str, str]
    unreadable: tuple[Path, ...] = ()

    @property
    def server_root(self) -> Path:
        """The folder of its configuration."""
        return Path(self.directives.get("serverroot", "/etc/cups"))

    @property
    def server_bin(self) -> Path:
        """The folder of its programs, backends among them."""
        return Path(self.directives.get("serverbin", "/usr/lib/cups"))

    @property
    def spool(self) -> Path:
        """The folder of its jobs."""
        return Path(self.directives.get("requestroot", "/var/spool/cups"))

    def is_on(self, name: str, *, default: bool) -> bool:
        """Whether a directive that is Yes, No or something else says anything but No."""
        text = self.directives.get(name.lower())
        return default if text is None else text.lower() not in ("no", "off", "false", "0")

    def seconds(self, name: str, *, yes_s: float, default_s: float) -> float:
        """A directive that is a time, perhaps with a unit, or Yes or No (cupsd.conf(5))."""
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
        """A directive that is a whole number."""
        text = self.directives.get(name.lower(), "")
        return int(text) if text.isascii() and text.isdigit() else default


def find_daemon(address: str) -> Daemon:
    """The cupsd that listens on `address`, as in CUPS_SERVER."""
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
    return Daemon(pid, directives, tuple(unreadable))


def _directives(text: str) -> Iterator[tuple[str, str]]:
    """Those outside of all <sections>; the last of a name counts."""
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
    """All but the heading."""
    try:
        return path.read_text().splitlines()[1:]
    except OSError:
        return []


def _holders(inodes: set[str]) -> Iterator[int]:
    """The processes called cupsd that have one of these sockets."""
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
    """The path that follows an option of the command line."""
    if option not in words[:-1]:
        return None
    return Path(words[words.index(option) + 1])
