"""The trial of a server: what the attempts of all assumptions share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.model import JobStatus, Receipt, Target, Ticket
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity
from cirrus_bridge.config.load import UploadSettings

REPORT = tr(
    "Check that this is the address of the print API. If it is, report this output (--json) to the "
    "authors of Cirrus Bridge."
)


class Contradiction(CirrusError):
    """The server contradicts the assumption. A hint replaces the assumption's `fix`."""


class SkippedAttempt(CirrusError):
    """An assumption cannot be tried now. The hint says how to change that."""


class MissingFeature(Exception):
    """The server does not offer something that Cirrus Bridge can do without."""


class SubmittedPage(NamedTuple):
    """A test page that the server has accepted, and the compressed data that was sent."""

    receipt: Receipt
    ticket: Ticket
    page: bytes
    data: bytes


@dataclass
class Trial:
    """One server under test.

    Attributes:
        server: its name in servers.d.
        connection: the doctor's findings about the route.
        stranger: the same server with a wrong key.
        location: a location to ask about; empty if none is known.
        target: the device that gets test pages; None if nothing may be printed.
        page: makes the test page, as PDF or as text.
        content: the location's JSON object, once the server has sent it.
        device: the device's JSON object, once the server has sent it.
        temp_file: the temporary file for segments that are never submitted.
        used_bytes: the length of `temp_file` so far.
    """

    server: str
    https: bool
    connection: Sequence[Finding]
    api: CloudApi
    stranger: CloudApi
    location: str
    target: Target | None
    page: Callable[[bool], bytes]
    upload: UploadSettings
    content: Mapping[str, Any] = field(default_factory=dict)
    device: Mapping[str, Any] = field(default_factory=dict)
    temp_file: str = ""
    used_bytes: int = 0
    pages: list[SubmittedPage] = field(default_factory=list)
    jobs: list[tuple[SubmittedPage, JobStatus]] = field(default_factory=list)


@dataclass(eq=False)
class Assumption:
    """An assumption of Cirrus Bridge about the API. As a decorator, it takes its attempt.

    Attributes:
        name: the name of a request or of a header, or a noun phrase.
        expected: the assumption as a sentence.
        needs: the assumptions that must hold before this one can be tried.
        fix: what to do if the assumption does not hold.
        without: the consequence if the server does not offer an optional feature.
        severity: the severity if the assumption does not hold.
        attempt: returns if the assumption holds; else raises Contradiction, MissingFeature,
            SkippedAttempt or CirrusError.
    """

    name: str
    expected: str
    needs: Sequence[Assumption] = ()
    fix: str = REPORT
    without: str = ""
    severity: Severity = Severity.ERROR
    attempt: Callable[[Trial], None] = field(init=False)

    def __call__(self, attempt: Callable[[Trial], None]) -> Assumption:
        self.attempt = attempt
        return self


def why(error: CirrusError) -> str:
    """The reason for an error; its detail names the request and the response."""
    return error.detail or error.message
