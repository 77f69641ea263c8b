"""The command `serve`: what it makes before it serves, and what it says about the web page."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cirrus_cloudlet.changes import change_inventory
from cirrus_cloudlet.cli.command import LISTEN, argument, command
from cirrus_cloudlet.cli.data_folder import data_option, first_command, open_folder
from cirrus_cloudlet.cli.operator import OPERATOR
from cirrus_cloudlet.cli.paths import COMPANY, parse_path
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.files import open_private
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.privileges import become_owner
from cirrus_cloudlet.storage.access import AccountRole, Accounts, make_password
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.opening import choose_database, open_store

if TYPE_CHECKING:
    from cirrus_cloudlet.cloud import Cloud

_FIRST_COMPANY = "Demo"
_PASSWORD_FILE = "first-password"  # noqa: S105 - a file's name
_NAMED_ACCOUNTS = 3
_EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104 - compared only


@command(
    "serve",
    "serve a data folder",
    argument(
        "--listen",
        default=LISTEN,
        metavar="ADDRESS:PORT",
        help="serve at this address (%(default)s); other machines require a certificate",
    ),
    argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="serve HTTPS with this certificate and its chain, in PEM",
    ),
    argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, in PEM"),
    argument(
        "--admin",
        metavar="NAME",
        help="if there is no account for the web page, add this one, and print its password once",
    ),
    argument(
        "--company",
        metavar=COMPANY,
        help=f"the company of the first account (default: the only one, or a new {_FIRST_COMPANY})",
    ),
    argument("--new", action="store_true", help="make a missing data folder without asking"),
    argument("--no-announce", action="store_true", help="do not announce the server (DNS-SD)"),
    argument(
        "--allow-root",
        action="store_true",
        help="serve even as root, with root's rights for each command that a device runs",
    ),
    asks=True,
)
def _serve(
    data: Path,
    database: str | None,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    admin: str | None,
    company: str | None,
    new: bool,
    no_announce: bool,
    allow_root: bool,
) -> None:
    # imported late: the other commands do not need a web server
    from cirrus_cloudlet.server import serve

    if (tls_cert is None) != (tls_key is None):
        raise SettingsError("give both --tls-cert and --tls-key")
    if company is not None and admin is None:
        raise SettingsError("--company is the company of --admin; give both")
    _make_folder(data, new=new, allow_root=allow_root)
    if database is not None:
        choose_database(data, database)
    if admin is not None:
        _add_first_account(data, admin, company)
    if not InventoryFile(data).current().companies:
        print(
            f"cirrus-cloudlet: the cloud in {data} is empty; to add a device, run: "
            f"{first_command(data)}",
            file=sys.stderr,
        )
    begun = partial(_describe_page, data)
    serve(data, listen, tls_cert, tls_key, announce=not no_announce, begun=begun)


def _make_folder(data: Path, *, new: bool, allow_root: bool) -> None:
    """Make a missing folder, after a question on a terminal; act as the owner of the folder."""
    exists = data.exists()
    if exists:
        become_owner(data)
    if os.geteuid() == 0 and not allow_root:
        raise SettingsError(
            "serve does not run as root. Use the service (systemctl start cirrus-cloudlet), which"
            " serves /var/lib/cirrus-cloudlet, or give --allow-root."
        )
    if not exists and not new and sys.stdin.isatty() and sys.stdout.isatty():
        answer = input(f"There is no folder {data}. Make a new cloud there? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise SettingsError("nothing was made; give the folder of your cloud with --data")
    open_folder(data, make=True)
    if not exists:
        print(f"cirrus-cloudlet: made the folder {data} for a new cloud", file=sys.stderr)


def _add_first_account(data: Path, name: str, company: str | None) -> None:
    """Add an administrator of a company, unless there is an account already."""
    with open_store(data) as store:
        accounts = Accounts(store)
        if accounts.all():
            _tell(f"there are accounts already, so --admin {name} adds none")
            return
        company = _first_company(InventoryFile(data), store, company)
        password = make_password()
        accounts.add(name, company, None, password, OPERATOR, AccountRole.ADMIN)
    _tell(f"added the administrator {name}, who sees all locations of {company}")
    if sys.stdout.isatty():
        print(f"Password of {name}, shown only now: {password}")
        return
    # standard output may be a log, which keeps what it gets
    path = data / _PASSWORD_FILE
    with open(path, "w", encoding="utf-8", opener=open_private) as file:
        file.write(f"{password}\n")
    _tell(f"the password of {name} is in {path}; sign in, then delete this file")


def _first_company(inventory: InventoryFile, store: Store, company: str | None) -> str:
    """Choose the company of the first account; add a company to an empty cloud."""
    known = list(inventory.current().companies)
    if company is not None:
        (company,) = parse_path(company, COMPANY)
    elif len(known) > 1:
        raise SettingsError(f"--admin needs --company, one of: {', '.join(known)}")
    else:
        company = (known or [_FIRST_COMPANY])[0]
    if company not in known:
        if known:
            raise SettingsError(f"there is no company {company!r}")
        change_inventory(inventory, store, {(company,): {}}, OPERATOR)
        _tell(f"added the company {company}")
    return company


def _describe_page(data: Path, url: str, cloud: Cloud) -> str:
    """Say where the web page is, and how to sign in."""
    for address in _EVERYWHERE:
        url = url.replace(f"//{address}:", f"//{socket.gethostname()}:")
    names = [account.name for account in cloud.accounts.all()]
    if not names:
        add = f"cirrus-cloudlet account add NAME --company COMPANY {data_option(data)}"
        return f"Web page: {url} (no account yet; to add one, run: {add})"
    if len(names) > _NAMED_ACCOUNTS:
        return f"Web page: {url} (sign in with one of {len(names)} accounts)"
    return f"Web page: {url} (sign in as {' or '.join(names)})"


def _tell(text: str) -> None:
    print(f"cirrus-cloudlet: {text}", file=sys.stderr)
