"""Checks of devices.toml: mistakes, devices that do not exist, drivers without the options."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration, BadOption
from cirrus_bridge.base.globs import matches
from cirrus_bridge.base.model import Target
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.output.table import some
from cirrus_bridge.config.devices import FILE, DeclaredDevices, find_mistakes, read_devices
from cirrus_bridge.cups.ppd_file import queue_driver
from cirrus_bridge.sending.job_props import check_prop, declared_prop

DECLARED = tr("device options")


def check_declared(folder: Path, answers: Sequence[LocationAnswer]) -> Iterator[Finding]:
    """Check the file in the configuration's folder; without the file, there is nothing to check.

    Args:
        answers: the known locations.
    """
    path = folder / FILE
    subject = Subject(DECLARED, str(path))
    try:
        mode = path.stat().st_mode
    except OSError:  # no file, or a folder that only root may enter
        return
    found = list(_mistakes(subject, folder))
    if not found:
        declared = read_devices(folder)
        found = [*_wrong_props(subject, declared), *_strange_targets(subject, declared, answers)]
    if not mode & stat.S_IROTH:
        text = tr("CUPS's drivers cannot read the file, so no device has a driver.")
        found.append(subject.error(text, tr("Run: chmod a+r {path}", path=path)))
    yield from found or [subject.good(tr("The file is valid, and its devices exist."))]


def valid_devices(folder: Path) -> DeclaredDevices | None:
    """The declared devices; None if the file is invalid, which `check_declared` reports."""
    try:
        return read_devices(folder)
    except BadConfiguration:
        return None


def check_options(
    queue: str, target: Target, ppd: str | None, devices: DeclaredDevices, answer: LocationAnswer
) -> Iterator[Finding]:
    """Check that a queue's driver has the options that are declared for its device.

    Args:
        target: the queue's first target, for which its driver is made.
        ppd: None for a queue without a driver.
    """
    options = devices.options(answer.place, target.device)
    if ppd is None or options == queue_driver(ppd.encode()).options:
        return
    text = tr("The options of the queue's driver are not those that {file} declares.", file=FILE)
    driver = answer.drivers.get(target.device)
    fix = tr(
        "Run: cirrusctl apply. If no file declares the queue, run lpinfo -v, then: lpadmin -p "
        "{queue} -m {driver}",
        queue=queue,
        driver=driver.name if driver else "…",
    )
    yield Subject(DECLARED, f"{queue} → {target}").warning(text, fix)


def _mistakes(subject: Subject, folder: Path) -> Iterator[Finding]:
    for mistake in find_mistakes(folder):
        fix = tr(
            "Correct the named file; until then, no device has a driver, and cirrusctl apply fails."
        )
        yield subject.failed(mistake, fix)


def _wrong_props(subject: Subject, declared: DeclaredDevices) -> Iterator[Finding]:
    """Report props with which each job would be held."""
    options = [each.options for each in declared.entries]
    listed = [prop for each in options for props in each.props.values() for prop in props.values()]
    for prop in dict.fromkeys(listed):
        try:
            check_prop(*declared_prop(prop))
        except BadOption as bad:
            yield subject.error(bad.message, tr("Correct the file."), bad.code)


def _strange_targets(
    subject: Subject, declared: DeclaredDevices, answers: Sequence[LocationAnswer]
) -> Iterator[Finding]:
    """Report targets of the file that name no known device, if all locations have answered."""
    if not answers or any(answer.error for answer in answers):
        return
    for entry in declared.entries:
        known = [
            str(Target(each.place.location, device))
            for each in answers
            if entry.server in (None, each.place.server)
            and entry.company in (None, each.place.company)
            for device in _devices(each)
        ]
        for target in entry.targets:
            if not any(matches(device, target) for device in known):
                text = tr("No device of a known location is '{target}'.", target=target)
                fix = tr(
                    "Correct 'targets', 'server' and 'company' in the file, or add the location to "
                    "servers.d. Known devices: {listed}.",
                    listed=some(known) or tr("none"),
                )
                yield subject.warning(text, fix)


def _devices(answer: LocationAnswer) -> Iterable[str]:
    found = answer.content.get("Devices")
    return found if isinstance(found, dict) else ()
