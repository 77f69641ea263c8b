"""The pages of locations and devices: an administrator adds, changes and disables them.

As over the API, no device can run a command, print to a CUPS queue or leave the delivery folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.errors import Refusal, RequestFault, SettingsError
from cirrus_cloudlet.inventory.inventory import Device, DeviceType, Location, check_id
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.translation import tr
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.routes import Route, Visit, Who, no_page

_PATH = "/devices"
_ID_BYTES = 255
_LOCATION_TEXTS = ("name", "email", "phone", "notes")
_DEVICE_TEXTS = ("name", "target", "notes")
_LOCATION_FIELDS = frozenset({*_LOCATION_TEXTS, "id", "hold"})
_DEVICE_FIELDS = frozenset({*_DEVICE_TEXTS, "id", "type", "formats", "props", "hold"})
_TYPES = {"file": DeviceType.FILE, "viewer": DeviceType.VIEWER}
_STATES = {"disable": True, "enable": False}


def _list(visit: Visit) -> Response:
    return show(visit, "devices", locations=list(_locations(visit).values()))


def _edit_location(visit: Visit) -> Response:
    return show(visit, "location", location=_location(visit) if visit.ids else None)


def _edit_device(visit: Visit) -> Response:
    location = _location(visit)
    device = _device(visit, location) if len(visit.ids) > 1 else None
    # an existing device of another type keeps its type and its target
    return show(
        visit,
        "device",
        location=location,
        device=device,
        types=_TYPES,
        is_fixed=device is not None and device.type not in _TYPES.values(),
        props=";".join(f"{name}={value}" for name, value in device.props.items()) if device else "",
    )


def _save_location(visit: Visit) -> Response:
    location_id = visit.ids[0] if visit.ids else _new_id(visit, "location", _locations(visit))
    known = _locations(visit).get(location_id)
    if visit.ids and known is None:
        raise no_page()
    fields: dict[str, Any] = {
        name: visit.form[name]
        for name in _LOCATION_TEXTS
        if name in visit.form and visit.form[name] != (getattr(known, name) if known else "")
    }
    return _change(visit, (location_id,), _with_hold(visit, fields, known))


def _save_device(visit: Visit) -> Response:
    location = _location(visit)
    known = _device(visit, location) if len(visit.ids) > 1 else None
    device_id = known.id if known else _new_id(visit, "device", location.devices)
    texts = {name: visit.form[name] for name in _DEVICE_TEXTS if name in visit.form}
    fields: dict[str, Any] = {
        name: text
        for name, text in texts.items()
        if text != (getattr(known, name) if known else "")
    }
    if "type" in visit.form and (known is None or _TYPES.get(visit.form["type"]) != known.type):
        fields["type"] = visit.form["type"]
    if "formats" in visit.form:
        formats = [name.strip() for name in visit.form["formats"].split(";") if name.strip()]
        if tuple(formats or ["any"]) != (known.formats if known else ("any",)):
            fields["formats"] = formats
    if "props" in visit.form:
        props = _read_props(visit.form["props"])
        if props != (dict(known.props) if known else {}):
            fields["props"] = props
    return _change(visit, (location.id, device_id), _with_hold(visit, fields, known))


def _read_props(text: str) -> dict[str, str]:
    try:
        return dict(parse_props(text, semicolons=True)) if text.strip() else {}
    except Refusal as refusal:
        raise RequestFault(400, _refused(refusal)) from refusal


def _with_hold(
    visit: Visit, fields: dict[str, Any], known: Location | Device | None
) -> dict[str, Any]:
    holds = visit.form.get("hold") == "1"
    return {**fields, "hold": holds} if holds != (known.hold if known else False) else fields


def _switch(is_inactive: bool, visit: Visit) -> Response:
    location = _location(visit)
    if len(visit.ids) > 1:
        _device(visit, location)
    return _change(visit, visit.ids, {"inactive": is_inactive})


def _change(visit: Visit, ids: Any, fields: Mapping[str, Any]) -> Response:
    try:
        visit.cloud.change({(visit.account.company, *ids): fields}, visit.actor)
    except SettingsError as error:
        raise RequestFault(409, _refused(error)) from error
    return RedirectResponse(_PATH, 303)


def _new_id(visit: Visit, kind: str, known: Mapping[str, object]) -> str:
    wanted = visit.form.get("id", "").strip()
    try:
        check_id(wanted, kind)
    except Refusal as refusal:
        raise RequestFault(400, _refused(refusal)) from refusal
    if len(wanted.encode()) > _ID_BYTES:
        raise RequestFault(400, tr("This id is too long."))
    if wanted in known:
        raise RequestFault(409, tr("This id is already in use."))
    return wanted


def _refused(cause: Exception) -> str:
    return tr("The server refused this: {cause}", cause=cause)


def _locations(visit: Visit) -> Mapping[str, Location]:
    return visit.cloud.inventory.current().companies[visit.account.company]


def _location(visit: Visit) -> Location:
    found = _locations(visit).get(visit.ids[0])
    if found is None:
        raise no_page()
    return found


def _device(visit: Visit, location: Location) -> Device:
    found = location.devices.get(visit.ids[1])
    if found is None:
        raise no_page()
    return found


_ADMIN = Who.ADMINISTRATOR
_ONE_LOCATION, _ONE_DEVICE = f"{_PATH}/at/*", f"{_PATH}/at/*/*"
ROUTES = (
    Route(_PATH, "GET", _list, _ADMIN),
    Route(f"{_PATH}/new", "GET", _edit_location, _ADMIN),
    Route(f"{_PATH}/new", "POST", _save_location, _ADMIN, _LOCATION_FIELDS),
    Route(f"{_PATH}/new-at/*", "GET", _edit_device, _ADMIN),
    Route(f"{_PATH}/new-at/*", "POST", _save_device, _ADMIN, _DEVICE_FIELDS),
    Route(_ONE_LOCATION, "GET", _edit_location, _ADMIN),
    Route(_ONE_LOCATION, "POST", _save_location, _ADMIN, _LOCATION_FIELDS),
    Route(_ONE_DEVICE, "GET", _edit_device, _ADMIN),
    Route(_ONE_DEVICE, "POST", _save_device, _ADMIN, _DEVICE_FIELDS),
    *(
        Route(f"{_PATH}/{verb}/{ids}", "POST", partial(_switch, is_inactive), _ADMIN)
        for verb, is_inactive in _STATES.items()
        for ids in ("*", "*/*")
    ),
)
