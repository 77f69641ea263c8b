"""What is told of each change beside the log, as `[statusd]` wants it.

Nothing is imported that is not asked for: the poller is to stay small.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.load import Configuration
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.statusd.notify.background import BackgroundWorker, Complaint


def sinks(
    configuration: Configuration,
    environ: Mapping[str, str],
    log: Callable[[Change], None],
    clock: Clock,
) -> list[BackgroundWorker]:
    """The hook, if it is wanted; its own trouble is told to `log` alone.

    Raises:
        BadConfiguration: anybody could have chosen the hook.
    """
    settings = configuration.poller
    found = []
    if settings.hook:
        from cirrus_bridge.statusd.notify.hook import Hook

        _check_only_ours(configuration.folder / "bridge.toml")
        hook = Hook(settings.hook, environ, Complaint("hook-failed", log, clock))
        found.append(BackgroundWorker("hook-late", hook, log, clock))
    return found


def _check_only_ours(path: Path) -> None:
    status = path.stat()
    if status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
        raise BadConfiguration(
            tr(
                "{path} names a command to be run, and others than its owner can change it.",
                path=path,
            ),
            tr("Run: chown root {path} && chmod go-w {path}", path=path),
        )
