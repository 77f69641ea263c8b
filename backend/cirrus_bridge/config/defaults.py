"""Folders and constants that several packages share.

A part of every job's start: imports nothing.
"""

from __future__ import annotations

FOLDER = "/etc/cirrus-bridge"  # of the configuration
STATE_FOLDER = "/var/lib/cirrus-bridge"
CACHE_FOLDER = "/var/cache/cirrus-bridge"
CUPS_SOCKET = "/run/cups/cups.sock"  # the path that distributions compile in

QUEUES_HELD = 5  # times maxheld: by default, half of cupsd's MaxJobs, which counts held jobs

# what `identify` may ask for → the prop (named as IPP names it: RFC 8011, 5.3.6; PWG 5100.7)
IDENTITY = {
    "user": "job-originating-user-name",
    "host": "job-originating-host-name",
    "queue": "printer-name",
}
