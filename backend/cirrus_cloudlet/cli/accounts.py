"""The `account` commands: accounts for the web page."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import TYPE_CHECKING

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.accounts import Accounts, make_password
from cirrus_cloudlet.storage.database import Store

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_commands(commands: Commands, data: argparse.ArgumentParser) -> None:
    """Add the `account` commands to the command line."""
    verbs = commands.add_parser("account", help="accounts for the web page").add_subparsers(
        required=True, metavar="VERB"
    )
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument(
        "--ask",
        action="store_true",
        help="read the password from the terminal or standard input instead of making one",
    )
    add = verbs.add_parser(
        "add", parents=[data, own], help="add an account and print its password once"
    )
    add.add_argument("name", metavar="NAME")
    add.add_argument("--company", metavar="COMPID", required=True)
    add.add_argument("--location", metavar="LOCID", help="show only this location's jobs")
    add.set_defaults(run=_add)
    verbs.add_parser("list", parents=[data], help="list all accounts").set_defaults(run=_list)
    change = verbs.add_parser(
        "password", parents=[data, own], help="set a new password and end all sessions"
    )
    change.add_argument("name", metavar="NAME")
    change.set_defaults(run=_password)
    remove = verbs.add_parser("remove", parents=[data], help="remove an account at once")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(run=_remove)


def _add(arguments: argparse.Namespace) -> None:
    company, location = arguments.company, arguments.location
    known = InventoryFile(arguments.data).current().companies
    if company not in known:
        raise SettingsError(f"there is no company {company!r}")
    if location is not None and location not in known[company]:
        raise SettingsError(f"there is no location {location!r}")
    password = _new_password(arguments)
    Accounts(Store(arguments.data)).add(arguments.name, company, location, password)
    _print_new(arguments, password)


def _list(arguments: argparse.Namespace) -> None:
    rows = [
        (each.name, each.company, each.location or "(all locations)", timestamp(each.created) or "")
        for each in Accounts(Store(arguments.data)).all()
    ]
    write_list(rows, "name", "company", "location", "made at")


def _password(arguments: argparse.Namespace) -> None:
    password = _new_password(arguments)
    Accounts(Store(arguments.data)).set_password(arguments.name, password)
    _print_new(arguments, password)


def _remove(arguments: argparse.Namespace) -> None:
    Accounts(Store(arguments.data)).remove(arguments.name)


def _new_password(arguments: argparse.Namespace) -> str:
    if not arguments.ask:
        return make_password()
    if sys.stdin.isatty():
        return getpass.getpass("New password: ")
    return sys.stdin.readline().rstrip("\n")


def _print_new(arguments: argparse.Namespace, password: str) -> None:
    if not arguments.ask:
        print(password)
