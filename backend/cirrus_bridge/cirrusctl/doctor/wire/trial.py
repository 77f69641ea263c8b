"""The state of a trial, which attempts share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.model import JobStatus, Receipt, Segment, Target
from cirrus_bridge.cirrusctl.doctor.finding import Finding
from cirrus_bridge.cirrusctl.doctor.network import Route, check_route
from cirrus_bridge.delivery.tracking import SentDocument


@dataclass(frozen=True, slots=True)
class SubmittedPage:
    """A test page that the server has accepted."""

    receipt: Receipt
    sent: SentDocument
    props: Mapping[str, str]


@dataclass
class Trial:
    """One server under test.

    Attributes:
        stranger: the same server with a wrong key.
        location: a location to ask about; empty if none is known.
        target: the device that gets test pages; None if nothing may be printed.
        page: makes the test page, as PDF or as text.
        segment_bytes, connections: as in `[upload]`.
        content: the location's JSON object, once the server has sent it.
        device: the device's JSON object, once the server has sent it.
        temp_file: the temporary file for segments that are never submitted.
        used_bytes: the length of `temp_file` so far.
        repeat: sends the first submit again, after it was sent.
    """

    api: CloudApi
    stranger: CloudApi
    route: Route
    now: Callable[[], datetime]
    location: str
    target: Target | None
    page: Callable[[bool], bytes]
    segment_bytes: int
    connections: int
    content: Mapping[str, Any] = field(default_factory=dict)
    device: Mapping[str, Any] = field(default_factory=dict)
    temp_file: str = ""
    used_bytes: int = 0
    repeat: Callable[[], list[Receipt]] = list
    pages: dict[str, SubmittedPage] = field(default_factory=dict)
    statuses: dict[str, JobStatus] = field(default_factory=dict)

    @functools.cached_property
    def route_findings(self) -> list[Finding]:
        """The doctor's findings about the connection to the server."""
        return list(check_route(self.route, self.now))

    @property
    def known_target(self) -> Target | None:
        """The command line's device, or else the first device of the location."""
        devices = self.content.get("Devices")
        if self.target is None and isinstance(devices, dict) and devices:
            return Target(self.location, min(devices))
        return self.target

    def next_segment(self, size_bytes: int) -> Segment:
        """The next segment of the temporary file."""
        segment = Segment(self.used_bytes, b"%" * size_bytes)
        self.used_bytes = segment.end
        return segment
