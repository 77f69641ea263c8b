"""One assumption about the wire, and how an attempt says that it does not hold."""

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
    """The server did something else: `why`, with a `fix` if there is a better one than usual."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


class MissingFeature(Exception):
    """The server does not offer something that Cirrus Bridge can do without."""


class SkippedAttempt(Exception):
    """There was nothing to try it with: `why`, and how to change that."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Assumption:
    """What Cirrus Bridge sends or expects, and how to try it.

    Attributes:
        name: the name of a request or of a header, or a noun phrase.
        expected: the assumption as a sentence.
        source: the document that says so, or OURS.
        attempt: returns if the assumption holds; else raises Contradiction, MissingFeature,
            SkippedAttempt or CirrusError.
        needs: the names of assumptions without which this one cannot be tried.
        fix: what to do if the assumption does not hold.
        without: what follows if the server does not offer it, where Cirrus Bridge can do without.
        severity: how bad it is if the assumption does not hold.
    """

    name: str
    expected: str
    source: str
    attempt: Callable[[Trial], None]
    needs: tuple[str, ...] = ()
    fix: str = REPORT
    without: str = ""
    severity: Severity = Severity.ERROR
