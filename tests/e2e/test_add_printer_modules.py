"""system-config-printer's own modules find the devices, and the driver of each as an exact match.

GNOME's settings (cups-pk-helper) choose by the device id as well.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from print_site import PrintSite

VIEW = Path(__file__).with_name("cups_helpers_view.py")


@pytest.mark.parametrize("kind", ["color-mfp", "label-printer", "line-printer"])
def test_proposed_driver(site: PrintSite, kind: str) -> None:
    """The device has its name and place, and the driver is certain."""
    device = site.device("--kind", kind, "--name", f"The {kind} by the window")
    uri = site.discovered(device)["uri"]
    done = subprocess.run(
        ["/usr/bin/python3", VIEW, site.cups.socket], env=site.cups.env, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    info, location, model, driver, exact = json.loads(done.stdout)[uri]
    assert info == f"The {kind} by the window at Paris office"
    assert location == "Paris office"
    words = f"Cirrus The {kind} by the window at Paris office"
    assert re.fullmatch(rf"{words} \[[0-9a-f]{{8}}\]", model)
    assert driver.startswith("cirrus:")
    assert exact
    listed = site.cups.run("lpinfo", "-m")
    assert f"{driver} {model}\n" in listed
