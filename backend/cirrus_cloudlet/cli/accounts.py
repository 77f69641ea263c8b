"""The `account` commands: accounts for the web page."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.command import LISTEN, argument, command
from cirrus_cloudlet.cli.listing import tell, write_list
from cirrus_cloudlet.cli.operator import OPERATOR
from cirrus_cloudlet.cli.paths import ANY_LOCATION, find_place, join_path
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.access import AccountRole, Accounts, make_password
from cirrus_cloudlet.storage.opening import open_store

_NAME = argument("name", metavar="NAME")
_ASK = argument(
    "--ask",
    action="store_true",
    help="read the password from the terminal or standard input instead of making one",
)
_ROLE_HELP = "admin: the account also changes accounts, keys, locations and devices"


@command(
    "account add",
    "add an account and print its password once",
    _ASK,
    _NAME,
    argument("--company", metavar="COMP", help="required, unless --location names it"),
    argument("--location", metavar=ANY_LOCATION, help="show only this location's jobs"),
    argument(
        "--role",
        choices=[role.value for role in AccountRole],
        default=AccountRole.USER,
        help=f"{_ROLE_HELP} (%(default)s)",
    ),
)
def _add_account(
    data: Path, ask: bool, name: str, company: str | None, location: str | None, role: str
) -> None:
    inventory = InventoryFile(data).current()
    if company is not None and company not in inventory.companies:
        raise SettingsError(f"there is no company {company!r}")
    if location is not None:
        company, location = find_place(inventory, location, ANY_LOCATION, company)
    elif company is None:
        raise SettingsError("give --company COMP or --location COMP/LOC")
    password = _new_password(ask)
    with open_store(data) as store:
        Accounts(store).add(name, company, location, password, OPERATOR, AccountRole(role))
    seen = join_path(company, location) if location else f"all locations of {company}"
    shown = "" if ask else " The password is shown only now."
    what = "administrator" if role == AccountRole.ADMIN else "account"
    tell(f"Added the {what} {name}, who sees {seen}.{shown}")
    if not ask:
        print(password)


@command("account list", "list all accounts")
def _list_accounts(data: Path) -> None:
    with open_store(data) as store:
        accounts = Accounts(store).all()
    rows = [
        (
            each.name, each.company, each.location or "(all locations)",
            timestamp(each.created) or "", each.role,
            "disabled" if each.is_disabled else "enabled",
            each.provider or "password", each.person,
        )
        for each in accounts
    ]  # fmt: skip
    titles = ("name", "company", "location", "created at", "role", "state", "signs in with")
    write_list(rows, *titles, "prints as")


@command(
    "account role",
    "give an account another role at once",
    _NAME,
    argument("role", choices=[role.value for role in AccountRole], help=_ROLE_HELP),
)
def _set_role(data: Path, name: str, role: str) -> None:
    with open_store(data) as store:
        Accounts(store).set_role(name, AccountRole(role), OPERATOR)
    print(f"The account {name} has the role {role} now.")


@command("account disable", "end an account's sessions, and refuse its sign-in", _NAME)
def _disable(data: Path, name: str) -> None:
    with open_store(data) as store:
        Accounts(store).disable(name, OPERATOR)
    print(f"The account {name} is disabled. All its sessions have ended.")


@command("account enable", "let a disabled account sign in again", _NAME)
def _enable(data: Path, name: str) -> None:
    with open_store(data) as store:
        Accounts(store).enable(name, OPERATOR)
    print(f"The account {name} may sign in again.")


@command("account password", "set a new password and end all sessions", _ASK, _NAME)
def _set_password(data: Path, ask: bool, name: str) -> None:
    password = _new_password(ask)
    with open_store(data) as store:
        Accounts(store).set_password(name, password, OPERATOR)
    shown = "" if ask else " It is shown only now."
    tell(f"The account {name} has a new password. All its sessions have ended.{shown}")
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
    with open_store(data) as store:
        secret = Accounts(store).make_link(name, OPERATOR)
    tell(f"Created a sign-in link for the account {name}. Send the link to nobody else.")
    print(f"{address.rstrip('/')}/sign-in#link={secret}")


@command("account remove", "remove an account at once", _NAME)
def _remove_account(data: Path, name: str) -> None:
    with open_store(data) as store:
        Accounts(store).remove(name, OPERATOR)
    print(f"Removed the account {name} and its sessions.")


def _new_password(ask: bool) -> str:
    if not ask:
        return make_password()
    if sys.stdin.isatty():
        return getpass.getpass("New password: ")
    return sys.stdin.readline().rstrip("\n")
