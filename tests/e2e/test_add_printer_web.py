"""CUPS's own web page in a real browser: a discovered device is added by clicks, and prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from print_site import PrintSite

BROWSER = "/usr/bin/chromium"


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of headless Chromium."""
    with sync_playwright() as playwright:
        # the sandbox of Chromium does not run as root
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1000, "height": 900})
        browser.close()


def test_added_by_clicks(page: Page, pdfs: dict[int, Path], tmp_path: Path) -> None:
    """Found by name and place, its driver chosen beforehand, its trays on the page of options."""
    with PrintSite(web_interface=True) as site:
        device = site.device("--kind", "color-mfp", "--name", "Laser by the window")
        site.device("--kind", "mono-laser", "--name", "Laser at the door")
        site.discovered(device)
        page.goto(f"http://127.0.0.1:{site.cups.port}/admin")
        page.get_by_role("button", name="Add Printer").click()
        page.get_by_label("Laser by the window at Paris office").or_(
            page.locator(f"input[name=DEVICE_URI][value*='Paris:{device}|']")
        ).first.check(timeout=60_000)
        page.screenshot(path=tmp_path / "devices.png")
        page.get_by_role("button", name="Continue").click()
        page.locator("input[name=PRINTER_NAME]").fill("Window")
        page.get_by_role("button", name="Continue").click()
        chosen = page.locator("select[name=PPD_NAME] option:checked")
        assert chosen.inner_text() == "Cirrus Laser by the window at Paris office (en)"
        page.screenshot(path=tmp_path / "driver.png")
        page.get_by_role("button", name="Add Printer").click()
        page.get_by_role("button", name="Set Printer Options").click(timeout=60_000)
        trays = page.locator("select[name=InputSlot] option").all_inner_texts()
        assert [tray.strip() for tray in trays] == [
            "Automatic",
            "Tray 1",
            "Tray 2",
            "Tray 3",
            "Tray 4",
            "Bypass Tray",
        ]
        page.locator("select[name=Duplex]").select_option("DuplexTumble")
        page.screenshot(path=tmp_path / "options.png", full_page=True)
        page.get_by_role("button", name="Set Default Options").first.click()
        page.get_by_text("default options have been set successfully").wait_for(timeout=60_000)
        site.cups.wait_job(site.cups.lp("Window", "-n", "2", pdfs[4]))
        (job,) = site.cloud_jobs(device, 1)
        assert (job["props"]["copies"], job["props"]["duplex"]) == ("2", "3")
