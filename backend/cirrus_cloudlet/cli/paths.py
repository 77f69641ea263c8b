"""Names of companies, locations and devices on the command line, such as COMP/LOC/DEV.

A `/` or `%` within an id is percent-encoded.
"""

from __future__ import annotations

from urllib.parse import unquote

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import KINDS
from cirrus_cloudlet.inventory.inventory import Inventory, check_id

COMPANY, LOCATION, DEVICE = "COMP", "COMP/LOC", "COMP/LOC/DEV"
ANY_LOCATION, ANY_DEVICE = "[COMP/]LOC", "[COMP/]LOC/DEV"
_FORMS = {ANY_LOCATION: 2, ANY_DEVICE: 3}


def parse_path(path: str, form: str) -> list[str]:
    """Read the ids of a path of a form such as COMP/LOC, [COMP/]LOC or COMP[/LOC].

    Raises:
        SettingsError: the path is not of this form, or is not UTF-8.
        Refusal: an id is not allowed.
    """
    parts = path.split("/")
    most = form.count("/") + 1
    if not most - form.count("[") <= len(parts) <= most:
        raise SettingsError(f"{path!r} is not of the form {form}")
    try:
        decoded = [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path!r} is not UTF-8") from error
    kinds = KINDS[most - len(parts) :] if form.startswith("[") else KINDS
    return [check_id(part, kind) for part, kind in zip(decoded, kinds, strict=False)]


def join_path(*ids: str) -> str:
    """Join ids in the form that other commands take."""
    return "/".join(each.replace("%", "%25").replace("/", "%2F") for each in ids)


def find_place(
    inventory: Inventory, path: str, form: str, company: str | None = None
) -> tuple[str, ...]:
    """Find the location or device that a path of the form ANY_LOCATION or ANY_DEVICE names.

    Raises:
        SettingsError: there is none, or several companies have one and the path names no company.
    """
    ids = parse_path(path, form)
    count = _FORMS[form]
    if len(ids) == count:
        if company not in (None, ids[0]):
            raise SettingsError(f"{path!r} is not of the company {company!r}")
        company, *ids = ids
    places = [
        (name, *ids)
        for name, locations in inventory.companies.items()
        if company in (None, name) and _exists(inventory, name, *ids)
    ]
    if not places:
        raise SettingsError(f"there is no {KINDS[count - 1]} {join_path(*ids)!r}")
    if len(places) > 1:
        listed = ", ".join(place[0] for place in places)
        raise SettingsError(
            f"{listed} have {join_path(*ids)!r}; give {join_path(*places[0])} or --company"
        )
    return places[0]


def _exists(inventory: Inventory, company: str, location: str, device: str | None = None) -> bool:
    found = inventory.find(company, location, device or "")
    return found[0] is not None if device is None else found[1] is not None
