"""The pages of an administrator in a real browser.

Each test leaves pictures of what it saw in its temporary folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from cloudlet_server import CloudletServer
from curl import Curl

WIDE: ViewportSize = {"width": 1200, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 700}
expect.set_options(timeout=30_000)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudletServer]:
    """A cloud with an administrator, and with names of all lengths and directions."""
    server = CloudletServer()
    server.start(tmp_path / "data")
    server.cli("location", "add", "ACME/Cairo", "--name", "مكتب القاهرة")
    server.cli("device", "add", "ACME/Cairo/Laser", "--name", "Laser " * 12)
    server.cli("device", "add", "ACME/Cairo/C", "--type", "command", "--target", "cat")
    server.cli("device", "disable", "Cairo/Laser")
    server.cli("account", "add", "a-rather-long-name.of-somebody@example.com", "--company", "ACME")
    server.cli("account", "add", "berta", "--company", "ACME", "--location", "Cairo")
    server.cli("account", "disable", "berta")
    yield server
    server.close()


def sign_in(page: Page, cloud: CloudletServer) -> None:
    """Sign in as an administrator."""
    password = cloud.cli("account", "add", "anna", "--company", "ACME", "--role", "admin")
    page.goto(cloud.url)
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def go_to(page: Page, name: str) -> None:
    """Follow an entry of the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def secret(page: Page) -> str:
    """The secret that the page shows, and the way back."""
    shown = page.locator("output").inner_text()
    page.get_by_role("link", name="Done").click()
    return shown


def test_a_day_of_an_administrator(page: Page, cloud: CloudletServer, tmp_path: Path) -> None:
    """Add a location, a device, a key and an account, disable the account, and read who did so."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: dialog.accept())
    page.set_viewport_size(WIDE)
    sign_in(page, cloud)

    go_to(page, "Devices")
    page.get_by_role("link", name="Add a location").click()
    page.get_by_label("Id").fill("Lyon")
    page.get_by_label("Name").fill("Lyon office")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Add a device Lyon office").click()
    page.get_by_label("Id").fill("Laser1")
    page.get_by_label("Formats").fill("pdf")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Lyon:Laser1")).to_be_visible()
    page.screenshot(path=tmp_path / "devices.png", full_page=True)

    go_to(page, "API keys")
    page.get_by_label("Name").fill("front desk")
    page.get_by_role("button", name="Create the key").click()
    page.screenshot(path=tmp_path / "secret.png", full_page=True)
    curl = Curl(cloud.url, secret(page))
    cloud.wait_for_job(curl.submit(targets="Lyon:Laser1"), 2)
    page.get_by_role("button", name="Revoke front desk").click()
    expect(page.get_by_text("front desk")).to_be_hidden()
    assert curl.run("/api/get/location/ACME/Lyon").status == 401

    go_to(page, "Accounts")
    page.get_by_label("Name").fill("otto")
    page.get_by_label("Sees the jobs of").select_option("Lyon office")
    page.get_by_role("button", name="Add the account").click()
    password = secret(page)
    page.get_by_role("button", name="Disable otto").click()
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="otto"))
    expect(card.get_by_text("Disabled", exact=True)).to_be_visible()
    page.screenshot(path=tmp_path / "accounts.png", full_page=True)
    page.get_by_role("button", name="Disable anna").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "anna is the last administrator of ACME"
    )
    page.go_back()

    go_to(page, "Changes")
    expect(page.get_by_role("listitem").filter(has_text="Account disabled").first).to_contain_text(
        "otto"
    )
    cloud.cli("key", "add", "--company", "ACME", "--name", "new key")
    expect(page.get_by_text("new key")).to_be_visible()  # without a reload
    assert password not in page.content()
    page.screenshot(path=tmp_path / "changes.png", full_page=True)
    errors = [each for each in complaints if "409" not in each]
    assert errors == []


@pytest.mark.complete
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_for_everyone(browser: Browser, cloud: CloudletServer, tmp_path: Path, scheme: str) -> None:
    """axe-core finds no errors on these pages, and nothing overflows at 320 px or 200 %."""
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    sign_in(page, cloud)
    for name, path in (
        ("accounts", "/accounts"),
        ("keys", "/keys"),
        ("devices", "/devices"),
        ("location", "/devices/at/Cairo"),
        ("device", "/devices/at/Cairo/Laser"),
        ("command", "/devices/at/Cairo/C"),
        ("changes", "/changes"),
    ):
        page.goto(f"{cloud.url}{path}")
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)
            page.screenshot(path=tmp_path / f"{name}-{size['width']}.png", full_page=True)
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    context.close()
