"""One assumption about the wire, and the exceptions of its attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.wire.trial import Trial

DOCUMENT = "API document"
MANUAL = "public manual"
OURS = "ours"
REPORT = tr(
    "Check that this is the address of the print API. If it is, report this output (--json) to the "
    "authors of Cirrus Bridge."
)


class Contradiction(Exception):
    """The server contradicts the assumption; `fix` replaces the assumption's own."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


class MissingFeature(Exception):
    """The server does not offer something that Cirrus Bridge can do without."""


class SkippedAttempt(Exception):
    """An assumption cannot be tried now; `fix` says how to change that."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Assumption:
    """An assumption of Cirrus Bridge about the API.

    Attributes:
        name: the name of a request or of a header, or a noun phrase.
        expected: the assumption as a sentence.
        source: the document that says so, or OURS.
        attempt: returns if the assumption holds; else raises Contradiction, MissingFeature,
            SkippedAttempt or CirrusError.
        needs: the names of assumptions that must hold before this one can be tried.
        fix: what to do if the assumption does not hold.
        without: the consequence if the server does not offer an optional feature.
        severity: the severity if the assumption does not hold.
    """

    name: str
    expected: str
    source: str
    attempt: Callable[[Trial], None]
    needs: tuple[str, ...] = ()
    fix: str = REPORT
    without: str = ""
    severity: Severity = Severity.ERROR
