"""Checks of the key, the locations and the devices, as servers report them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.errors import CirrusError, KeyRefused, NotPermitted, Refused
from cirrus_bridge.base.model import Target
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, error, failed, good, note, warning
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.output.table import some
from cirrus_bridge.drivers.capabilities import formats
from cirrus_bridge.drivers.formats import LANGUAGES

KEY, LOCATION, DEVICE = tr("key"), tr("location"), tr("device")
DRIVER, QUEUE = tr("driver"), tr("queue")
# MIME type that filters produce → the name of the format in the API
_WORDS = {line.split()[1]: word for word, made in LANGUAGES.items() for line in made.filters}
_FILTER = re.compile(r'^\*cupsFilter(2?):\s*"([^"]*)"', re.MULTILINE)
MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue of ours in CUPS; `ppd` is None for a queue without a driver."""

    name: str
    server: str
    targets: tuple[Target, ...]
    ppd: str | None
    is_stopped: bool
    is_accepting: bool
    message: str


def check_server(about: str, answers: Sequence[LocationAnswer]) -> Iterator[Finding]:
    """Check that the server accepts the key. Without a location, this is unknown."""
    refused = next((a.error for a in answers if isinstance(a.error, KeyRefused)), None)
    if refused is not None:
        yield failed(
            KEY,
            about,
            refused,
            tr(
                "Put a valid key into servers.d (the server's administrator issues "
                "keys). Then release jobs that stay held: lp -i JOB -H resume"
            ),
        )
    elif any(a.error is None or isinstance(a.error, NotPermitted | Refused) for a in answers):
        yield good(KEY, about, tr("The server accepts the key."))
    elif not answers:
        yield note(
            KEY,
            about,
            tr("The key was not tried, because no location is known."),
            tr('Add locations = ["…"] to the server\'s entry in servers.d.'),
        )
    told = set()
    for answer in answers:
        trouble = answer.error
        away = trouble is not None and not isinstance(trouble, KeyRefused | NotPermitted | Refused)
        if trouble is not None and away and str(trouble) not in told:
            told.add(str(trouble))
            see = tr("See DNS, TCP and TLS of this server above.")
            yield failed(KEY, about, trouble, joined(" ", filter(None, (trouble.hint, see))))


def check_location(answer: LocationAnswer) -> Iterator[Finding]:
    """Check that a location exists, is active and has active devices."""
    place = answer.place
    about = f"{place.location} ({place.company}, {place.server})"
    if isinstance(answer.error, NotPermitted):
        yield failed(
            LOCATION,
            about,
            answer.error,
            tr(
                "Ask the server's administrator to grant the key access to this "
                "location, or correct the company and locations in servers.d."
            ),
        )
    if isinstance(answer.error, Refused):
        yield failed(
            LOCATION,
            about,
            answer.error,
            tr(
                "Correct the company and locations in servers.d and in queues' URIs (lpadmin "
                "-v), or ask the server's administrator to add the location."
            ),
        )
    if answer.error is not None:
        return
    if answer.content.get("IsInactive"):
        yield error(
            LOCATION,
            about,
            tr("The location is inactive, so nothing is delivered."),
            tr("Ask the server's administrator to activate the location."),
        )
        return
    inactive = [name for name, device in _devices(answer).items() if device.get("IsInactive")]
    active = len(_devices(answer)) - len(inactive)
    if inactive:
        yield note(
            LOCATION,
            about,
            tr(
                "Active devices: {active}. Inactive devices: {listed}.",
                active=active,
                listed=some(inactive, MOST_NAMES),
            ),
            tr("To print to these devices, ask the server's administrator to activate them."),
        )
    elif not active:
        yield warning(
            LOCATION,
            about,
            tr("The location has no devices."),
            tr(
                "Start the server's client at the location, or ask the server's administrator "
                "to add a device."
            ),
        )
    else:
        yield good(
            LOCATION, about, tr("The location is active. Active devices: {active}.", active=active)
        )


def no_queue(cups: str) -> Finding:
    """Report that CUPS has no queue of ours."""
    return note(
        QUEUE,
        cups,
        tr("CUPS has no queue that leads to the cloud."),
        tr(
            "Run: cirrusctl setup. Alternatively, add a device from lpinfo -v with lpadmin or a "
            "print dialog."
        ),
    )


def unusable(queue: str, trouble: CirrusError) -> Finding:
    """Report a queue with an invalid URI, or with a server that is not configured."""
    return failed(QUEUE, queue, trouble)


