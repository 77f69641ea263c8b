"""The pages on which people print a file: the choice of the device, and the form of one device."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.compression import Compression
from cirrus_cloudlet.errors import QuotaFull, Refusal, RequestFault, WrongFormat
from cirrus_cloudlet.inventory.inventory import Device, DeviceType, Location, PrinterFacts
from cirrus_cloudlet.job_props import USER_PROP
from cirrus_cloudlet.receiving import PIECE_BYTES, Receiver, submit_received
from cirrus_cloudlet.storage.quotas import Owner
from cirrus_cloudlet.storage.releases import viewer_of
from cirrus_cloudlet.storage.uploads import IncomingFile
from cirrus_cloudlet.submit import Order
from cirrus_cloudlet.translation import isolated, tr
from cirrus_cloudlet.web.file_form import MORE_BYTES, FileForm
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.rendering import size_in_words
from cirrus_cloudlet.web.routes import Route, Visit, no_page
from cirrus_cloudlet.web.sign_in import check_site, check_token

_MOST_COPIES = 99
_OTHER_FIELDS = frozenset({"token", "form", "copies", "file"})  # those that are not a Choice
_TITLE_BYTES = 255
_ENDINGS = {"pdf": ".pdf", "ps": ".ps", "pcl": ".pcl,.prn", "pcl6": ".prn,.pxl", "txt": ".txt"}


class Choice(NamedTuple):
    """A select of the form: the prop's name, its label, and its values with their labels."""

    prop: str
    label: str
    values: Mapping[str, str]


def _overview(visit: Visit) -> Response:
    places = list(_offered(visit))
    if len(places) == 1:
        return RedirectResponse(_path(places[0][1]), 303)
    return show(visit, "print_choose", places=[(*place, _path(place[1])) for place in places])


def _form(visit: Visit) -> Response:
    return _show(visit, *_find(visit))


async def _print(visit: Visit) -> Response:
    location, device = _find(visit)
    try:
        check_site(visit.call)
        with _in_words(visit, location, device):
            job_id = await _submit(visit, location, device)
    except (Refusal, QuotaFull, RequestFault) as error:
        status, headers = 400, {}
        if isinstance(error, RequestFault):
            status, headers = error.status, dict(error.headers)
        elif isinstance(error, QuotaFull):
            status = 429
        response = _show(visit, location, device, str(error), status)
        response.headers.update(headers)
        return response
    return RedirectResponse(f"/jobs/{quote(job_id, safe='')}", 303)


async def _submit(visit: Visit, location: Location, device: Device) -> str:
    """Receive the form, print its file, and return the id of the job."""
    cloud, share, viewer = visit.cloud, visit.share, viewer_of(visit.account)
    if location.holds(device) and not viewer.person:
        raise Refusal(
            tr(
                "Your user name is not known, so you could not release the job."
                " Tell your administrator."
            )
        )
    owner = Owner(visit.account.company, f"account {visit.account.name}")
    limit = cloud.inventory.current().limits.largest_bytes
    form = FileForm(visit.call)
    with cloud.uploads.incoming(owner, limit) as received:
        async with share.receiving(owner.key):
            receiver = Receiver(share, received)
            digest = await _receive(visit, form, receiver, received, limit)
            order = Order(
                owner=owner,
                targets=f"{location.id}:{device.id}",
                title=_title(form),
                props=_props(form.fields, device, viewer.person or visit.account.name),
                compression=Compression.NONE,
                semicolons=False,
                idempotency_key=_idempotency_key(visit, form, digest),
            )
            if not form.file_name:  # a browser sends the field even so
                raise Refusal(tr("Choose a file."))
            if not receiver.arrived_bytes:
                raise Refusal(tr("The file is empty. Choose another file."))
            is_small = not received.size
            (job_id,) = await submit_received(
                cloud, share, order, received, receiver.finish(), is_small=is_small
            )
    return job_id


async def _receive(
    visit: Visit, form: FileForm, receiver: Receiver, received: IncomingFile, limit: int
) -> str:
    """Receive the form, and return a digest of its file.

    Nothing of the file is kept before the form's token is checked.
    """
    digest = hashlib.sha256()
    announced = form.announced_bytes
    received.check_size(max(0, announced - MORE_BYTES))
    is_checked = False
    async for piece in form.file():
        if not is_checked:
            check_token(visit.visitor, form.fields.get("token", ""))
            is_checked = True
            if announced > PIECE_BYTES:
                await visit.share.run(received.reserve, min(announced, limit))
        digest.update(piece)
        await receiver.add(piece)
    check_token(visit.visitor, form.fields.get("token", ""))
    return digest.hexdigest()


