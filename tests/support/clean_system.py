"""A fresh Debian system of any release, in memory, to install packages in.

Its files and processes live in their own namespaces. So its cupsd meets neither the machine's nor
the network's, and everything ends with them. Only apt-get has the network. With systemd installed,
the system can boot, and services run as their units say. The base and apt-get's archives are
downloaded once and kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from paths import REPO
from print_site import eventually
from programs import Program

RELEASES = ("bookworm", "trixie", "forky", "sid")  # oldest first
MIRROR = "http://deb.debian.org/debian"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cirrus-bridge" / "tests"
PIP = {"PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT"}
# systemd takes its own process group (cgroup) at start for the root of all
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
# Mounts are private to the namespace, and its root is the system's, as systemd requires. The
# machine's kernel settings are read-only, except the limits of user namespaces, which bubblewrap
# sets. Mounts inside are shared, because services do not get their credentials otherwise.
BEGIN = """
set -eu
cd "$1"
mount --bind "$2" var/cache/apt/archives
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/user proc/sys/user
mount -o remount,bind,rw proc/sys/user
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
    """A context manager.

    Args:
        release: of Debian, one of RELEASES.
        archives: a folder that keeps what apt-get has downloaded.
    """

    def __init__(self, release: str = RELEASES[0], archives: Path = CACHE / "archives") -> None:
        self._release = release
        self._archives = archives
        self._folder = Path(tempfile.mkdtemp(prefix="cb-system-"))  # the mount point
        self._keeper: Program[str] | None = None
        self._programs: list[Program[bytes]] = []
        self._inside = 0

    def __enter__(self) -> Self:
        base = _base(self._release)
        self._archives.mkdir(exist_ok=True)
        self._keeper = Program(
            [
                *("setpriv", "--pdeathsig", "KILL"),  # no process outlives the tests
                *("unshare", "--mount", "sh", "-c", OWN_GROUP, "sh"),
                *(self._folder, self._archives, self._folder.name, base, BEGIN),
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
        # a package must not start its service before the system boots
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._keeper is not None
        self._keeper.kill()  # and all processes inside
        self._keeper.end()
        for program in self._programs:
            program.kill()  # nsenter stops with its child, and then waits
            program.end()
        end = ("unshare", "--mount", "sh", "-c", END, "sh", self._folder, self._folder.name)
        eventually(lambda: subprocess.run(end, capture_output=True).returncode == 0)
        self._folder.rmdir()

    def boot(self) -> None:
        """Boot systemd; it starts enabled services, and packages may start their services."""
        assert self._keeper is not None and self._keeper.stdin is not None
        self.path("/usr/sbin/policy-rc.d").unlink()
        self._keeper.stdin.write("go\n")
        self._keeper.stdin.flush()
        states = ("running", "degraded")  # some services of the base need devices
        running = ("systemctl", "is-system-running")
        eventually(lambda: self.run(*running, may_fail=True).strip() in states)

    def run(self, *command: str, may_fail: bool = False) -> str:
        """Run a command inside without network; return its standard output and error."""
        try:
            return _run(*self._enter("--net"), *command, may_fail=may_fail)
        except AssertionError:
            log = self.path("/var/log/cups/error_log")
            print("".join(log.open().readlines()[-50:]) if log.exists() else "CUPS has no log.")
            raise

    def apt_get(self, *arguments: str) -> str:
        """Run apt-get with network, one at a time because the archives are shared."""
        command = (*self._enter(), "apt-get", "-qy", "--no-install-recommends", *arguments)
        with _archives():
            return _run(*command)

    def run_with_network(self, script: str) -> str:
        """Run a shell script inside with network, and with this machine's settings of pip.

        The script may call apt-get.
        """
        settings = []
        for name in PIP & os.environ.keys():
            value = os.environ[name]
            if Path(value).is_file():  # certificate authorities
                shutil.copy(value, self.path(f"/tmp/{name}"))
                value = f"/tmp/{name}"
            settings.append(f"{name}={value}")
        with _archives():
            return _run(*self._enter(), *settings, "sh", "-ec", script)

    def copy_sources(self, inside: str) -> None:
        """Copy the files of this clone, with its changes, into a new folder."""
        listed = ("git", "-C", REPO, "ls-files", "--cached", "--others", "--exclude-standard")
        for name in subprocess.check_output(listed, text=True).splitlines():
            file = self.path(f"{inside}/{name}")
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, file, follow_symlinks=False)

    def entering(self, *command: str) -> list[str]:
        """The command that runs another inside, without network, for a terminal."""
        return [*self._enter("--net"), "TERM=screen", *command]

    def start(self, *command: str, log: str) -> Program[bytes]:
        """Start a program; its output goes to the file `log`."""
        with self.path(log).open("ab") as file:
            program = Program[bytes]([*self._enter("--net"), *command], stdout=file, stderr=file)
        self._programs.append(program)
        return program

    def path(self, inside: str) -> Path:
        """The outside path of a file in the system."""
        return Path(f"/proc/{self._inside}/root", inside.lstrip("/"))

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Create or replace a file."""
        path = self.path(inside)
        path.write_text(text)
        path.chmod(mode)

    def files(self, wanted: Callable[[str], bool]) -> set[str]:
        """All files and folders whose path is wanted, without mounts."""
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
    """The archive of a clean system; created if missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / f"{release}.tar"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            # debootstrap lacks scripts for releases younger than itself. The script of sid works
            # for each, and the keyring that it names has the right keys.
            script = next(each for each in (SCRIPTS / release, SCRIPTS / "sid") if each.exists())
            with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
                _run("debootstrap", "--variant=minbase", release, folder, MIRROR, str(script))
                _run("chroot", folder, "apt-get", "clean")
                part = archive.with_suffix(".part")
                _run("tar", "-cpf", str(part), "-C", folder, ".")
                part.rename(archive)
    return archive


@contextlib.contextmanager
def _archives() -> Iterator[None]:
    """Use apt-get's archives, one process at a time."""
    with (CACHE / "apt-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
