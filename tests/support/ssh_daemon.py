"""An sshd(8) of a test on a loopback port, with keys of its own, and a configuration for ssh(1)."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from ports import reserved_port
from print_site import eventually
from programs import Program

SSHD = "/usr/sbin/sshd"  # must be started by its whole path
# an account's shell may change PATH, but not the program that sshd runs in its place
_CONFIG = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
ListenAddress 127.0.0.1:{port}
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
"""
_CLIENT = """\
Host {names}
  HostName 127.0.0.1
  Port {port}
  User root
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
"""


class SshDaemon:
    """A context manager. Each host is the same machine; `hosts` has the variables of each host's
    commands, by its name for ssh. `config` is for ssh's -F."""

    def __init__(self, folder: Path, hosts: Mapping[str, Mapping[str, str]]) -> None:
        self.folder, self._hosts = folder, hosts
        self.port = reserved_port(self)
        self.config = folder / "ssh_config"

    def __enter__(self) -> Self:
        for name in ("key", "host_key"):
            words = ("-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
            subprocess.run(["ssh-keygen", *words], check=True)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # of Debian's sshd
        (self.folder / "sshd_config").write_text(
            _CONFIG.format(folder=self.folder, port=self.port) + "AcceptEnv CB_HOST\n"
            f"ForceCommand {self.folder}/run\n"
        )
        self._write_run()
        host_key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")
        self.config.write_text(
            "".join(
                _CLIENT.format(names=name, port=self.port, folder=self.folder)
                + f"  SetEnv CB_HOST={name}\n"
                for name in self._hosts
            )
        )
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self._log = (self.folder / "sshd.log").open("w")
        self._daemon = Program[str](command, stderr=self._log, text=True)
        eventually(self._answers)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._daemon.end()
        self._log.close()

    def add_client(self, name: str, lines: Sequence[str]) -> None:
        """Configure a further host for ssh."""
        with self.config.open("a") as config:
            config.write("".join(f"{line}\n" for line in (f"Host {name}", *lines)))

    def _write_run(self) -> None:
        """The program that runs each command with the variables of its host."""
        cases = "".join(
            f"{name}) export {' '.join(f'{key}={value}' for key, value in variables.items())} ;;\n"
            for name, variables in self._hosts.items()
        )
        run = self.folder / "run"
        run.write_text(
            f'#!/bin/sh\ncase $CB_HOST in\n{cases}esac\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n'
        )
        run.chmod(0o755)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0
