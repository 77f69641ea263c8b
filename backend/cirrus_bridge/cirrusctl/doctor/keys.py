"""Checks of the configuration: valid files and private keys."""

from __future__ import annotations

import itertools
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
    """Read the configuration in `folder`, without its invalid files, and report all findings."""
    found = [*_folders(folder)]
    keys = folder / "servers.d"
    try:
        configuration = load(folder)
    except CirrusError as trouble:
        if not (is_root or _may_read(keys)):
            text = tr("Only root can read the keys, so no server is checked.")
            as_root = tr("Run the doctor as root.")
            finding = Subject(KEYS, str(folder)).error(text, as_root, trouble.code)
            return Configuration(folder, QueueSettings(), UploadSettings(), ()), [finding]
        configuration, invalid = _valid(folder)
        found += itertools.starmap(_bad, invalid)
        if str(trouble) not in {str(bad) for _, bad in invalid}:
            found.insert(0, _bad(folder, trouble))
    else:
        if not configuration.servers:
            text = tr("There is no [[server]] entry, so nothing can be printed.")
            fix = tr(
                "Run cirrusctl setup, or write {folder}/servers.d/NAME.toml (mode 0600) with host, "
                "company, api_key and locations.",
                folder=folder,
            )
            found.append(Subject(CONFIGURATION, str(folder)).error(text, fix, "CB-204"))
        elif not found:
            text = tr("Only the owner can read the key files.")
            found.append(Subject(KEYS, str(keys)).good(text))
    path = folder / "bridge.toml"
    for name in configuration.removed:
        text = tr("'{name}' below [statusd] no longer has an effect.", name=name)
        fix = tr("Remove the line '{name} = …' from {path}.", name=name, path=path)
        found.append(Subject(CONFIGURATION, str(path)).note(text, fix))
    return configuration, found


def _may_read(keys: Path) -> bool:
    return os.access(keys, os.R_OK | os.X_OK) and all(
        os.access(path, os.R_OK) for path in keys.glob("*.toml")
    )


def _valid(folder: Path) -> tuple[Configuration, list[tuple[Path, CirrusError]]]:
    """The valid files of an invalid configuration, and the invalid files of servers.d."""
    servers: list[Server] = []
    invalid = []
    try:
        files = sorted(folder.glob("servers.d/*.toml"))
    except OSError:
        files = []
    for path in files:
        try:
            servers += read_server_file(path)
        except CirrusError as bad:
            invalid.append((path, bad))
    try:
        return load_bridge(folder, tuple(servers)), invalid
    except CirrusError:
        return Configuration(folder, QueueSettings(), UploadSettings(), tuple(servers)), invalid


def _bad(path: Path, trouble: CirrusError) -> Finding:
    if isinstance(trouble, ExposedKey):
        return Subject(KEYS, str(path)).failed(trouble)
    fix = tr(
        "Correct the named file; until then, the queues that need it do not print. Then run "
        "cupsenable for each queue."
    )
    return Subject(CONFIGURATION, str(path)).failed(trouble, fix)


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
