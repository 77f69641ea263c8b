"""The requests that show and change locations and devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from cirrus_cloudlet.api import answers
from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import Refusal, SettingsError
from cirrus_cloudlet.inventory.inventory import TYPE_NAMES, DeviceType, check_id
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.shares import Share
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.storage.keys import Key

_ID_BYTES = 255


async def get_location(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    found = cloud.inventory.current().location(*call.path[3:])
    # a location may have thousands of devices
    return await _share(cloud, key).run(lambda: JSONResponse(answers.location_fields(found)))


async def get_device(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    found = cloud.inventory.current().device(*call.path[3:])
    return JSONResponse(answers.device_fields(found))


async def put_location(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`put location`: add a location, or set the given fields."""
    company, location = call.path[3:]
    if company not in cloud.inventory.current().companies:
        raise Refusal(f"unknown company {company!r}")
    wanted = _read(fields, _LOCATION)
    _check_new_id(location, "location")
    return await _change(cloud, call, key, wanted)


async def put_device(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`put device`: add a device, or set the given fields."""
    company, location, device = call.path[3:]
    known = cloud.inventory.current().location(company, location).devices
    wanted = _read(fields, _DEVICE)
    if device not in known and "type" not in wanted:
        raise Refusal("a new device needs a Type")
    _check_new_id(device, "device")
    return await _change(cloud, call, key, wanted)


def _share(cloud: Cloud, key: Key) -> Share:
    return cloud.shares.of(key.company)


def _check_new_id(text: str, kind: str) -> None:
    if len(check_id(text, kind).encode()) > _ID_BYTES:
        raise Refusal(f"{kind} id is longer than {_ID_BYTES} bytes")


async def _change(cloud: Cloud, call: Call, key: Key, wanted: Mapping[str, Any]) -> Response:
    try:
        by = Actor(key.name, Origin.KEY, key.company)
        await _share(cloud, key).run(cloud.change, {call.path[3:]: wanted}, by)
    except SettingsError as error:
        raise Refusal(str(error)) from error
    return PlainTextResponse("OK")


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise Refusal(f"IsInactive={text!r} is neither 0 nor 1")
    return text == "1"


def _type(text: str) -> str:
    numbers = {str(kind.value): name for name, kind in TYPE_NAMES.items()}
    if text == str(DeviceType.NETWORK_PRINTER.value):
        raise Refusal("Type 4: this server does not deliver to network printers")
    if text not in numbers:
        raise Refusal(f"Type {text!r} is not one of {', '.join(sorted(numbers))}")
    return numbers[text]


# field of a request → field in cloudlet.toml, and what reads the value
_Reading = Mapping[str, tuple[str, Callable[[str], Any]]]
_BOTH: _Reading = {
    "Name": ("name", str),
    "Notes": ("notes", str),
    "IsInactive": ("inactive", _flag),
}
_LOCATION: _Reading = {**_BOTH, "Email": ("email", str), "Phone": ("phone", str)}
_DEVICE: _Reading = {
    **_BOTH,
    "Target": ("target", str),
    "Formats": ("formats", lambda text: [name for name in text.split(";") if name]),
    "DefaultProps": ("props", partial(parse_props, semicolons=True)),
    "Type": ("type", _type),
}
# fields of the API document that have no effect here → the values that ask for no effect
_WITHOUT: Mapping[str, tuple[str, ...]] = {"Filter": ("",), "AllowFrom": ("",), "MFA": ("", "0")}
LOCATION_FIELDS = frozenset({*_LOCATION, "AllowFrom", "MFA"})
DEVICE_FIELDS = frozenset({*_DEVICE, "Filter"})


def _read(fields: Mapping[str, str], reading: _Reading) -> dict[str, Any]:
    for name, value in fields.items():
        if value not in _WITHOUT.get(name, (value,)):
            # a command of a request is never run, and what is ignored is never promised
            raise Refusal(f"this server has no {name}, so leave it empty, not {value!r}")
    return {name: read(fields[sent]) for sent, (name, read) in reading.items() if sent in fields}
