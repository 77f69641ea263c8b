"""The command `client`: the client of a location, and its check."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

from cirrus_cloudlet.cli.command import argument, command
from cirrus_cloudlet.client.settings import Settings, check_server, read_key
from cirrus_cloudlet.errors import SettingsError

_DATA = Path("/var/lib/cirrus-cloudlet-client")


@command(
    "client",
    "fetch a location's jobs from a server, and deliver them here",
    argument("--server", required=True, metavar="URL", help="such as https://print.example.com"),
    argument("--location", required=True, metavar="LOC", help="the location of the key"),
    argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="has the API key, for its owner alone (default: key in the data folder)",
    ),
    argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="trust these certificates, in PEM, instead of those of the system",
    ),
    argument("--proxy", metavar="URL", help="reach the server by this HTTP proxy"),
    argument(
        "--allow-commands",
        action="store_true",
        help="let devices run commands on this machine, as this user",
    ),
    argument(
        "--allow-folder",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="let devices write into this folder, too; may be given several times",
    ),
    argument("--check", action="store_true", help="check settings, server and printers, and end"),
    argument("--allow-root", action="store_true", help="run even as root, with root's rights"),
    default_data=_DATA,
    begins=True,
)
def _run_client(
    data: Path,
    server: str,
    location: str,
    key_file: Path | None,
    ca_file: Path | None,
    proxy: str | None,
    allow_commands: bool,
    allow_folder: list[Path],
    check: bool,
    allow_root: bool,
) -> None:
    # imported late: the other commands do not need an HTTP client
    from cirrus_cloudlet.client.connection import Connection
    from cirrus_cloudlet.client.examination import examine
    from cirrus_cloudlet.client.printers import Printers
    from cirrus_cloudlet.client.service import Service
    from cirrus_cloudlet.log_lines import start_log

    settings = Settings(
        data=data.absolute(),
        server=check_server(server),
        location=location,
        key_file=key_file or data / "key",
        ca_file=ca_file,
        proxy=proxy,
        allow_commands=allow_commands,
        allow_folders=tuple(each.absolute() for each in allow_folder),
    )
    key = read_key(settings.key_file)
    connection = Connection(settings.server, key, ca_file, proxy)
    if check:
        sys.exit(examine(settings, connection, Printers().list))
    if os.geteuid() == 0 and not allow_root:
        raise SettingsError(
            "the client does not run as root. Use the service (systemctl start"
            " cirrus-cloudlet-client), or give --allow-root."
        )
    start_log()
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each line that breaks
    service = Service(settings, connection, Printers().list)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    print(f"Fetching the jobs of {location} from {settings.server}", flush=True)
    service.run()
