"""Checks of the configuration: valid files and private keys."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.base.errors import CirrusError, ExposedKey
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.config.load import Configuration, UploadSettings, load, load_bridge
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.servers import Server, read_server_file

CONFIGURATION, KEYS = tr("configuration"), tr("key files")


def read_configuration(folder: Path, *, is_root: bool) -> tuple[Configuration, list[Finding]]:
    """Read the configuration in `folder` without its invalid files; and the findings about all."""
    try:
        configuration = load(folder)
    except CirrusError as trouble:
        if is_root or _may_read(folder / "servers.d"):
            return _piecemeal(folder, trouble)
        finding = Subject(KEYS, str(folder)).error(
            tr("Only root can read the keys, so no server is checked."),
            tr("Run the doctor as root."),
            trouble.code,
        )
        return Configuration(folder, QueueSettings(), UploadSettings(), ()), [finding]
    found = [*_folders(folder)]
    if not configuration.servers:
        found.append(
            Subject(CONFIGURATION, str(folder)).error(
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
        keys = Subject(KEYS, str(folder / "servers.d"))
        found.append(keys.good(tr("Only the owner can read the key files.")))
    return configuration, [*found, *_removed(configuration)]


def _may_read(keys: Path) -> bool:
    return os.access(keys, os.R_OK | os.X_OK) and all(
        os.access(path, os.R_OK) for path in keys.glob("*.toml")
    )


def _piecemeal(folder: Path, trouble: CirrusError) -> tuple[Configuration, list[Finding]]:
    """Read the valid files of an invalid configuration."""
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
        configuration = Configuration(folder, QueueSettings(), UploadSettings(), tuple(servers))
    return configuration, [*found, *_removed(configuration)]


def _removed(configuration: Configuration) -> Iterator[Finding]:
    path = configuration.folder / "bridge.toml"
    for name in configuration.removed:
        yield Subject(CONFIGURATION, str(path)).note(
            tr("'{name}' below [statusd] no longer has an effect.", name=name),
            tr("Remove the line '{name} = …' from {path}.", name=name, path=path),
        )


def _bad(path: Path, trouble: CirrusError) -> Finding:
    if isinstance(trouble, ExposedKey):
        return Subject(KEYS, str(path)).failed(trouble)
    return Subject(CONFIGURATION, str(path)).failed(
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
            yield Subject(KEYS, str(path)).warning(
                tr("Other users than root may write into this folder, and so send jobs elsewhere."),
                tr("Run: chown root {path} && chmod go-w {path}", path=path),
            )
