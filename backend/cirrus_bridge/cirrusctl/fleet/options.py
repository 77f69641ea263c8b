"""The options of commands that ask several hosts, and the wishes that they express."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.fleet.hosts import Host, hosts
from cirrus_bridge.cirrusctl.fleet.ssh import SshSettings
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer

Hosts: TypeAlias = Annotated[
    str | None,
    typer.Option("--host", metavar="HOST,…", help="Ask these hosts over ssh, not this machine."),
]
Inventory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Ask the hosts in a list, or in an Ansible inventory, over ssh."
    ),
]
SshConfig: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="An ssh configuration file for these hosts.")
]
Sudo: TypeAlias = Annotated[
    bool, typer.Option("--sudo", help="Run cirrusctl with sudo on these hosts.")
]
_AT_ONCE, _LIMIT_S = 16, 30.0
# no default for typer: a value without hosts is refused
Parallel: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1, max=500, metavar="N", help="The maximum number of hosts to ask at once (16)."
    ),
]
HostTimeout: TypeAlias = Annotated[
    float | None,
    typer.Option(min=1, metavar="S", help="The number of seconds to wait for each host (30)."),
]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The hosts to ask, and how."""

    hosts: list[Host]
    settings: SshSettings


def fleet_of(
    listed: str | None,
    inventory: str | None,
    ssh_config: str | None,
    *,
    sudo: bool,
    parallel: int | None,
    host_timeout: float | None,
) -> Fleet | None:
    """The fleet of a command line; None if the command is for this machine.

    Raises:
        WrongAnswer: a host or the inventory is wrong.
    """
    if listed is None and inventory is None:
        if sudo or (ssh_config, parallel, host_timeout) != (None, None, None):
            raise WrongAnswer(
                tr(
                    "--ssh-config, --sudo, --parallel and --host-timeout need --host or"
                    " --inventory."
                )
            )
        return None
    found = hosts(listed, Path(inventory) if inventory is not None else None)
    config = Path(ssh_config) if ssh_config is not None else None
    return Fleet(found, SshSettings(config, host_timeout or _LIMIT_S, parallel or _AT_ONCE, sudo))