def _idempotency_key(visit: Visit, form: FileForm, digest: str) -> str | None:
    """What repeats of a form share, which a person sends again because the response was lost.

    The same form with another file or other choices is not a repeat.
    """
    fields = {name: value for name, value in form.fields.items() if name != "token"}
    if not fields.get("form"):
        return None
    sent = [visit.account.name, *visit.ids, sorted(fields.items()), form.file_name, digest]
    return f"page {hashlib.sha256(json.dumps(sent).encode()).hexdigest()}"


@contextlib.contextmanager
def _in_words(visit: Visit, location: Location, device: Device) -> Iterator[None]:
    """Say in one sentence, in the language of the page, why a file is not printed."""
    try:
        yield
    except WrongFormat as error:
        raise Refusal(
            tr(
                "{device} takes {formats}, but this file is {format}.",
                device=isolated(device.name or device.id),
                formats=", ".join(error.formats),
                format=error.found,
            )
        ) from error
    except QuotaFull as error:
        raise QuotaFull(
            tr("There is no room for more files now. Try again later, or tell your administrator.")
        ) from error
    except RequestFault as error:
        if error.status != 413:
            raise
        limit = visit.cloud.inventory.current().limits.largest_bytes
        raise RequestFault(
            413, tr("The file is too large. The limit is {size}.", size=size_in_words(limit))
        ) from error


def _show(
    visit: Visit, location: Location, device: Device, problem: str = "", status: int = 200
) -> Response:
    limit = visit.cloud.inventory.current().limits.largest_bytes
    endings = [_ENDINGS[name] for name in device.formats if name in _ENDINGS]
    response = show(
        visit,
        "print",
        place=(location.name or location.id, device.name or device.id),
        holds=location.holds(device),
        path_to=_path(device),
        form_id=secrets.token_urlsafe(16),
        choices=_choices(device),
        accept="" if "any" in device.formats else ",".join(endings),
        formats="" if "any" in device.formats else ", ".join(device.formats),
        most_copies=_MOST_COPIES,
        limit=limit,
        limit_in_words=size_in_words(limit),
        problem=problem,
        is_only=len(list(_offered(visit))) == 1,
    )
    response.status_code = status
    return response


def _choices(device: Device) -> Sequence[Choice]:
    """What the device offers, as the inventory describes it."""
    # nothing is known about a CUPS queue without a description, so it may do anything
    unknown = (
        PrinterFacts("", color=True, duplex=True) if device.type is DeviceType.PRINTER else None
    )
    facts = device.printer or unknown or PrinterFacts("")
    sides = {
        "1": tr("one-sided"),
        "2": tr("two-sided"),
        "3": tr("two-sided, short edge"),
    }
    all_choices = (
        Choice("duplex", tr("Sides"), sides if facts.duplex else {}),
        Choice("color", tr("Color"), {"2": tr("color"), "1": tr("gray")} if facts.color else {}),
        Choice("size", tr("Paper"), {name: name for name in facts.papers}),
        Choice("tray", tr("Tray"), {name: name for name in facts.trays}),
    )
    return [choice for choice in all_choices if choice.values]


def _props(fields: Mapping[str, str], device: Device, person: str) -> str:
    """The list of properties, of values that the form offers."""
    copies = fields.get("copies", "1")
    if not (copies.isascii() and copies.isdecimal() and 1 <= int(copies[:4]) <= _MOST_COPIES):
        raise Refusal(tr("Choose 1 to {most} copies.", most=_MOST_COPIES))
    props = {"copies": str(int(copies))}
    offered = {choice.prop: choice.values for choice in _choices(device)}
    for name in fields.keys() - _OTHER_FIELDS:
        if fields[name] in offered.get(name, ()):
            props[name] = fields[name]
        elif fields[name]:
            raise Refusal(tr("The device has changed. Load the page again."))
    props[USER_PROP] = person
    return "\n".join("=".join(item) for item in props.items())


def _title(form: FileForm) -> str:
    """The file's name without its folders and control characters, in at most _TITLE_BYTES."""
    name = form.file_name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(character if character.isprintable() else "_" for character in name)
    return shown.encode()[:_TITLE_BYTES].decode(errors="ignore")


def _offered(visit: Visit) -> Iterator[tuple[Location, Device]]:
    """The devices that a person may print to: those of the company, or of the own location."""
    own = visit.account.location
    for location in visit.cloud.inventory.current().companies[visit.account.company].values():
        if own not in (None, location.id) or location.inactive:
            continue
        for device in location.devices.values():
            # a person does not print to the own mailbox
            if not device.inactive and (own is None or device.type is not DeviceType.VIEWER):
                yield location, device


def _find(visit: Visit) -> tuple[Location, Device]:
    for location, device in _offered(visit):
        if [location.id, device.id] == list(visit.ids):
            return location, device
    raise no_page()


def _path(device: Device) -> str:
    return f"/print/{quote(device.location, safe='')}/{quote(device.id, safe='')}"


ROUTES = (
    Route("/print", "GET", _overview),
    Route("/print/*/*", "GET", _form),
    Route("/print/*/*", "POST", _print, has_form=False),
)
