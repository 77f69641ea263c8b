"""Print a page by Chromium to the destination of its print preview: QUEUE FILE PROFILE.

A window with --kiosk-printing, which prints by window.print() as the preview's remembered settings
say; the preview itself is not clicked. Ends when a line comes by standard input.
"""

import json
import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

queue, page, profile = sys.argv[1:]
settings = {
    "version": 2,
    "recentDestinations": [{"id": queue, "origin": "local", "account": "", "displayName": queue}],
    "isDuplexEnabled": True,
    "isDuplexShortEdge": True,
    "isColorEnabled": False,
    "isCollateEnabled": True,
    "isHeaderFooterEnabled": False,
}
preferences = Path(profile) / "Default" / "Preferences"
preferences.parent.mkdir(parents=True)
sticky = {"appState": json.dumps(settings)}
preferences.write_text(json.dumps({"printing": {"print_preview_sticky_settings": sticky}}))
with sync_playwright() as playwright:
    browser = playwright.chromium.launch_persistent_context(
        profile,
        executable_path="/usr/bin/chromium",
        headless=False,
        env=dict(os.environ),
        args=["--no-sandbox", "--kiosk-printing"],
    )
    tab = browser.pages[0]
    tab.goto(f"file://{page}")
    tab.evaluate("setTimeout(() => window.print(), 200)")
    sys.stdin.readline()
    browser.close()
