"""The requests that show and change locations and devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cirrus_cloudlet.api import answers
from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.api.jobs import check_company
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import Refusal, SettingsError
from cirrus_cloudlet.inventory.edit import Edit, put_device, put_location
from cirrus_cloudlet.inventory.ids import check_id
from cirrus_cloudlet.inventory.inventory import TYPE_NAMES, DeviceType
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.storage.keys import Key

_LOCATION_TEXTS = {"Name": "name", "Notes": "notes", "Email": "email", "Phone": "phone"}
_DEVICE_TEXTS = {"Name": "name", "Target": "target", "Notes": "notes"}
_LOCATION_FIELDS = frozenset({*_LOCATION_TEXTS, "IsInactive"})
_DEVICE_FIELDS = frozenset({*_DEVICE_TEXTS, "IsInactive", "Type", "Formats", "DefaultProps"})


async def get_location(cloud: Cloud, call: Call, key: Key) -> Response:
    """`get location`."""
    await call.fields(frozenset())
    company, location = call.path[3:]
    check_company(key, company)
    found = cloud.inventory.current().location(company, location)
    return JSONResponse(answers.location_fields(found))


async def get_device(cloud: Cloud, call: Call, key: Key) -> Response:
    """`get device`."""
    await call.fields(frozenset())
    company, location, device = call.path[3:]
    check_company(key, company)
    found = cloud.inventory.current().device(company, location, device)
    return JSONResponse(answers.device_fields(found))


async def put_location_fields(cloud: Cloud, call: Call, key: Key) -> Response:
    """`put location`: add a location, or set the given fields."""
    fields = await call.fields(_LOCATION_FIELDS)
    company, location = call.path[3:]
    check_company(key, company)
    if company not in cloud.inventory.current().companies:
        raise Refusal(f"unknown company {company!r}")
    wanted: dict[str, Any] = {
        ours: fields[theirs] for theirs, ours in _LOCATION_TEXTS.items() if theirs in fields
    }
    if "IsInactive" in fields:
        wanted["inactive"] = _flag(fields["IsInactive"])
    return await _change(cloud, put_location(company, check_id(location, "location"), wanted))


async def put_device_fields(cloud: Cloud, call: Call, key: Key) -> Response:
    """`put device`: add a device, or set the given fields."""
    fields = await call.fields(_DEVICE_FIELDS)
    company, location, device = call.path[3:]
    check_company(key, company)
    known = cloud.inventory.current().location(company, location).devices
    wanted = _device(fields)
    if device not in known and "type" not in wanted:
        raise Refusal("a new device needs a Type")
    edit = put_device(company, location, check_id(device, "device"), wanted)
    return await _change(cloud, edit)


def _device(fields: Mapping[str, str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        ours: fields[theirs] for theirs, ours in _DEVICE_TEXTS.items() if theirs in fields
    }
    if "IsInactive" in fields:
        wanted["inactive"] = _flag(fields["IsInactive"])
    if "Formats" in fields:
        wanted["formats"] = [name for name in fields["Formats"].split(";") if name]
    if "DefaultProps" in fields:
        wanted["props"] = parse_props(fields["DefaultProps"], semicolons=True)
    if "Type" in fields:
        numbers = {str(kind.value): name for name, kind in TYPE_NAMES.items()}
        if fields["Type"] == str(DeviceType.NETWORK_PRINTER.value):
            raise Refusal("Type 4: this server does not deliver to network printers")
        if fields["Type"] not in numbers:
            raise Refusal(f"Type {fields['Type']!r} is not one of {', '.join(sorted(numbers))}")
        wanted["type"] = numbers[fields["Type"]]
    return wanted


async def _change(cloud: Cloud, edit: Edit) -> Response:
    try:
        await run_in_threadpool(cloud.inventory.change, edit)
    except SettingsError as error:
        raise Refusal(str(error)) from error
    return PlainTextResponse("OK")


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise Refusal(f"IsInactive={text!r} is neither 0 nor 1")
    return text == "1"
