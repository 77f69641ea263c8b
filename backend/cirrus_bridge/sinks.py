"""What is told of each change beside the log, as `[statusd]` wants it.

Nothing is imported that is not asked for: the poller is to stay small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cirrus_bridge.aside import Aside, Complaint
from cirrus_bridge.change import Change
from cirrus_bridge.clock import Clock
from cirrus_bridge.config import PollerSettings


def sinks(
    settings: PollerSettings,
    environ: Mapping[str, str],
    log: Callable[[Change], None],
    clock: Clock,
) -> list[Aside]:
    """The hook and the desktop, if they are wanted; their own trouble is told to `log` alone."""
    found = []
    if settings.hook:
        from cirrus_bridge.hook import Hook

        hook = Hook(settings.hook, environ, Complaint("hook-failed", log, clock))
        found.append(Aside("hook-late", hook, log, clock))
    if settings.notify:
        from cirrus_bridge.desktop import Desktop

        desktop = Desktop(Complaint("notify-failed", log, clock), clock)
        found.append(Aside("notify-late", desktop, log, clock))
    return found
