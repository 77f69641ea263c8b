"""A print site made of the packages: a clean system, the embedded cloud and a queue."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import trustme

from clean_system import CleanSystem
from paths import REPO
from print_site import eventually

SERVER = "127.0.0.1:27083"
SERVICES = ("cups", "cirrus-statusd", "cirrus-workerd", "cirrus-statusd-keys.path")
CONFIGURATION = "/etc/cirrus-bridge/bridge.toml"
KEYS = "/etc/cirrus-bridge/servers.d/site.toml"
KEYS_COPY = "servers.d_site.toml"
CREDENTIALS = "/run/credentials/cirrus-statusd.service"
CLOUD = ("--data", "/var/lib/cirrus-cloudlet")
SERVE = "/usr/bin/cirrus-cloudlet serve --data %S/cirrus-cloudlet --no-announce"
# as in cirrus-cloudlet(8)
DROP_IN = f"""\
[Service]
LoadCredential=tls.pem:/srv/tls.pem
ExecStart=
ExecStart={SERVE} --listen {SERVER} --tls-cert %d/tls.pem --tls-key %d/tls.pem
"""
QUEUE = "laser"
# logs for a person after a failed test
TELLING = (
    ("lpstat", "-l", "-W", "all", "-o"),
    ("cirrusctl", "jobs"),
    ("journalctl", "--lines=50"),
    ("tail", "-n", "50", "/var/log/cups/error_log"),
)


class PackagedSite(CleanSystem):
    """A context manager; inside, apt-get is up to date and the packages are in /srv.

    Args:
        packages: a folder with earlier/, now/ and next/.
        release: of Debian.
    """

    def __init__(self, packages: Path, release: str) -> None:
        super().__init__(release)
        self._packages = packages

    def __enter__(self) -> Self:
        super().__enter__()
        for name in ("earlier", "now", "next"):
            shutil.copytree(self._packages / name, self.path(f"/srv/{name}"))
        shutil.copy(REPO / "installer" / "welcome.pdf", self.path("/srv"))
        self.apt_get("update")
        return self

    def __exit__(self, *exc_info: object) -> None:
        if any(exc_info):
            for command in TELLING:
                print(f"$ {' '.join(command)}", self.run(*command, may_fail=True), sep="\n")
        super().__exit__(*exc_info)

    def deb(self, folder: str, package: str) -> str:
        """The package `bridge`, `printers` or `cloudlet` of a folder, as an argument of apt-get."""
        (deb,) = self.path(f"/srv/{folder}").glob(f"cirrus-{package}_*.deb")
        return f"/srv/{folder}/{deb.name}"

    def install(self, folder: str = "now") -> None:
        """Install both packages with their dependencies, and trust the cloud's certificate."""
        self.apt_get("install", self.deb(folder, "bridge"), self.deb(folder, "cloudlet"))
        self.trust_the_cloud()

    def trust_the_cloud(self) -> None:
        """Make the cloud's certificate, and add its authority to those of the system."""
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(self.path("/usr/local/share/ca-certificates/own.crt")))
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self.path("/srv/tls.pem")))
        self.run("update-ca-certificates")

    def active(self) -> list[str]:
        """The state of each service."""
        return self.run("systemctl", "is-active", *SERVICES, may_fail=True).splitlines()

    def set_up(self, changes: Mapping[str, str]) -> None:
        """Start the cloud, configure the bridge, and add a queue with a driver, on a booted system.

        Args:
            changes: as for `configure`.
        """
        eventually(lambda: self.active() == ["active"] * len(SERVICES))
        self.start_cloud()
        self.add_server()
        eventually(lambda: KEYS_COPY in self.run("ls", CREDENTIALS, may_fail=True))
        self.configure(changes)
        self._add_queue()

    def start_cloud(self) -> None:
        """Start the installed cloud's service, with a device."""
        folder = self.path("/run/systemd/system/cirrus-cloudlet.service.d")
        folder.mkdir(parents=True)
        (folder / "site.conf").write_text(DROP_IN)
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "start", "cirrus-cloudlet")
        log = ("journalctl", "--unit", "cirrus-cloudlet")
        eventually(lambda: "Listening on" in self.run(*log))
        self.cloudlet("device", "add", "--parents", "Acme/Paris/Laser1")

    def add_server(self) -> None:
        """Write the cloud's entry, with a new key."""
        key = self.cloudlet("key", "add", "--company", "Acme").strip()
        self.write(
            KEYS,
            f'[[server]]\nhost = "{SERVER}"\ncompany = "Acme"\napi_key = "{key}"\n'
            'locations = ["Paris"]\n',
            0o600,
        )

    def configure(self, changes: Mapping[str, str]) -> None:
        """Change the configuration, and restart the poller.

        Args:
            changes: lines of the sample configuration with their replacements.
        """
        text = self.path(CONFIGURATION).read_text()
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        self.write(CONFIGURATION, text)
        self.run("systemctl", "restart", "cirrus-statusd")

    def discovered(self) -> str:
        """The URI of the only device that discovery finds.

        Discovery is repeated, because a busy machine may take too long.
        """
        found: list[str] = []

        def find() -> bool:
            said = self.run("lpinfo", "--include-schemes", "cirrus", "-v")
            found[:] = re.findall(r"(?m)^network (cirrus:\S+)$", said)
            return bool(found)

        eventually(find)
        (uri,) = found
        return uri

    def _add_queue(self) -> None:
        uri = self.discovered()
        assert uri == f"cirrus://{SERVER}/Acme/Paris:Laser1"
        # from CUPS 2.4.10 on, lpinfo and lpadmin warn that drivers are deprecated
        (driver,) = re.findall(r"(?m)^cirrus:\S+", self.run("lpinfo", "-m"))
        self.run("lpadmin", "-p", QUEUE, "-E", "-v", uri, "-m", driver)

    def cloudlet(self, *words: str) -> str:
        """Run cirrus-cloudlet for the cloud."""
        return self.run("cirrus-cloudlet", *words, *CLOUD)

    def print_document(
        self, title: str = "welcome.pdf", *, queue: str = QUEUE, file: str = "/srv/welcome.pdf"
    ) -> str:
        """Print a document, by default one of four pages; return the job's number."""
        said = self.run("lp", "-d", queue, "-t", title, file)
        (number,) = re.findall(rf"{queue}-(\d+)", said)
        return str(number)

    def waiting(self) -> str:
        """The jobs that are not completed, as lpstat lists them."""
        return self.run("lpstat", "-l", "-o")

    def wait_for_held(self) -> None:
        """Wait until a job is held."""
        eventually(lambda: "job-hold-until-specified" in self.waiting())

    def completed(self) -> int:
        """The number of jobs that CUPS has completed."""
        return len(self.run("lpstat", "-W", "completed", "-o").splitlines())

    def cloud_jobs(self) -> list[dict[str, Any]]:
        """The cloud's jobs, oldest first."""
        jobs: list[dict[str, Any]] = json.loads(self.cloudlet("job", "list", "--json"))
        return jobs[::-1]

    def states(self) -> list[str]:
        """The states of the cloud's jobs, oldest first."""
        return [job["state_name"] for job in self.cloud_jobs()]

    def backends(self) -> set[str]:
        """The processes of jobs: fronts, and their warm workers."""
        said = self.run("sh", "-c", "grep -Hx 'cirrus\\( [0-9]*\\)\\?' /proc/[0-9]*/comm || true")
        return set(re.findall(r"(?m)^/proc/(\d+)/", said))

    def workers(self) -> list[str]:
        """The warm workers that do a job."""
        said = self.run("sh", "-c", "grep -Hx 'cirrus [0-9]*' /proc/[0-9]*/comm || true")
        return re.findall(r"(?m)^/proc/(\d+)/", said)
