"""The `key` commands."""

from __future__ import annotations

from pathlib import Path

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.changes import change_inventory
from cirrus_cloudlet.cli.command import argument, command
from cirrus_cloudlet.cli.listing import tell, write_list
from cirrus_cloudlet.cli.operator import OPERATOR
from cirrus_cloudlet.cli.paths import ANY_LOCATION, find_place, join_path
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.keys import Keys, Role
from cirrus_cloudlet.storage.opening import open_store

_NAME = argument("name", metavar="NAME")


@command(
    "key add",
    "add a key and print it once",
    argument("--company", metavar="COMPID", help="bind the key to a company (default: any)"),
    argument("--name", help="the key's name in lists"),
    argument(
        "--role",
        choices=[role.value for role in Role],
        default=Role.PRINT,
        help="admin: the key may also change devices and locations; client: the key may only fetch"
        " the jobs of --location (%(default)s)",
    ),
    argument(
        "--location",
        metavar=ANY_LOCATION,
        help="the location of a key with the role client; its clients deliver its jobs from now on",
    ),
)
def _add_key(
    data: Path, company: str | None, name: str | None, role: str, location: str | None
) -> None:
    inventory = InventoryFile(data)
    if company is not None and company not in inventory.current().companies:
        raise SettingsError(f"there is no company {company!r}")
    if (role == Role.CLIENT) != (location is not None):
        raise SettingsError("give --role client and --location together")
    place: str | None = None
    with open_store(data) as store:
        if location is not None:
            company, place = find_place(inventory.current(), location, ANY_LOCATION, company)
            change_inventory(inventory, store, {(company, place): {"clients": True}}, OPERATOR)
        key = Keys(store).add(company, name, Role(role), OPERATOR, place)
    whose = f"the company {company}" if company else "any company"
    whose = f"the location {join_path(company or '', place)}" if place else whose
    tell(f"Added a key for {whose} with the role {role}. The key is shown only now.")
    print(key)


@command("key list", "list all keys")
def _list_keys(data: Path) -> None:
    with open_store(data) as store:
        keys = Keys(store).all()
    rows = [
        (
            key.name,
            key.company or "(any company)",
            timestamp(key.created) or "",
            f"{key.role} of {key.location}" if key.location else str(key.role),
        )
        for key in keys
    ]
    write_list(rows, "name", "company", "created at", "role")


@command(
    "key role",
    "give a key another role at once",
    _NAME,
    argument("role", choices=[role.value for role in Role if role is not Role.CLIENT]),
)
def _set_role(data: Path, name: str, role: str) -> None:
    with open_store(data) as store:
        Keys(store).set_role(name, Role(role), OPERATOR)
    print(f"The key {name} has the role {role} now.")


@command("key revoke", "revoke a key at once", _NAME)
def _revoke_key(data: Path, name: str) -> None:
    with open_store(data) as store:
        Keys(store).revoke(name, OPERATOR)
    print(f"Revoked the key {name}.")
