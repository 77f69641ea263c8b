"""A Debian system of any release with nothing but its base, in memory, to install packages in.

Its files and processes live in namespaces of their own, so that its cupsd meets neither the
machine's nor the network's, and all of it ends with them. Only apt-get sees the network. Once it
has a systemd, it can be booted, so that services run as their units say. The base is fetched once
and kept, as is what apt-get fetches.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from print_site import eventually
from programs import Program

RELEASES = ("bookworm", "trixie", "forky", "sid")  # oldest first
MIRROR = "http://deb.debian.org/debian"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cirrus-bridge" / "tests"
# systemd takes the group of processes in which it begins for the root of all
OWN_GROUP = """
set -eu
mount -t tmpfs -o mode=755 tmpfs "$1"
tar -xpf "$4" -C "$1"
chmod 755 "$1"
mount -t cgroup2 cgroup2 "$1/mnt"
mkdir "$1/mnt/$3"
echo $$ >"$1/mnt/$3/cgroup.procs"
umount "$1/mnt"
exec unshare --pid --net --ipc --uts --cgroup --fork --kill-child sh -c "$5" sh "$1" "$2"
"""
# mounts are private to the namespace; its root is the system's, which systemd wants; the machine's
# kernel is not for it to set up. Mounts inside are shared, or a service's credentials do not come
# to it
BEGIN = """
set -eu
cd "$1"
mount --bind "$2" var/cache/apt/archives
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount --bind dev dev
mount -t tmpfs tmpfs dev/shm
ip link set lo up
pivot_root . mnt
umount -l /mnt
mount --make-rshared /
echo ready
read -r go
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --show-status=no --log-target=journal <>/dev/null >&0 2>&1
"""
END = """
set -eu
mount -t cgroup2 cgroup2 "$1"
find "$1/$2" -depth -type d -exec rmdir {} +
"""


class CleanSystem:
    """Use as a context manager.

    Args:
        release: of Debian, one of RELEASES.
    """

    def __init__(self, release: str = RELEASES[0]) -> None:
        self._release = release
        self._folder = Path(tempfile.mkdtemp(prefix="cb-system-"))  # where it is mounted
        self._keeper: Program[str] | None = None
        self._programs: list[Program[bytes]] = []
        self._inside = 0

    def __enter__(self) -> Self:
        base, archives = _base(self._release), CACHE / "archives"
        archives.mkdir(exist_ok=True)
        self._keeper = Program(
            [
                *("setpriv", "--pdeathsig", "KILL"),  # nothing of it outlives the tests
                *("unshare", "--mount", "sh", "-c", OWN_GROUP, "sh"),
                *(self._folder, archives, self._folder.name, base, BEGIN),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n"
        own = self._keeper.pid
        self._inside = int(Path(f"/proc/{own}/task/{own}/children").read_text())
        shutil.copy("/etc/resolv.conf", self.path("/etc/resolv.conf"))
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        # Release files of testing and sid expire after a week; a mirror may be older
        self.write("/etc/apt/apt.conf.d/mirror", 'Acquire::Check-Valid-Until "false";\n')
        # a package that brings a service must not start it before the system is booted
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._keeper is not None
        self._keeper.kill()  # and with it all that is inside
        self._keeper.end()
        for program in self._programs:
            program.kill()  # nsenter stops when what it has started is stopped, and then waits
            program.end()
        end = ("unshare", "--mount", "sh", "-c", END, "sh", self._folder, self._folder.name)
        eventually(lambda: subprocess.run(end, capture_output=True).returncode == 0)
        self._folder.rmdir()

    def boot(self) -> None:
        """Have systemd start what is enabled, and packages start what they bring."""
        assert self._keeper is not None and self._keeper.stdin is not None
        self.path("/usr/sbin/policy-rc.d").unlink()
        self._keeper.stdin.write("go\n")
        self._keeper.stdin.flush()
        states = ("running", "degraded")  # some services of the base want devices
        running = ("systemctl", "is-system-running")
        eventually(lambda: self.run(*running, may_fail=True).strip() in states)

    def run(self, *command: str, may_fail: bool = False) -> str:
        """Standard output and error of a command, run inside without network."""
        try:
            return _run(*self._enter("--net"), *command, may_fail=may_fail)
        except AssertionError:
            log = self.path("/var/log/cups/error_log")
            print("".join(log.open().readlines()[-50:]) if log.exists() else "CUPS has no log.")
            raise

    def apt_get(self, *arguments: str) -> str:
        """The same of apt-get, with network; one at a time, as its archives are those of all."""
        command = (*self._enter(), "apt-get", "-qy", "--no-install-recommends", *arguments)
        with (CACHE / "apt-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _run(*command)

    def entering(self, *command: str) -> list[str]:
        """The command that runs another inside, without network, for who has a terminal for it."""
        return [*self._enter("--net"), "TERM=screen", *command]

    def start(self, *command: str, log: str) -> Program[bytes]:
        """A program that goes on running; what it says goes to the file `log`."""
        with self.path(log).open("ab") as file:
            program = Program[bytes]([*self._enter("--net"), *command], stdout=file, stderr=file)
        self._programs.append(program)
        return program

    def path(self, inside: str) -> Path:
        """Where a file of the system is, for who is outside."""
        return Path(f"/proc/{self._inside}/root", inside.lstrip("/"))

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Make or replace a file."""
        path = self.path(inside)
        path.write_text(text)
        path.chmod(mode)

    def files(self, wanted: Callable[[str], bool]) -> set[str]:
        """Every file and folder whose path is wanted; what is mounted is left out."""
        return {path for path in self._paths() if wanted(path)}

    def _paths(self) -> Iterator[str]:
        root = self.path("/")
        own = root.stat().st_dev
        for folder, folders, files in os.walk(root):
            for name in (*folders, *files):
                yield str(Path("/", Path(folder, name).relative_to(root)))
            folders[:] = [each for each in folders if Path(folder, each).lstat().st_dev == own]

    def _enter(self, *more: str) -> list[str]:
        kept = [f"{name}={value}" for name, value in os.environ.items() if "proxy" in name.lower()]
        environment = [
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL=C.UTF-8",
            "HOME=/root",
        ]
        namespaces = ("--mount", "--pid", "--ipc", "--uts", "--root", "--wdns=/", *more)
        return [
            *("nsenter", "--target", str(self._inside), *namespaces, "--"),
            *(*environment, "DEBIAN_FRONTEND=noninteractive", *kept),
        ]


def _base(release: str) -> Path:
    """The archive of a clean system, made if there is none."""
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / f"{release}.tar"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            # debootstrap has no script for a release younger than itself; the script of sid makes
            # each, and the keyring that it names has the keys that signed them
            script = next(each for each in (SCRIPTS / release, SCRIPTS / "sid") if each.exists())
            with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
                _run("debootstrap", "--variant=minbase", release, folder, MIRROR, str(script))
                _run("chroot", folder, "apt-get", "clean")
                part = archive.with_suffix(".part")
                _run("tar", "-cpf", str(part), "-C", folder, ".")
                part.rename(archive)
    return archive


def _run(*command: str, may_fail: bool = False) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert may_fail or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout
