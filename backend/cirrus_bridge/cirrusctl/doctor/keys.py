"""Checks of the configuration: valid files and private keys."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.base.errors import CirrusError, ExposedKey
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, error, failed, good, note, warning
from cirrus_bridge.config.load import Configuration, UploadSettings, load, load_bridge
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.servers import Server, read_server_file

CONFIGURATION, KEYS = tr("configuration"), tr("key files")


@dataclass(slots=True)
class CheckedConfiguration:
    """The readable part of the configuration, and the findings about the rest."""

    configuration: Configuration
    findings: list[Finding] = field(default_factory=list)


def read_configuration(folder: Path, *, is_root: bool) -> CheckedConfiguration:
    """Read the configuration in `folder`, without its invalid files."""
    try:
        configuration = load(folder)
    except CirrusError as trouble:
        return _piecemeal(folder, trouble, is_root=is_root)
    found = [*_folders(folder)]
    old = [*_removed(configuration)]
    if not configuration.servers:
        found.append(
            error(
                CONFIGURATION,
                str(folder),
                tr("There is no [[server]] entry, so nothing can be printed."),
                tr(
                    "Run cirrusctl setup, or write {folder}/servers.d/NAME.toml (mode 0600) "
                    "with host, company, api_key and locations.",
                    folder=folder,
                ),
                "CB-204",
            )
        )
    elif not found:
        found.append(
            good(KEYS, str(folder / "servers.d"), tr("Only the owner can read the key files."))
        )
    return CheckedConfiguration(configuration, found + old)


def _piecemeal(folder: Path, trouble: CirrusError, *, is_root: bool) -> CheckedConfiguration:
    """Read the valid files of an invalid configuration."""
    if not is_root and not _may_read(folder / "servers.d"):
        finding = error(
            KEYS,
            str(folder),
            tr("Only root can read the keys, so no server is checked."),
            tr("Run the doctor as root."),
            trouble.code,
        )
        return CheckedConfiguration(_without(folder, ()), [finding])
    found = [*_folders(folder)]
    servers: list[Server] = []
    try:
        files = sorted(folder.glob("servers.d/*.toml"))
    except OSError:
        files = []
    told = set()
    for path in files:
        try:
            servers += read_server_file(path)
        except CirrusError as bad:
            told.add(str(bad))
            found.append(_bad(path, bad))
    if str(trouble) not in told:
        found.insert(0, _bad(folder, trouble))
    try:
        configuration = load_bridge(folder, tuple(servers))
    except CirrusError:
        return CheckedConfiguration(_without(folder, tuple(servers)), found)
    return CheckedConfiguration(configuration, [*found, *_removed(configuration)])


def _removed(configuration: Configuration) -> Iterator[Finding]:
    path = configuration.folder / "bridge.toml"
    for name in configuration.removed:
        yield note(
            CONFIGURATION,
            str(path),
            tr("'{name}' below [statusd] no longer has an effect.", name=name),
            tr("Remove the line '{name} = …' from {path}.", name=name, path=path),
        )


def _may_read(keys: Path) -> bool:
    return os.access(keys, os.R_OK | os.X_OK) and all(
        os.access(path, os.R_OK) for path in keys.glob("*.toml")
    )


def _without(folder: Path, servers: tuple[Server, ...]) -> Configuration:
    return Configuration(folder, QueueSettings(), UploadSettings(), servers)


def _bad(path: Path, trouble: CirrusError) -> Finding:
    if isinstance(trouble, ExposedKey):
        return failed(KEYS, str(path), trouble)
    return failed(
        CONFIGURATION,
        str(path),
        trouble,
        tr(
            "Correct the named file; until then no queue prints. Then run cupsenable for each "
            "queue."
        ),
    )


def _folders(folder: Path) -> Iterator[Finding]:
    """Report folders in which other users may put files."""
    for path in (folder, folder / "servers.d"):
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_IMODE(status.st_mode) & 0o022 or status.st_uid not in (0, os.geteuid()):
            yield warning(
                KEYS,
                str(path),
                tr("Other users than root may write into this folder, and so send jobs elsewhere."),
                tr("Run: chown root {path} && chmod go-w {path}", path=path),
            )
