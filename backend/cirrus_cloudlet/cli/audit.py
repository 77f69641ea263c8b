"""The command `audit list`: who changed what."""

from __future__ import annotations

import json
from pathlib import Path

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.command import argument, command
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.cli.paths import COMPANY, parse_path
from cirrus_cloudlet.storage.audit import Audit, Change
from cirrus_cloudlet.storage.opening import open_store


@command(
    "audit list",
    "list all changes, newest first",
    argument("path", metavar=COMPANY, nargs="?", help="list only this company's changes"),
    argument("--json", action="store_true", dest="as_json", help="print JSON"),
)
def _list(data: Path, path: str | None, as_json: bool) -> None:
    company = parse_path(path, COMPANY)[0] if path else None
    with open_store(data) as store:
        changes = Audit(store).newest(company)
    if as_json:
        print(json.dumps([_fields(each) for each in changes], ensure_ascii=False, indent=2))
        return
    rows = [
        (
            timestamp(each.time) or "", each.actor, each.origin, each.company or "(any company)",
            each.action, each.subject,
            "; ".join(f"{name}={value}" for name, value in each.details.items()),
        )
        for each in changes
    ]  # fmt: skip
    write_list(rows, "at", "who", "from", "company", "change", "what", "details")


def _fields(change: Change) -> dict[str, object]:
    return {**change._asdict(), "time": timestamp(change.time), "company": change.company or None}
