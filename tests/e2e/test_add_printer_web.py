"""CUPS's own web page in a real browser: a discovered device is added by clicks, and prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from print_site import PrintSite


def _chosen_driver(site: PrintSite, page: Page, device: str, picture: Path) -> tuple[str, str]:
    """Click up to the page of drivers; return text and name of the chosen driver."""
    page.goto(f"http://127.0.0.1:{site.cups.port}/admin")
    page.get_by_role("button", name="Add Printer").click()
    button = page.locator(f"input[name=DEVICE_URI][value*='Paris:{device}|']")
    button.check(timeout=60_000)
    page.screenshot(path=picture)
    page.get_by_role("button", name="Continue").click()
    page.locator("input[name=PRINTER_NAME]").fill("Window")
    page.get_by_role("button", name="Continue").click()
    chosen = page.locator("select[name=PPD_NAME] option:checked")
    return chosen.inner_text(), chosen.get_attribute("value") or ""


def test_added_by_clicks(page: Page, pdfs: dict[int, Path], tmp_path: Path) -> None:
    """The device has its name and place, its driver is preselected, and its trays are options."""
    with PrintSite(web_interface=True) as site:
        device = site.device("--kind", "color-mfp", "--name", "Laser by the window")
        site.device("--kind", "mono-laser", "--name", "Laser at the door")
        site.discovered(device)
        text, _ = _chosen_driver(site, page, device, tmp_path / "devices.png")
        model = r"Cirrus Laser by the window at Paris office \[[0-9a-f]{8}\] \(en\)"
        assert re.fullmatch(model, text)
        page.screenshot(path=tmp_path / "driver.png")
        page.get_by_role("button", name="Add Printer").click()
        page.get_by_role("button", name="Set Printer Options").click(timeout=60_000)
        page.locator("select[name=InputSlot]").wait_for(state="attached", timeout=60_000)
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


LONG = "Printer in the corridor of the third floor, "


@pytest.mark.sampled(names=[("受付の複合機", "倉庫の複合機")])
@pytest.mark.parametrize(
    "names", [("受付の複合機", "倉庫の複合機"), (LONG + "left", LONG + "right")], ids=["ja", "long"]
)
def test_each_has_its_own_driver(page: Page, names: tuple[str, str], tmp_path: Path) -> None:
    """Drivers stay distinct without ASCII letters in their names, and with late differences.

    The page chooses by make and model alone.
    """
    with PrintSite(web_interface=True) as site:
        kinds = ("ps-printer", "label-printer")
        named = zip(kinds, names, strict=True)
        devices = [site.device("--kind", kind, "--name", name) for kind, name in named]
        for device in devices:
            said = site.discovered(device)
            found = site.cups.run("lpinfo", "--device-id", said["device-id"], "-m")
            _, name = _chosen_driver(site, page, device, tmp_path / f"{device}.png")
            assert name == found.split()[0]
