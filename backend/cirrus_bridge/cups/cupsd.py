"""The local cupsd: its process, its configuration files, and CUPS as a snap.

Only root can identify the process, by its listening socket: several cupsd may run. For other users,
the configuration files are read from their usual paths.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.translation import joined, tr

_PROC = Path("/proc")
_CUPSD_CONF, _FILES_CONF = Path("/etc/cups/cupsd.conf"), Path("/etc/cups/cups-files.conf")
_UNIX_LISTENS, _TCP_LISTENS = "00010000", "0A"  # proc(5): __SO_ACCEPTCON, TCP_LISTEN
_PROGRAM_FOLDERS = ("usr/sbin", "usr/bin", "usr/local/sbin")
_UNITS_S = {"w": 7 * 86_400, "d": 86_400, "h": 3600, "m": 60, "s": 1}
FOREVER_S = float("inf")
_REQUIRE_USER = re.compile(r"(?im)^\s*require\s+user\s+(.*)$")


@dataclass(frozen=True, slots=True)
class Cupsd:
    """A cupsd.

    Attributes:
        pid: None if the process was not found.
        directives: values of the configuration files by name, in lower case.
        named_users: users and groups that a policy or a location names.
        unreadable: configuration files that cannot be read.
    """

    pid: int | None
    directives: Mapping[str, str]
    named_users: frozenset[str] = frozenset()
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

    @property
    def user(self) -> str:
        """The name of the user as whom filters and driver programs run."""
        return self.directives.get("user", "lp")

    def is_on(self, name: str) -> bool:
        """Whether a directive is missing, or has another value than No (Off, False, 0)."""
        return self.directives.get(name.lower(), "").lower() not in ("no", "off", "false", "0")

    def seconds(self, name: str, *, yes_s: float, default_s: float) -> float:
        """A time in seconds, from a number with or without a unit, Yes or No (cupsd.conf(5)).

        A missing or invalid directive counts as `default_s`.
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


def is_missing(address: str, root: Path = Path("/")) -> bool:
    """Whether CUPS is not installed on this machine, and nothing listens on `address` (as in
    CUPS_SERVER) for another one's; `root` is the file system's root."""
    if not address.startswith("/") or Path(address).exists() or snap_notice(root):
        return False
    return not any(os.access(root / folder / "cupsd", os.X_OK) for folder in _PROGRAM_FOLDERS)


def find_cupsd(address: str) -> Cupsd:
    """Find the cupsd that listens on `address` (as in CUPS_SERVER)."""
    pid = next(_holders(set(_inodes(address))), None)
    words = [] if pid is None else _text(_PROC / str(pid) / "cmdline").split("\0")
    return read_cupsd(pid, _argument(words, "-s", _FILES_CONF), _argument(words, "-c", _CUPSD_CONF))


def read_cupsd(pid: int | None, files_conf: Path, cupsd_conf: Path) -> Cupsd:
    """Read the configuration files of a cupsd."""
    directives: dict[str, str] = {}
    named: set[str] = set()
    unreadable = []
    for path in (files_conf, cupsd_conf):
        try:
            text = path.read_text("utf-8", "replace")
            directives.update(_directives(text))
            named.update(*map(str.split, _REQUIRE_USER.findall(text)))
        except OSError:
            unreadable.append(path)
    return Cupsd(pid, directives, frozenset(named), tuple(unreadable))


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


def _inodes(address: str) -> Iterator[str]:
    """The sockets that listen on an address."""
    if address.startswith("/"):
        wanted = Path(address).resolve()
        for line in _text(_PROC / "net/unix").splitlines()[1:]:  # below the heading
            fields = line.split(maxsplit=7)
            listens = len(fields) == 8 and fields[3] == _UNIX_LISTENS
            if listens and Path(fields[7]).resolve() == wanted:
                yield fields[6]
        return
    number = address.rpartition(":")[2]
    port = int(number) if number.isascii() and number.isdigit() else 631
    for table in ("net/tcp", "net/tcp6"):
        for line in _text(_PROC / table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == _TCP_LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _holders(inodes: set[str]) -> Iterator[int]:
    """The cupsd processes that have one of these sockets open."""
    sockets = {f"socket:[{inode}]" for inode in inodes}
    for process in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_cupsd = _text(process / "comm").strip() == "cupsd"
            if is_cupsd and any(str(each.readlink()) in sockets for each in process.glob("fd/*")):
                yield int(process.name)


def _text(path: Path) -> str:
    """The text of a file of the kernel; empty if it cannot be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _argument(words: list[str], option: str, default: Path) -> Path:
    """The path after an option of the command line."""
    return Path(words[words.index(option) + 1]) if option in words[:-1] else default


class SnapNotice(NamedTuple):
    """A problem and its solution.

    The cupsd of CUPS's snap runs only the backends in the snap, so its queues cannot use ours. If
    the system has its own CUPS (its configuration file exists), the snap passes all jobs to it.
    """

    message: str
    hint: str

    @property
    def text(self) -> str:
        return joined(" ", self)


ALONE = SnapNotice(
    tr("CUPS on this machine is a snap, which runs only its own backends."),
    tr("Install the distribution's CUPS (package cups), then run: snap restart cups"),
)
BESIDE = SnapNotice(
    tr("CUPS is also installed as a snap on this machine."),
    tr(
        "Add queues with the system's lpadmin, not with cups.lpadmin. The snap passes jobs on to "
        "them. If it does not, run: snap restart cups"
    ),
)


def snap_notice(root: Path = Path("/")) -> SnapNotice | None:
    """Detect CUPS's snap: ALONE, BESIDE the system's CUPS, or None."""
    if not (root / "var/snap/cups").is_dir():
        return None
    return BESIDE if (root / "etc/cups/cupsd.conf").exists() else ALONE
