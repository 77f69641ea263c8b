"""What the server may have done on this machine: the administrator of the machine decides."""

from __future__ import annotations

import os
from pathlib import Path

from cirrus_cloudlet.client.settings import Settings
from cirrus_cloudlet.delivery.ways import JOB_WAITS, DeliveryFault
from cirrus_cloudlet.inventory.inventory import Device, DeviceType


def check(device: Device, settings: Settings, folder: Path) -> None:
    """Raise DeliveryFault if this machine does not allow a delivery to a device.

    Args:
        folder: into which devices may always write.
    """
    if device.type is DeviceType.COMMAND and not settings.allow_commands:
        raise DeliveryFault(
            "the client at the location runs no commands; to allow them, start it there with"
            f" --allow-commands; {JOB_WAITS}",
            again=False,
        )
    if device.type is DeviceType.FILE and device.reaches_out(folder):
        # the part before the first tag; see delivery/folders
        before = device.target.partition("{")[0]
        base = Path(os.path.realpath((folder / f"{before}x").parent))
        if not any(base.is_relative_to(os.path.realpath(each)) for each in settings.allow_folders):
            raise DeliveryFault(
                f"the client at the location does not write to {base}; to allow that, start it"
                f" there with --allow-folder {base}; {JOB_WAITS}",
                again=False,
            )
