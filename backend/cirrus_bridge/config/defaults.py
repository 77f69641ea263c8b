"""Folders and constants that several packages share.

This module is part of every job's start, so it imports nothing.
"""

from __future__ import annotations

FOLDER = "/etc/cirrus-bridge"
STATE_FOLDER = "/var/lib/cirrus-bridge"
PRINTERS_FOLDER = "printers"  # in the state folder: that of `cirrus-printers`
CACHE_FOLDER = "/var/cache/cirrus-bridge"
CUPS_SOCKET = "/run/cups/cups.sock"  # the path that distributions compile in

# All queues together hold QUEUES_HELD times maxheld jobs. By default this is half of cupsd's
# MaxJobs, which counts held jobs.
QUEUES_HELD = 5

# value of `identify` → prop, with its name in IPP (RFC 8011, 5.3.6; PWG 5100.7; PWG 5100.3)
IDENTITY = {
    "user": "job-originating-user-name",
    "host": "job-originating-host-name",
    "queue": "printer-name",
    "account": "job-account-id",
    "accounting-user": "job-accounting-user-id",
}
# the one of our printer-state-reasons of queues: clients have words for it, and show a keyword that
# they do not know as it is (CONTRIBUTING.md, "What clients show")
OFFLINE_REASON = "offline-warning"
