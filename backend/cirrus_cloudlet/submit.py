"""What a submit may ask for: targets and props checked, then jobs made, all of them or none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cirrus_cloudlet.faults import Refusal, StructuralFault
from cirrus_cloudlet.sites import Device, Sites
from cirrus_cloudlet.store import NewJob, Store
from cirrus_cloudlet.uploads import GZIP, NONE, ZLIB, Uploads

KNOWN_PROPS = {
    "copies": r"[1-9][0-9]?", "priority": r"[1-9][0-9]?", "collate": "1", "color": "[12]",
    "duplex": "[123]", "orientation": "[12]", "scale": "[012]", "bmp": "300|600",
}  # fmt: skip
_EXT = re.compile(r"\.([A-Za-z0-9]{1,8})$")


def submit(
    fields: Mapping[str, str],
    *,
    file: str,
    owner: str,
    company: str,
    separators: str,
    sites: Sites,
    store: Store,
    uploads: Uploads,
) -> list[str]:
    """Make a job for each target of a file.

    Args:
        fields: targets, title, cmp and props, as the request gave them.
        separators: the characters that part props: line feed, and `;` where it is allowed.

    Returns:
        Job ids in the order of the targets.

    Raises:
        StructuralFault: a required parameter is missing.
        Refusal: anything that the document does not allow; then no job was made.
    """
    targets = _targets(fields.get("targets"), company, sites)
    compression = fields.get("cmp") or NONE
    allowed = (NONE, ZLIB, GZIP) if ";" in separators else (NONE, ZLIB)
    if compression not in allowed:
        raise Refusal(f"cmp is one of {', '.join(allowed)}")
    props = parse_props(fields.get("props", ""), separators)
    title = fields.get("title") or "Untitled"
    document = uploads.document(file, owner, compression)
    try:
        for location, device in targets:
            if device.formats and not {document["format"], "any"} & set(device.formats):
                raise Refusal(
                    f"{location}:{device.id} takes {', '.join(device.formats)}, "
                    f"not {document['format']}"
                )
        match = _EXT.search(title)
        return store.add_jobs(
            company=company,
            document=document,
            title=title,
            ext=match[1].lower() if match else document["format"],
            props=props,
            segments=[end for _, end in (store.upload(file) or {"ranges": []})["ranges"]],
            targets=[NewJob(location, device.id, device.target) for location, device in targets],
        )
    except BaseException:
        uploads.forget_document(document["id"])
        raise


def parse_props(text: str, separators: str) -> dict[str, str]:
    """name=value pairs.

    Raises:
        Refusal: a pair without `=`, or a known prop with a value that it does not take.
    """
    props: dict[str, str] = {}
    for line in re.split(f"[{re.escape(separators)}]", text.replace("\r\n", "\n")):
        if not line:
            continue
        name, equals, value = line.partition("=")
        if not equals or not name:
            raise Refusal(f"'{line[:80]}' in props is not name=value")
        if name in KNOWN_PROPS and not re.fullmatch(KNOWN_PROPS[name], value):
            raise Refusal(f"prop {name} can not be '{value[:80]}'")
        props[name] = value
    return props


def _targets(text: str | None, company: str, sites: Sites) -> Sequence[tuple[str, Device]]:
    if not text:
        raise StructuralFault(400, "targets is missing")
    found = []
    for part in text.split(";"):
        location_id, colon, device_id = part.partition(":")
        if not colon or ":" in device_id:
            raise Refusal(f"target '{part[:120]}' is not LocID:DevID")
        location = sites.location(company, location_id)
        if location is None:
            raise Refusal(f"location '{location_id}' does not exist in company '{company}'")
        device = location.devices.get(device_id)
        if device is None:
            raise Refusal(f"device '{device_id}' does not exist at location '{location_id}'")
        if location.inactive or device.inactive:
            raise Refusal(f"target '{part}' is inactive")
        found.append((location_id, device))
    return found
