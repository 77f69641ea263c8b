"""The kinds of devices that documents are delivered to, and the delivery to any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cirrus_cloudlet.delivery import folders, printer, ways
from cirrus_cloudlet.delivery.texts import in_charset_of
from cirrus_cloudlet.inventory.inventory import Device, DeviceType
from cirrus_cloudlet.storage.jobs import Job

_WAYS: Mapping[DeviceType, Callable[[ways.Delivery], str]] = {
    DeviceType.FILE: folders.deliver_file,
    DeviceType.PRINTER: printer.deliver_printer,
    DeviceType.COMMAND: ways.deliver_command,
}


def waits_for_a_person(device: Device) -> bool:
    """Whether a device gets no deliveries: a browser user saves, trashes or deletes its jobs."""
    return device.type not in _WAYS


def deliver(
    job: Job,
    device: Device,
    document: Path,
    folder: Path,
    aim: Callable[[str, str | None], None],
    stopping: Callable[[], bool],
    *,
    mark: str = "",
) -> str:
    """Deliver a job's document to its device; return the message for the job.

    Args:
        document: the document's file, as it was submitted.
        folder: the base of relative targets.
        aim: gets target and path before anything is sent there.
        stopping: tells a running command that it has to end.
        mark: by which a printer can tell later whether it has the job; empty for none.

    Raises:
        DeliveryFault: the document did not arrive.
    """
    with in_charset_of(device, job, document) as converted:
        return _WAYS[device.type](
            ways.Delivery(
                job=job,
                device=device,
                document=converted,
                props={**device.props, **job.props},
                folder=folder,
                aim=aim,
                stopping=stopping,
                mark=mark,
            )
        )
