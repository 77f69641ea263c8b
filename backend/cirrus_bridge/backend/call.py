"""What cupsd passes to the backend (backend(7)), whichever process does the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple


class Call(NamedTuple):
    """A call of the backend.

    Attributes:
        argv: the arguments, with the program's name.
        environ: the environment.
        stdin: the document, if `argv` names no file.
        stderr: the status lines.
        cupsd: the process id of cupsd, or of the person's shell.
    """

    argv: Sequence[str]
    environ: Mapping[str, str]
    stdin: BinaryIO
    stderr: BinaryIO
    cupsd: int
