"""The command `cirrus-cloudlet`: the server and everything an administrator does to it.

The other commands work on the data folder itself, whether a server runs on it or not.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cirrus_cloudlet import __version__
from cirrus_cloudlet.faults import Refusal
from cirrus_cloudlet.serve import CanNotServe, serve
from cirrus_cloudlet.sites import DEVICE_TYPES, Sites, check_id
from cirrus_cloudlet.store import Store
from cirrus_cloudlet.submit import parse_props
from cirrus_cloudlet.uploads import Uploads

Arguments = argparse.Namespace
JOB_COMMANDS: dict[str, dict[str, Any]] = {
    "delete": {"state": 3},
    "save": {"state": 8},
    "trash": {"state": 9},
    "retry": {"next_try_s": 0.0, "tries": 0, "message": ""},
}
ALLOWED_FROM = {"delete": (0, 1), "save": (0, 1), "trash": (0, 1, 8), "retry": (0, 1)}


class Mistake(Exception):
    """What the person asked for can not be done; the text says why."""


def run() -> None:
    """Entry point of the program."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    arguments = _parser().parse_args()
    try:
        arguments.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        arguments.act(arguments)
    except (Mistake, CanNotServe, Refusal, ValueError, OSError) as error:
        sys.exit(f"cirrus-cloudlet: {error}")


def _serve(arguments: Arguments) -> None:
    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        raise Mistake("--tls-cert and --tls-key go together")
    serve(arguments.data, arguments.listen, arguments.tls_cert, arguments.tls_key)


def _key(arguments: Arguments) -> None:
    store = Store(arguments.data)
    if arguments.verb == "add":
        print(store.add_key(arguments.name, arguments.company))
    elif arguments.verb == "revoke":
        if not store.revoke_key(arguments.name):
            raise Mistake(f"there is no key named '{arguments.name}'")
    else:
        for key in store.list_keys():
            print(key["name"], key["company"] or "(any company)", key["created"], sep="\t")


def _company(arguments: Arguments) -> None:
    with Sites(arguments.data).edit() as table:
        table(check_id(arguments.company))


def _location(arguments: Arguments) -> None:
    sites = Sites(arguments.data)
    if arguments.verb == "add":
        with sites.edit() as table:
            entry = table(*_ids(arguments.where, 2))
            if arguments.name:
                entry["name"] = arguments.name
        return
    companies = [
        company
        for company, locations in sites.companies.items()
        if arguments.where in locations and arguments.company in (None, company)
    ]
    if len(companies) != 1:
        raise Mistake(f"{len(companies)} companies have a location '{arguments.where}'")
    with sites.edit() as table:
        table(companies[0], arguments.where)["online"] = arguments.verb == "online"


def _device(arguments: Arguments) -> None:
    sites = Sites(arguments.data)
    if arguments.verb == "list":
        for company, locations in sites.companies.items():
            for location in locations.values():
                for device in location.devices.values():
                    where = f"{company}/{location.id}/{device.id}"
                    print(where, device.type, device.target, ";".join(device.formats), sep="\t")
        return
    ids = _ids(arguments.where, 3)
    if sites.location(*ids[:2]) is None:
        raise Mistake(f"there is no location '{ids[1]}' in company '{ids[0]}'; add it first")
    with sites.edit() as table:
        entry = table(*ids)
        entry["type"], entry["target"] = arguments.type, arguments.target
        entry["formats"] = [part for part in arguments.formats.split(";") if part]
        entry["props"] = parse_props(arguments.props, ";")
        entry["name"] = arguments.name or ids[2]


def _job(arguments: Arguments) -> None:
    store = Store(arguments.data)
    if arguments.verb == "list":
        _list_jobs(store, arguments)
        return
    job = store.job(arguments.job_id)
    if job is None:
        raise Mistake(f"there is no job '{arguments.job_id}'")
    if job["state"] not in ALLOWED_FROM[arguments.verb]:
        raise Mistake(f"job {job['id']} is {job['state_name']} already")
    store.change(job["id"], **JOB_COMMANDS[arguments.verb])


