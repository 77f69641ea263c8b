"""PDF → PostScript for devices that take nothing else, by poppler or ghostscript."""

from __future__ import annotations

import os
from pathlib import Path

from cirrus_bridge.base.errors import NoUsableFormat
from cirrus_bridge.base.subprocesses import ProgramFailed, output_of
from cirrus_bridge.base.translation import tr
from cirrus_bridge.drivers.deliverable import installed_converter
from cirrus_bridge.ipp_server.documents.raster import damaged

_LIMIT_S = 600.0
_MOST_BYTES = 1 << 20  # of messages
# Nothing of the document reaches the command line. Without -dSAFER, older versions of ghostscript
# let a document read and write files (https://ghostscript.readthedocs.io/en/latest/Use.html).
_COMMANDS = {
    "pdftops": ("-q", "-level3", "-origpagesizes", "{source}", "{target}"),
    "gs": (
        *("-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=ps2write"),
        *("-sOutputFile={target}", "-f", "{source}"),
    ),
}


def write_postscript(source: Path, target: Path, name: str | None = None) -> None:
    """Write a PDF as PostScript.

    Args:
        name: the program; by default the first one that is installed.

    Raises:
        BadDocument: the program cannot convert the PDF, or needs more than ten minutes.
        NoUsableFormat: no program is installed.
    """
    name = name or installed_converter()
    if name is None:
        raise NoUsableFormat(
            tr("The device takes PostScript only. Install poppler-utils (pdftops) or ghostscript."),
            tr("Then release the job."),
        )
    files = {"source": os.fspath(source.absolute()), "target": os.fspath(target.absolute())}
    command = [name, *(part.format(**files) for part in _COMMANDS[name])]
    try:
        status, _, complaint = output_of(command, limit_s=_LIMIT_S, most_bytes=_MOST_BYTES)
    except (ProgramFailed, TimeoutError) as error:
        raise damaged(f"{name} {error}") from error
    if status or not target.exists():
        raise damaged(f"{name} failed with exit status {status}: {complaint}")