def check_queue(queue: QueueFacts) -> Iterator[Finding]:
    """Check that a queue prints and accepts jobs."""
    if queue.is_stopped:
        code = re.search(r"CB-\d{3}", queue.message)
        yield error(
            QUEUE,
            queue.name,
            _said(tr("The queue is stopped"), queue),
            tr("Fix what the message reports, then run: cupsenable {name}", name=queue.name),
            code[0] if code else "",
        )
    if not queue.is_accepting:
        yield error(
            QUEUE,
            queue.name,
            _said(tr("The queue rejects jobs"), queue),
            tr("Run: cupsaccept {name}", name=queue.name),
        )
    if queue.is_accepting and not queue.is_stopped:
        yield good(
            QUEUE,
            queue.name,
            tr("The queue prints to {targets}.", targets=", ".join(map(str, queue.targets))),
        )


def _said(what: str, queue: QueueFacts) -> str:
    return joined(": ", (what, queue.message)) if queue.message else what


def check_target(queue: QueueFacts, target: Target, answer: LocationAnswer) -> Iterator[Finding]:
    """Check that a queue's device is active and accepts the driver's format."""
    about = f"{queue.name} → {target}"
    if answer.error is not None or answer.content.get("IsInactive"):
        return  # reported for the location
    there = _devices(answer)
    device = there.get(target.device)
    active = [name for name, each in there.items() if not each.get("IsInactive")]
    if device is None:
        yield error(
            DEVICE,
            about,
            tr(
                "{location} has no device {device}. Active devices: {listed}.",
                location=target.location,
                device=target.device,
                listed=some(active, MOST_NAMES) or tr("none"),
            ),
            tr(
                "Correct the queue (lpadmin -p {name} -v cirrus://…), then run: cupsenable {name}",
                name=queue.name,
            ),
            Refused.code,
        )
        return
    if device.get("IsInactive"):
        yield error(
            DEVICE,
            about,
            tr("{device} is inactive.", device=target.device),
            tr(
                "Ask the server's administrator to activate the device, or give the queue "
                "another device (lpadmin -p {name} -v cirrus://…).",
                name=queue.name,
            ),
            Refused.code,
        )
        return
    yield good(DEVICE, about, tr("The device is active."))
    wanted = answer.drivers.get(target.device)
    yield from check_driver(
        queue.name, about, queue.ppd, formats(device), wanted.name if wanted else ""
    )


def check_driver(
    queue: str, about: str, ppd: str | None, taken: Iterable[str], driver: str
) -> Iterator[Finding]:
    """Check that the device accepts the format that a queue's driver produces.

    Args:
        ppd: the driver's text; None for a queue without a driver.
        taken: the device's formats in the API; empty if unknown.
        driver: the name of the device's own driver; empty if there is none.
    """
    takes = set(taken)
    if ppd is None:
        yield note(
            DRIVER,
            about,
            tr("The queue has no driver, so documents are sent unchanged."),
            _give(queue, driver),
        )
        return
    made = _made(ppd)
    if not takes or "any" in takes or made is None:
        return
    if takes & made:
        yield good(
            DRIVER, about, tr("The driver produces {names}.", names=", ".join(sorted(takes & made)))
        )
    else:
        yield error(
            DRIVER,
            about,
            tr(
                "The driver produces {made}, but the device accepts only {takes}: nothing "
                "prints, or pages are garbled.",
                made=", ".join(sorted(made)),
                takes=", ".join(sorted(takes)),
            ),
            _give(queue, driver),
        )


def _give(queue: str, driver: str) -> str:
    if driver:
        return tr(
            "Use the device's own driver: run lpinfo -v to find it, then: lpadmin -p {queue} "
            "-m {driver}",
            queue=queue,
            driver=driver,
        )
    return tr(
        "Choose a driver for a format that the device accepts (lpinfo -m), then run: lpadmin "
        "-p {queue} -m …",
        queue=queue,
    )


def _made(ppd: str) -> set[str] | None:
    """The formats that a driver's filters produce; None if the API has no name for one."""
    found = set()
    for kind, line in _FILTER.findall(ppd):
        words = line.split()
        at = 1 if kind else 0  # cupsFilter names only the input
        if len(words) <= at:
            return None
        made = words[at]
        if made not in _WORDS:
            return None
        found.add(_WORDS[made])
    return found or {"ps"}  # a PPD without filters is a PostScript printer's


def _devices(answer: LocationAnswer) -> Mapping[str, Mapping[str, object]]:
    found = answer.content.get("Devices")
    devices = found if isinstance(found, dict) else {}
    return {name: device for name, device in devices.items() if isinstance(device, dict)}
