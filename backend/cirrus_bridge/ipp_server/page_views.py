"""The values for the template of a printer's page, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cirrus_bridge.base.media import shown_as
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.message import JobState, PrinterState
from cirrus_bridge.ipp_server.answering import PrinterStatus
from cirrus_bridge.ipp_server.job_template import offer_of
from cirrus_bridge.ipp_server.spool import SpooledJob

MOST_PAPERS = 40
_PRINTER_STATES = {
    PrinterState.IDLE: tr("ready"),
    PrinterState.PROCESSING: tr("printing"),
    PrinterState.STOPPED: tr("stopped"),
}
_AWAY = tr("waiting for the cloud")
_JOB_STATES = {
    JobState.PENDING: tr("waiting"),
    JobState.PENDING_HELD: tr("held"),
    JobState.PROCESSING: tr("on its way"),
    JobState.PROCESSING_STOPPED: tr("interrupted"),
    JobState.CANCELED: tr("canceled"),
    JobState.ABORTED: tr("not printed"),
    JobState.COMPLETED: tr("printed"),
}


def printer_view(printer: OfferedPrinter, status: PrinterStatus, language: str) -> dict[str, Any]:
    """A printer, with its state in words."""
    text = _AWAY if status.message else _PRINTER_STATES[status.state]
    return {
        "path": printer.path,
        "info": printer.info,
        "location": printer.location,
        "model": printer.make_and_model,
        "state": "stopped" if status.message else status.state.name.lower(),
        "state_text": translated(text, language),
        "message": translated(status.message, language),
    }


def job_view(job: SpooledJob, user: str, language: str) -> dict[str, Any]:
    """A job. Only the person who printed it, and has signed in, sees the title."""
    is_own = bool(user) and job.user == user
    when = datetime.fromtimestamp(job.completed_s or job.created_s)
    return {
        "number": job.job_id,
        "title": job.title if is_own else "",
        "when": f"{when:%Y-%m-%d %H:%M}",
        "state": job.state.name.lower().replace("_", "-"),
        "state_text": translated(_JOB_STATES[job.state], language),
        "message": job.message.get(language, job.message.get("", "")) if is_own else "",
    }


def media_view(printer: OfferedPrinter) -> dict[str, Any]:
    """The papers and trays, in the location's words."""
    media = offer_of(printer).media
    papers = [shown_as(each.name, media.words[each.name]) for each in media.papers]
    trays: Sequence[str] = [word for keyword, word in media.trays.items() if keyword != "Auto"]
    return {
        "papers": papers[:MOST_PAPERS],
        "more_papers": max(0, len(papers) - MOST_PAPERS),
        "trays": trays[:MOST_PAPERS],
    }
