"""`cirrusctl test`: prints a test page and follows it."""

from __future__ import annotations

from typing import Annotated

import typer

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.output import AsJson, Output
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.cirrusctl.setup.test_page import Result, print_test_page


def _queues(incomplete: str) -> list[str]:
    try:
        queues = cloud_queues(Installation.here())
    except CirrusError:
        return []
    return [queue.name for queue in queues if queue.name.startswith(incomplete)]


def command(
    queue: Annotated[
        str, typer.Argument(metavar="QUEUE", help="The name of the queue.", autocompletion=_queues)
    ],
    timeout: Annotated[
        float, typer.Option(min=0, metavar="S", help="How many seconds to follow the page.")
    ] = 120,
    as_json: AsJson = False,
) -> None:
    """Print a test page and follow it.

    Follows the page until it is delivered, or as long as the queue follows its jobs. With --json,
    each event is one line.
    """
    output = Output(as_json)
    result = None
    for news in print_test_page(Installation.here(), queue, limit_s=timeout):
        result = news.result
        job = tr("job {job}", job=news.job_id)
        output.event(news._asdict(), joined("  ", (f"{news.at:%H:%M:%S}", job, news.what)))
    if result is not Result.DONE:
        raise typer.Exit(ExitStatus.FAILED)
