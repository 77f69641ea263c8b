"""CUPS as a snap: its cupsd sees no backend but those in the snap, so no queue of it leads here.

Beside a system's CUPS, which it tells by its configuration file, it only passes on jobs to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.translation import joined, tr


class SnapNotice(NamedTuple):
    """What is so, and what to do."""

    message: str
    hint: str

    @property
    def text(self) -> str:
        """Both."""
        return joined(" ", self)


ALONE = SnapNotice(
    tr("CUPS on this machine is a snap, which runs no backends but its own."),
    tr("Install the CUPS of the distribution (its package cups), then run: snap restart cups"),
)
BESIDE = SnapNotice(
    tr("CUPS is on this machine as a snap, too."),
    tr(
        "Add queues with the system's lpadmin, not with cups.lpadmin; the snap passes on jobs to "
        "them. Does it not? Run: snap restart cups"
    ),
)


def snap_notice(root: Path = Path("/")) -> SnapNotice | None:
    """What to know about CUPS's snap: ALONE, BESIDE, or nothing where there is none."""
    if not (root / "var/snap/cups").is_dir():
        return None
    return BESIDE if (root / "etc/cups/cupsd.conf").exists() else ALONE
