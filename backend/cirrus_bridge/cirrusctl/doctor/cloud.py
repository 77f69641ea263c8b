"""Checks of the key, the locations and the devices, as servers report them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cirrus_bridge.base.errors import KeyRefused, NotPermitted, Refused, WrongUser
from cirrus_bridge.base.model import Target
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.mistakes import with_guess
from cirrus_bridge.cirrusctl.output.table import some
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.cups.queues import STOPPED, Queue
from cirrus_bridge.drivers.capabilities import LANGUAGES, formats

QUEUE = tr("queue")
# MIME type that filters produce → the name of the format in the API
_WORDS = {line.split()[1]: word for word, made in LANGUAGES.items() for line in made.filters}
_WORDS |= dict.fromkeys(("application/postscript", "application/vnd.cups-postscript"), "ps")
_FILTER = re.compile(r'^\*cupsFilter(2?):\s*"([^"]*)"', re.MULTILINE)
MOST_NAMES = 8
_CUPS_STOPPED_IT = "stopped due to"  # scheduler/job.c of CUPS 2.4, for the policy stop-printer


class CloudQueue(NamedTuple):
    """A queue of ours in CUPS; `ppd` is None for a queue without a driver."""

    queue: Queue
    uri: QueueUri
    ppd: str | None


def check_server(about: str, answers: Sequence[LocationAnswer]) -> Iterator[Finding]:
    """Check that the server accepts the key. Without a location, this is unknown."""
    key = Subject(tr("key"), about)
    refused = next((a.error for a in answers if isinstance(a.error, KeyRefused)), None)
    if refused is not None:
        fix = tr(
            "Put a valid key into servers.d (the server's administrator issues keys). Then release "
            "jobs that stay held: lp -i JOB -H resume"
        )
        yield key.failed(refused, fix)
    elif any(a.error is None or isinstance(a.error, NotPermitted | Refused) for a in answers):
        yield key.good(tr("The server accepts the key."))
    elif not answers:
        fix = tr('Add locations = ["…"] to the server\'s entry in servers.d.')
        yield key.note(tr("The key was not tried, because no location is known."), fix)
    told = set()
    for trouble in (a.error for a in answers):
        if trouble is None or isinstance(trouble, KeyRefused | NotPermitted | Refused):
            continue
        if str(trouble) not in told:
            told.add(str(trouble))
            see = ""
            if not isinstance(trouble, WrongUser):  # TCP works, and there is no TLS
                see = tr("See DNS, TCP and TLS of this server above.")
            yield key.failed(trouble, joined(" ", filter(None, (trouble.hint, see))))


def check_location(answer: LocationAnswer) -> Iterator[Finding]:
    """Check that a location exists, is active and has active devices."""
    place = answer.place
    location = Subject(tr("location"), f"{place.location} ({place.company}, {place.server})")
    devices = _devices(answer)
    inactive = [name for name, device in devices.items() if device.get("IsInactive")]
    active = len(devices) - len(inactive)
    if isinstance(answer.error, NotPermitted):
        fix = tr(
            "Ask the server's administrator to grant the key access to this location, or correct "
            "the company and locations in servers.d."
        )
        yield location.failed(answer.error, fix)
    elif isinstance(answer.error, Refused):
        fix = tr(
            "Correct the company and locations in servers.d and in queues' URIs (lpadmin -v), or "
            "ask the server's administrator to add the location."
        )
        yield location.failed(answer.error, fix)
    elif answer.error is not None:
        return  # reported for the server
    elif answer.content.get("IsInactive"):
        fix = tr("Ask the server's administrator to activate the location.")
        yield location.error(tr("The location is inactive, so nothing is delivered."), fix)
    elif inactive:
        listed = some(inactive, MOST_NAMES)
        text = tr(
            "Active devices: {active}. Inactive devices: {listed}.", active=active, listed=listed
        )
        fix = tr("To print to these devices, ask the server's administrator to activate them.")
        yield location.note(text, fix)
    elif not active:
        fix = tr(
            "Start the server's client at the location, or ask the server's administrator to add "
            "a device."
        )
        yield location.warning(tr("The location has no devices."), fix)
    else:
        yield location.good(tr("The location is active. Active devices: {active}.", active=active))


def check_queue(queue: Queue, targets: Sequence[Target]) -> Iterator[Finding]:
    """Check that a queue prints and accepts jobs."""
    subject = Subject(QUEUE, queue.name)
    if queue.state == STOPPED:
        yield _stopped(subject, queue)
    if not queue.accepting:
        yield subject.error(
            joined(": ", filter(None, (tr("The queue rejects jobs"), queue.message))),
            tr("Run: cupsaccept {name}", name=queue.name),
        )
    elif queue.state != STOPPED:
        listed = ", ".join(map(str, targets))
        yield subject.good(tr("The queue prints to {targets}.", targets=listed))


def _stopped(subject: Subject, queue: Queue) -> Finding:
    """A stopped queue: by an error of a job, or paused by a person."""
    code = re.search(r"CB-\d{3}", queue.message)
    if code or _CUPS_STOPPED_IT in queue.message:
        return subject.error(
            joined(": ", (tr("The queue is stopped"), queue.message)),
            tr("Fix what the message reports, then run: cupsenable {name}", name=queue.name),
            code[0] if code else "",
        )
    return subject.warning(
        joined(": ", filter(None, (tr("The queue is paused"), queue.message))),
        tr("To print its jobs, run: cupsenable {name}", name=queue.name),
    )


def check_target(ours: CloudQueue, target: Target, answer: LocationAnswer) -> Iterator[Finding]:
    """Check that a queue's device is active and accepts the driver's format."""
    if answer.error is not None or answer.content.get("IsInactive"):
        return  # reported for the location
    queue = ours.queue.name
    subject = Subject(tr("device"), f"{queue} → {target}")
    there = _devices(answer)
    device = there.get(target.device)
    if device is None:
        active = [name for name, each in there.items() if not each.get("IsInactive")]
        text = tr(
            "{location} has no device {device}. Active devices: {listed}.",
            location=target.location,
            device=target.device,
            listed=some(active, MOST_NAMES) or tr("none"),
        )
        fix = tr(
            "Correct the queue (lpadmin -p {name} -v cirrus://…), then run: cupsenable {name}",
            name=queue,
        )
        yield subject.error(text, with_guess(target.device, active, fix), Refused.code)
    elif device.get("IsInactive"):
        fix = tr(
            "Ask the server's administrator to activate the device, or give the queue another "
            "device (lpadmin -p {name} -v cirrus://…).",
            name=queue,
        )
        yield subject.error(tr("{device} is inactive.", device=target.device), fix, Refused.code)
    else:
        yield subject.good(tr("The device is active."))
        wanted = answer.drivers.get(target.device)
        name = wanted.name if wanted else ""
        yield from check_driver(queue, subject.about, ours.ppd, formats(device), name)


def check_driver(
    queue: str, about: str, ppd: str | None, taken: Iterable[str], driver: str
) -> Iterator[Finding]:
    """Check that the device accepts the format that a queue's driver produces.

    Args:
        ppd: None for a queue without a driver.
        taken: the device's formats in the API; empty if unknown.
        driver: the name of the device's own driver; empty if there is none.
    """
    subject = Subject(tr("driver"), about)
    fix = tr(
        "Choose a driver for a format that the device accepts (lpinfo -m), then run: lpadmin "
        "-p {queue} -m …",
        queue=queue,
    )
    if driver:
        fix = tr(
            "Use the device's own driver: run lpinfo -v to find it, then: lpadmin -p {queue} "
            "-m {driver}",
            queue=queue,
            driver=driver,
        )
    if ppd is None:
        yield subject.note(tr("The queue has no driver, so documents are sent unchanged."), fix)
        return
    takes, made = set(taken), _made(ppd)
    if not takes or "any" in takes or made is None:
        return
    if names := ", ".join(sorted(takes & made)):
        yield subject.good(tr("The driver produces {names}.", names=names))
    else:
        text = tr(
            "The driver produces {made}, but the device accepts only {takes}: nothing prints, or "
            "pages are garbled.",
            made=", ".join(sorted(made)),
            takes=", ".join(sorted(takes)),
        )
        yield subject.error(text, fix)


def _made(ppd: str) -> set[str] | None:
    """The formats that a driver's filters produce; None if the API has no name for one."""
    found = set()
    for kind, line in _FILTER.findall(ppd):
        words = line.split()
        at = 1 if kind else 0  # cupsFilter names only the input
        if len(words) <= at or words[at] not in _WORDS:
            return None
        found.add(_WORDS[words[at]])
    return found or {"ps"}  # a PPD without filters is a PostScript printer's


def _devices(answer: LocationAnswer) -> Mapping[str, Mapping[str, object]]:
    found = answer.content.get("Devices")
    devices = found if isinstance(found, dict) else {}
    return {name: device for name, device in devices.items() if isinstance(device, dict)}
