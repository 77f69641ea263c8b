"""Checks of what a server says: the key, the locations, and the devices that queues lead to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.admin.doctor.finding import Finding, error, failed, good, note, warning
from cirrus_bridge.admin.inventory import Answer
from cirrus_bridge.capabilities import formats
from cirrus_bridge.errors import CirrusError, KeyRefused, Refused
from cirrus_bridge.model import Target
from cirrus_bridge.page_language import LANGUAGES

KEY, LOCATION, DEVICE, DRIVER, QUEUE = "key", "location", "device", "driver", "queue"
# the type of what a driver's filters make → the API's word for it
_WORDS = {
    line.split()[1]: word for word, made in LANGUAGES.items() for line in made.filters
}  # fmt: skip
_FILTER = re.compile(r'^\*cupsFilter(2?):\s*"([^"]*)"', re.MULTILINE)
MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue of ours: its targets, its driver's text (None: it has none), and how CUPS has it."""

    name: str
    server: str
    targets: tuple[Target, ...]
    ppd: str | None
    is_stopped: bool
    is_accepting: bool
    message: str


def check_server(about: str, answers: Sequence[Answer]) -> Iterator[Finding]:
    """The key is accepted, as far as any location was asked for."""
    refused = next((a.error for a in answers if isinstance(a.error, KeyRefused)), None)
    if refused is not None:
        yield failed(
            KEY, about, refused,
            "Put a valid key into servers.d (the server's administrator makes one), and see that "
            "the company there is the key's. Then release held jobs: lp -i JOB -H resume",
        )  # fmt: skip
    elif any(a.error is None or isinstance(a.error, Refused) for a in answers):
        yield good(KEY, about, "The server accepts it.")
    elif not answers:
        yield note(
            KEY, about, "It was not tried, as no location is known.",
            'Add locations = ["…"] to the server\'s entry in servers.d.',
        )  # fmt: skip
    told = set()
    for answer in answers:
        trouble = answer.error
        away = trouble is not None and not isinstance(trouble, KeyRefused | Refused)
        if trouble is not None and away and str(trouble) not in told:
            told.add(str(trouble))
            yield failed(KEY, about, trouble, "See DNS, TCP and TLS of this server, here")


def check_location(answer: Answer) -> Iterator[Finding]:
    """It is there, and in use; what waits there for an administrator."""
    place = answer.place
    about = f"{place.location} ({place.company}, {place.server})"
    if isinstance(answer.error, Refused):
        yield failed(
            LOCATION, about, answer.error,
            "Correct the company and locations in servers.d and in queues' URIs (lpadmin -v), or "
            "have the server's administrator add the location.",
        )  # fmt: skip
    if answer.error is not None:
        return
    if answer.content.get("IsInactive"):
        yield error(
            LOCATION, about, "It is there, but inactive: nothing is delivered.",
            "Have the server's administrator make it active.",
        )  # fmt: skip
        return
    inactive = [name for name, device in _devices(answer).items() if device.get("IsInactive")]
    active = len(_devices(answer)) - len(inactive)
    if inactive:
        yield note(
            LOCATION, about, f"Active devices: {active}. There are inactive ones: "
            f"{_listed(inactive)}.",
            "Who wants to print to those: the server's administrator makes them active.",
        )  # fmt: skip
    elif not active:
        yield warning(
            LOCATION, about, "It has no device.",
            "Have the server's administrator add one, or start the client there, which finds them.",
        )  # fmt: skip
    else:
        yield good(LOCATION, about, f"It is active. Active devices: {active}.")


def unusable(queue: str, trouble: CirrusError) -> Finding:
    """A queue whose URI makes no sense, or leads to no configured server."""
    return failed(QUEUE, queue, trouble)


def check_queue(queue: QueueFacts) -> Iterator[Finding]:
    """It prints, and takes jobs."""
    said = f": {queue.message}" if queue.message else ""
    if queue.is_stopped:
        code = re.search(r"CB-\d{3}", queue.message)
        yield error(
            QUEUE, queue.name, f"It is stopped{said}",
            f"Mend what the message says, then: cupsenable {queue.name}", code[0] if code else "",
        )  # fmt: skip
    if not queue.is_accepting:
        yield error(QUEUE, queue.name, f"It takes no jobs{said}", f"Run: cupsaccept {queue.name}")
    if queue.is_accepting and not queue.is_stopped:
        yield good(QUEUE, queue.name, f"It prints to {', '.join(map(str, queue.targets))}.")


def check_target(queue: QueueFacts, target: Target, answer: Answer) -> Iterator[Finding]:
    """The device of a queue is there and active, and takes what the driver makes."""
    about = f"{queue.name} → {target}"
    if answer.error is not None or answer.content.get("IsInactive"):
        return  # which is told of the location
    there = _devices(answer)
    device = there.get(target.device)
    active = [name for name, each in there.items() if not each.get("IsInactive")]
    if device is None:
        yield error(
            DEVICE, about, f"{target.location} has no device {target.device}. Active are: "
            f"{_listed(active)}.",
            f"Correct the queue: lpadmin -p {queue.name} -v cirrus://…, then cupsenable it.",
            Refused.code,
        )  # fmt: skip
        return
    if device.get("IsInactive"):
        yield error(
            DEVICE, about, f"{target.device} is inactive.",
            "Have the server's administrator make it active, or give the queue another device "
            f"(lpadmin -p {queue.name} -v cirrus://…).", Refused.code,
        )  # fmt: skip
        return
    yield good(DEVICE, about, "It is active.")
    wanted = answer.drivers.get(target.device)
    yield from check_driver(
        queue.name, about, queue.ppd, formats(device), wanted.name if wanted else ""
    )


def check_driver(
    queue: str, about: str, ppd: str | None, taken: Iterable[str], driver: str
) -> Iterator[Finding]:
    """What a queue's driver makes is something that the device takes.

    Args:
        taken: the API's words, none if nothing is known.
        driver: the name of the device's own driver, empty if it has none.
    """
    takes = set(taken)
    if ppd is None:
        yield note(
            DRIVER, about, "The queue has no driver: documents go as they are, whatever they are.",
            _give(queue, driver),
        )  # fmt: skip
        return
    made = _made(ppd)
    if not takes or "any" in takes or made is None:
        return
    if takes & made:
        yield good(DRIVER, about, f"It makes {', '.join(sorted(takes & made))}.")
    else:
        yield error(
            DRIVER, about, f"It makes {', '.join(sorted(made))}, and the device takes "
            f"{', '.join(sorted(takes))} only: pages do not come out, or as garbage.",
            _give(queue, driver),
        )  # fmt: skip


def _give(queue: str, driver: str) -> str:
    return (
        f"Give it the device's own: lpinfo -v, which finds it, then: lpadmin -p {queue} -m {driver}"
        if driver
        else f"Give it one that makes what the device takes: lpinfo -m, lpadmin -p {queue} -m …"
    )


def _made(ppd: str) -> set[str] | None:
    """The API's words for what a driver's filters make; None if something of it has none."""
    found = set()
    for kind, line in _FILTER.findall(ppd):
        words = line.split()
        at = 1 if kind else 0  # cupsFilter has only what the filter reads
        if len(words) <= at:
            return None
        made = words[at]
        if made not in _WORDS:
            return None
        found.add(_WORDS[made])
    return found or {"ps"}  # a PPD without filters is a PostScript printer's


def _devices(answer: Answer) -> Mapping[str, Mapping[str, object]]:
    found = answer.content.get("Devices")
    devices = found if isinstance(found, dict) else {}
    return {name: device for name, device in devices.items() if isinstance(device, dict)}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more
