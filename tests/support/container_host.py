"""A machine with Podman, to build and run the containers of the repository.

Its engine, its images, volumes and networks exist in a clean system only.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Self

from clean_system import CACHE, CleanSystem
from paths import REPO

BASE = "docker.io/library/debian:trixie-slim"  # of the Containerfiles
RELEASE = "trixie"
PACKAGES = ("podman", "podman-compose", "netavark", "aardvark-dns", "nftables", "openssl")
FOLDER = "/srv/clone/installer/containers"
# Not every machine lets root raise limits, or use each controller of cgroups. Kernel settings are
# read-only in a clean system.
LIMITS = """\
[containers]
pids_limit = 0
default_sysctls = []
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
"""
# apt-get in a container downloads through the machine's network, unless the archives have a package
BUILDING = """\
[containers]
netns = "host"
volumes = ["/var/cache/apt/archives:/var/cache/apt/archives:O"]
"""
# networks of containers need kernel settings of this system's own network
OWN_SETTINGS = "mount --bind {0} {0} && mount -o remount,bind,rw {0}".format("/proc/sys/net")

# logs for a person after a failed test
TELLING = ("podman ps --all", "podman ps --all --quiet | xargs -n 1 podman logs")


class ContainerHost(CleanSystem):
    """A context manager; inside, a clone of the repository has the packages in dist/.

    Args:
        dist: a folder with the .deb files.
    """

    def __init__(self, dist: Path) -> None:
        super().__init__(RELEASE)
        self._dist = dist

    def __enter__(self) -> Self:
        super().__enter__()
        self.apt_get("update")
        self.apt_get("install", *PACKAGES)
        self.write("/etc/containers/containers.conf", LIMITS)
        self.write("/etc/containers/building.conf", BUILDING)
        self.run("sh", "-c", OWN_SETTINGS)
        clone = self.path("/srv/clone")
        (clone / "dist").mkdir(parents=True)
        for deb in self._dist.glob("*.deb"):
            shutil.copy(deb, clone / "dist")
        shutil.copy(REPO / ".dockerignore", clone)
        own = shutil.ignore_patterns("secrets")
        shutil.copytree(REPO / "installer" / "containers", self.path(FOLDER), ignore=own)
        self._import_base()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if any(exc_info):
            for command in TELLING:
                print(f"$ {command}", self.run("sh", "-c", command, may_fail=True), sep="\n")
        super().__exit__(*exc_info)

    def _import_base(self) -> None:
        """Make the base image of the Containerfiles. As in Debian's image, packages start no
        services."""
        shutil.copy(CACHE / f"{RELEASE}.tar", self.path("/srv/base.tar"))
        self.run("tar", "--append", "-f", "/srv/base.tar", "-C", "/", "./usr/sbin/policy-rc.d")
        self.run("podman", "import", "--quiet", "/srv/base.tar", BASE)
        self.path("/srv/base.tar").unlink()

    def build(self, command: str) -> None:
        """Run a shell command that builds images, with network."""
        setting = "export CONTAINERS_CONF_OVERRIDE=/etc/containers/building.conf"
        self.run_with_network(f"{setting}; cd {FOLDER}; {command}")

    def follow(self, commands: list[str]) -> None:
        """Run a shell script in the folder of the containers."""
        self.run("bash", "-euc", "\n".join([f"cd {FOLDER}", *commands]))

    def compose(self, *words: str) -> None:
        """Run podman-compose for the containers."""
        self.follow([shlex.join(("podman-compose", *words))])

    def inside(self, service: str, *command: str, may_fail: bool = False) -> str:
        """Run a command in a service's container."""
        return self.run("podman", "exec", container(service), *command, may_fail=may_fail)

    def is_healthy(self, service: str) -> bool:
        """Make a service's health check, which Podman leaves to a timer of systemd."""
        check = f"podman healthcheck run {container(service)} >/dev/null && echo healthy"
        return self.run("sh", "-c", check, may_fail=True).endswith("healthy\n")

    def state(self, service: str, of: str) -> str:
        """A field of what Podman knows about a service's container."""
        return self.run(
            "podman", "inspect", "--format", f"{{{{{of}}}}}", container(service)
        ).strip()


def container(service: str) -> str:
    """The name of a service's container."""
    return f"cirrus_{service}_1"
