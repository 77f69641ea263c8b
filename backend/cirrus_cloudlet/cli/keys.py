"""The `key` commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.keys import Keys

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_commands(commands: Commands, data: argparse.ArgumentParser) -> None:
    """Add the `key` commands to the command line."""
    verbs = commands.add_parser("key", help="API keys").add_subparsers(
        required=True, metavar="VERB"
    )
    add = verbs.add_parser("add", parents=[data], help="add a key and print it once")
    add.add_argument("--company", metavar="COMPID", help="bind the key to a company (default: any)")
    add.add_argument("--name", help="the key's name in lists")
    add.set_defaults(run=_add)
    verbs.add_parser("list", parents=[data], help="list all keys").set_defaults(run=_list)
    revoke = verbs.add_parser("revoke", parents=[data], help="revoke a key at once")
    revoke.add_argument("name", metavar="NAME")
    revoke.set_defaults(run=_revoke)


def _add(arguments: argparse.Namespace) -> None:
    company = arguments.company
    if company is not None and company not in InventoryFile(arguments.data).current().companies:
        raise SettingsError(f"there is no company {company!r}")
    print(Keys(Store(arguments.data)).add(company, arguments.name))


def _list(arguments: argparse.Namespace) -> None:
    rows = [
        (key.name, key.company or "(any company)", timestamp(key.created) or "")
        for key in Keys(Store(arguments.data)).all()
    ]
    write_list(rows, "name", "company", "made at")


def _revoke(arguments: argparse.Namespace) -> None:
    Keys(Store(arguments.data)).revoke(arguments.name)
