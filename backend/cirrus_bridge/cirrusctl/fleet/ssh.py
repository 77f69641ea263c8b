"""Use case: run a command of cirrusctl on several hosts at once, over ssh(1).

ssh's own configuration says how to reach a host: names, keys, jump hosts. No password is asked for.
A host that does not answer in time delays no other, and is an error of its own.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.base.json_size import is_small
from cirrus_bridge.base.subprocesses import ProgramFailed, output_of
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.fleet.hosts import Host

CONNECT_S = 10
MOST_VALUES = 1_000_000
_SSH_FAILED, _NOT_FOUND = 255, 127  # ssh(1), and the shell of the host
_OPTIONS = (
    *("BatchMode=yes", f"ConnectTimeout={CONNECT_S}", "ForwardAgent=no", "ForwardX11=no"),
    *("ClearAllForwardings=yes", "ControlMaster=no", "LogLevel=ERROR"),
)


@dataclass(frozen=True, slots=True)
class SshSettings:
    """`config` replaces ssh's own configuration. `limit_s` is for one host, and `at_once` the most
    hosts that are asked at the same time."""

    config: Path | None = None
    limit_s: float = 30.0
    at_once: int = 16
    with_sudo: bool = False


@dataclass(frozen=True, slots=True)
class HostOutput:
    """What a host has answered.

    Attributes:
        exit_status: of cirrusctl on the host; None if it has none.
        output: the JSON document; None if there is none, or only an error.
        error: why there is no document.
    """

    host: str
    exit_status: int | None
    output: Any
    error: str | None = None


def ask_hosts(
    hosts: Sequence[Host], arguments: Sequence[str], settings: SshSettings
) -> list[HostOutput]:
    """Run `cirrusctl ARGUMENTS --json` on each host, and return the outputs in the hosts' order."""
    with ThreadPoolExecutor(min(settings.at_once, len(hosts))) as pool:
        return list(pool.map(lambda host: _ask(host, arguments, settings), hosts))


def command(host: Host, arguments: Sequence[str], settings: SshSettings) -> list[str]:
    """The command line of ssh. ssh passes its last word to a shell on the host."""
    words = ["ssh", "-T", "-n"]
    words += ["-F", str(settings.config)] if settings.config is not None else []
    words += [word for option in _OPTIONS for word in ("-o", option)]
    words += ["-p", host.port] if host.port else []
    words += ["-l", host.user] if host.user else []
    remote = ["cirrusctl", *arguments, "--json"]
    if host.with_sudo or settings.with_sudo:
        remote = ["sudo", "-n", *remote]
    return [*words, "--", host.address or host.name, shlex.join(remote)]


def _parsed(out: str) -> Any:
    """A JSON document; raise ValueError if it is none, or would take much memory."""
    if not is_small(out.encode(), MOST_VALUES):
        raise ValueError("too many values, or too many levels")
    return json.loads(out)


def _ask(host: Host, arguments: Sequence[str], settings: SshSettings) -> HostOutput:
    try:
        status, out, complaint = output_of(
            command(host, arguments, settings), limit_s=settings.limit_s
        )
    except TimeoutError:
        seconds = format(settings.limit_s, "g")
        return HostOutput(host.name, None, None, tr("no response in {seconds} s", seconds=seconds))
    except ProgramFailed as error:
        return HostOutput(host.name, None, None, f"ssh: {error}")
    said = complaint.strip().splitlines()
    why = said[-1] if said else tr("no reason given")
    if status == _SSH_FAILED:
        return HostOutput(host.name, None, None, why)
    if status == _NOT_FOUND:
        missing = tr("the host has no cirrusctl ({why})", why=why)
        return HostOutput(host.name, None, None, missing)
    try:
        document = _parsed(out)
    except (ValueError, RecursionError):
        told = tr("unexpected output (exit status {status}): {why}", status=status, why=why)
        return HostOutput(host.name, status, None, told)
    if isinstance(document, dict) and isinstance(refusal := document.get("error"), dict):
        code = f"({refusal['code']})" if refusal.get("code") else ""
        parts = (str(refusal.get("message", "")), code)
        return HostOutput(host.name, status, None, joined(" ", filter(None, parts)))
    return HostOutput(host.name, status, document)
