"""The `key` commands, and the `account` commands: accounts for the web page."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.command import LISTEN, argument, command
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.cli.paths import ANY_LOCATION, find_place, join_path
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.access import Accounts, Keys, Role, make_password
from cirrus_cloudlet.storage.database import Store

_NAME = argument("name", metavar="NAME")
_ASK = argument(
    "--ask",
    action="store_true",
    help="read the password from the terminal or standard input instead of making one",
)


@command(
    "key add",
    "add a key and print it once",
    argument("--company", metavar="COMPID", help="bind the key to a company (default: any)"),
    argument("--name", help="the key's name in lists"),
    argument(
        "--role",
        choices=list(Role),
        default=Role.PRINT,
        help="admin: the key may also change devices and locations (%(default)s)",
    ),
)
def _add_key(data: Path, company: str | None, name: str | None, role: str) -> None:
    if company is not None and company not in InventoryFile(data).current().companies:
        raise SettingsError(f"there is no company {company!r}")
    with Store(data) as store:
        key = Keys(store).add(company, name, Role(role))
    whose = f"the company {company}" if company else "any company"
    _tell(f"Added a key for {whose} with the role {role}. The key is shown only now.")
    print(key)


@command("key list", "list all keys")
def _list_keys(data: Path) -> None:
    with Store(data) as store:
        keys = Keys(store).all()
    rows = [
        (key.name, key.company or "(any company)", timestamp(key.created) or "", key.role)
        for key in keys
    ]
    write_list(rows, "name", "company", "made at", "role")


@command("key role", "give a key another role at once", _NAME, argument("role", choices=list(Role)))
def _set_role(data: Path, name: str, role: str) -> None:
    with Store(data) as store:
        Keys(store).set_role(name, Role(role))
    print(f"The key {name} has the role {role} now.")


@command("key revoke", "revoke a key at once", _NAME)
def _revoke_key(data: Path, name: str) -> None:
    with Store(data) as store:
        Keys(store).revoke(name)
    print(f"Revoked the key {name}.")


@command(
    "account add",
    "add an account and print its password once",
    _ASK,
    _NAME,
    argument("--company", metavar="COMP", help="required, unless --location names it"),
    argument("--location", metavar=ANY_LOCATION, help="show only this location's jobs"),
)
def _add_account(
    data: Path, ask: bool, name: str, company: str | None, location: str | None
) -> None:
    inventory = InventoryFile(data).current()
    if company is not None and company not in inventory.companies:
        raise SettingsError(f"there is no company {company!r}")
    if location is not None:
        company, location = find_place(inventory, location, ANY_LOCATION, company)
    elif company is None:
        raise SettingsError("give --company COMP or --location COMP/LOC")
    password = _new_password(ask)
    with Store(data) as store:
        Accounts(store).add(name, company, location, password)
    seen = join_path(company, location) if location else f"all locations of {company}"
    shown = "" if ask else " The password is shown only now."
    _tell(f"Added the account {name}, which sees {seen}.{shown}")
    if not ask:
        print(password)


@command("account list", "list all accounts")
def _list_accounts(data: Path) -> None:
    with Store(data) as store:
        accounts = Accounts(store).all()
    rows = [
        (each.name, each.company, each.location or "(all locations)", timestamp(each.created) or "")
        for each in accounts
    ]
    write_list(rows, "name", "company", "location", "made at")


@command("account password", "set a new password and end all sessions", _ASK, _NAME)
def _set_password(data: Path, ask: bool, name: str) -> None:
    password = _new_password(ask)
    with Store(data) as store:
        Accounts(store).set_password(name, password)
    shown = "" if ask else " It is shown only now."
    _tell(f"The account {name} has a new password. All its sessions have ended.{shown}")
    if not ask:
        print(password)


@command(
    "account link",
    "print a link that signs in once, within an hour",
    _NAME,
    argument(
        "--address",
        default=f"http://{LISTEN}",
        metavar="URL",
        help="the page's address (%(default)s)",
    ),
)
def _make_link(data: Path, name: str, address: str) -> None:
    with Store(data) as store:
        secret = Accounts(store).make_link(name)
    _tell(f"Made a link for the account {name}. Send the link to nobody else.")
    print(f"{address.rstrip('/')}/sign-in#link={secret}")


@command("account remove", "remove an account at once", _NAME)
def _remove_account(data: Path, name: str) -> None:
    with Store(data) as store:
        Accounts(store).remove(name)
    print(f"Removed the account {name} and its sessions.")


def _tell(text: str) -> None:
    """Tell a person what was done. A script gets only the secret."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


def _new_password(ask: bool) -> str:
    if not ask:
        return make_password()
    if sys.stdin.isatty():
        return getpass.getpass("New password: ")
    return sys.stdin.readline().rstrip("\n")