def _list_jobs(store: Store, arguments: Arguments) -> None:
    jobs = store.jobs()
    if not arguments.json:
        for job in jobs:
            where = f"{job['company']}/{job['location']}/{job['device']}"
            print(job["id"], job["state_name"], where, job["title"], job["message"], sep="\t")
        return
    names = ("id", "company", "location", "device", "title", "ext", "format", "size", "sha256",
             "state", "state_name", "message", "props", "submitted", "received", "delivered",
             "target", "delivered_path", "history")  # fmt: skip
    uploads = Uploads(arguments.data, store)
    listed = [
        {**{name: job[name] for name in names}, "document": str(uploads.path(job["document"]))}
        for job in jobs
    ]
    print(json.dumps(listed, ensure_ascii=False, indent=1))


def _ids(text: str, count: int) -> tuple[str, ...]:
    ids = tuple(unquote(part, errors="strict") for part in text.split("/"))
    if len(ids) != count:
        raise Mistake(f"'{text}' is not {'/'.join(('COMPANY', 'LOCATION', 'DEVICE')[:count])}")
    return ids


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cirrus-cloudlet", description="An embedded cloud for printing on one machine."
    )
    parser.add_argument("--version", action="version", version=__version__)
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data folder")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(path: str, act: Callable[[Arguments], None], text: str) -> argparse.ArgumentParser:
        group, _, verb = path.partition(" ")
        if verb:
            if group not in groups:
                group_parser = commands.add_parser(group, help=f"{group}: add, list, change")
                groups[group] = group_parser.add_subparsers(required=True, metavar="VERB")
            made: argparse.ArgumentParser = groups[group].add_parser(
                verb, help=text, parents=[data]
            )
        else:
            made = commands.add_parser(group, help=text, parents=[data])
        made.set_defaults(act=act, verb=verb)
        return made

    groups: dict[str, Any] = {}
    one = command("serve", _serve, "run the server")
    one.add_argument("--listen", default="127.0.0.1:27082", metavar="ADDRESS:PORT")
    one.add_argument("--tls-cert", metavar="FILE")
    one.add_argument("--tls-key", metavar="FILE")
    one = command("key add", _key, "make an API key and print it, this once")
    one.add_argument("--company", help="bind the key to a company")
    one.add_argument("--name", required=True)
    command("key list", _key, "list the keys' names")
    command("key revoke", _key, "forget a key").add_argument("name")
    command("company add", _company, "add a company").add_argument("company")
    one = command("location add", _location, "add a location")
    one.add_argument("where", metavar="COMPANY/LOCATION", help="ids, percent-encoded")
    one.add_argument("--name")
    for verb in ("offline", "online"):
        one = command(f"location {verb}", _location, f"switch a location {verb}")
        one.add_argument("where", metavar="LOCATION")
        one.add_argument("--company")
    one = command("device add", _device, "add a device, or define it anew")
    one.add_argument("where", metavar="COMPANY/LOCATION/DEVICE", help="ids, percent-encoded")
    one.add_argument("--type", choices=tuple(DEVICE_TYPES), default="file")
    one.add_argument("--target", default="", help="path pattern, command line or CUPS queue")
    one.add_argument("--formats", default="", help="such as 'pdf;ps'; none: any")
    one.add_argument("--props", default="", help="default props, such as 'duplex=2;color=1'")
    one.add_argument("--name")
    command("device list", _device, "list the devices")
    one = command("job list", _job, "list the jobs, newest first")
    one.add_argument("--json", action="store_true")
    for verb in JOB_COMMANDS:
        command(f"job {verb}", _job, f"{verb} a job").add_argument("job_id", metavar="JOB-ID")
    return parser


if __name__ == "__main__":
    run()
