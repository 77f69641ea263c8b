"""CUPS as a snap: its cupsd runs only the backends in the snap, so its queues cannot use ours.

If the system has its own CUPS (its configuration file exists), the snap passes all jobs to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.translation import joined, tr


class SnapNotice(NamedTuple):
    """A problem and its solution."""

    message: str
    hint: str

    @property
    def text(self) -> str:
        """Message and hint."""
        return joined(" ", self)


ALONE = SnapNotice(
    tr("CUPS on this machine is a snap, which runs only its own backends."),
    tr("Install the distribution's CUPS (package cups), then run: snap restart cups"),
)
BESIDE = SnapNotice(
    tr("CUPS is also installed as a snap on this machine."),
    tr(
        "Add queues with the system's lpadmin, not with cups.lpadmin. The snap passes jobs on to "
        "them. If it does not, run: snap restart cups"
    ),
)


def snap_notice(root: Path = Path("/")) -> SnapNotice | None:
    """Detect CUPS's snap: ALONE, BESIDE the system's CUPS, or None."""
    if not (root / "var/snap/cups").is_dir():
        return None
    return BESIDE if (root / "etc/cups/cupsd.conf").exists() else ALONE
