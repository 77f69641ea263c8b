"""`cirrusctl setup`: sets up a server and queues, question by question."""

from __future__ import annotations

from typing import Annotated

import typer

from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output
from cirrus_bridge.cirrusctl.setup.conversation import Conversation
from cirrus_bridge.cirrusctl.setup.guided_server import SetupOptions
from cirrus_bridge.cirrusctl.setup.guided_setup import GuidedSetup


def command(
    server: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="The print server's address.")
    ] = None,
    key_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file with the API key, or - for standard input."),
    ] = None,
    company: Annotated[str | None, typer.Option(metavar="ID", help="The key's company.")] = None,
    location: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A location's id; may be given several times."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LOCATION:DEVICE",
            help="Add a queue for this device (or all, or none); may be given several times.",
        ),
    ] = None,
    queue_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The name of each queue; {location} and {device} are placeholders."
        ),
    ] = None,
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The CA of the server's certificate.")
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="http://HOST:PORT", help="The proxy for the connection to the server."
        ),
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Do not use TLS; anyone on the network can read the traffic."),
    ] = False,
    local_user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The user who runs a server on this machine without TLS."
        ),
    ] = None,
    test: Annotated[
        bool | None, typer.Option("--test/--no-test", help="Print a test page on each new queue.")
    ] = None,
    printers: Annotated[
        bool | None,
        typer.Option(
            "--printers/--no-printers",
            help="Offer the devices as printers without drivers. Needs no CUPS.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the server's entry, if there is one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set up a server and queues, step by step.

    Asks for what the options leave open, and tries each answer. Writes the server's file into
    servers.d, adds a queue for each chosen device, and prints a test page. Run it as root.
    """
    wanted = SetupOptions(
        server,
        key_file,
        company,
        location,
        ca_file,
        proxy,
        plain,
        local_user,
        device,
        queue_name,
        test,
        replace,
        printers,
    )
    guide = GuidedSetup(wanted, Output(as_json), Conversation(), Installation.here())
    if not guide.run():
        raise typer.Exit(ExitStatus.FAILED)
