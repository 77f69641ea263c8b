"""The embedded cloud of the demo: a company with one location and one device, served on loopback.

The API key comes from the output of `cirrus-cloudlet`, and is never an argument of a process.
"""

from __future__ import annotations

from pathlib import Path

from cloudlet_server import CloudletServer

COMPANY = "Demo"
LOCATION = "Paris"
DEVICE = "Laser1"


def start_cloud(cloud: CloudletServer, folder: Path, delivered: Path) -> str:
    """Start a cloud on `folder` with a device that delivers into `delivered`; return an API key.

    Raises:
        RuntimeError: a command failed, or the server did not start.
    """
    cloud.data = folder
    cloud.cli("company", "add", COMPANY)
    cloud.cli("location", "add", f"{COMPANY}/{LOCATION}", "--name", "Paris office")
    cloud.cli(
        *("device", "add", f"{COMPANY}/{LOCATION}/{DEVICE}", "--name", "Laser printer"),
        *("--type", "file", "--target", f"{delivered}/{{title}}.{{ext}}"),
        *("--formats", "pdf"),
    )
    key = cloud.cli("key", "add", "--company", COMPANY, "--name", "demo")
    cloud.start(folder)
    return key
