"""The pages of the printers, for people: with a browser, and without."""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from cirrus_bridge.ipp.message import Attribute, JobState, Operation
from cirrus_bridge.ipp.values import Keyword
from paths import WELCOME
from printer_site import INVENTORY, PrinterSite

PDF = WELCOME.read_bytes()
ARABIC = "طابعة المكتب"
HOSTILE = '<script>alert("1")</script>'
DEVICES = f"""
[[device]]
company = "Acme"
location = "Paris"
id = "Arabic"
name = "{ARABIC}"
type = "file"

[[device]]
company = "Acme"
location = "Paris"
id = "Hostile"
name = '{HOSTILE}'
type = "file"
"""
WIDE, PHONE = ViewportSize(width=1000, height=900), ViewportSize(width=320, height=640)


@pytest.fixture(scope="module")
def site() -> Iterator[PrinterSite]:
    with PrinterSite(
        'listen = "0.0.0.0"\nnetworks = ["127.0.0.0/8"]\n', INVENTORY + DEVICES
    ) as shared:
        yield shared


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # the sandbox of Chromium does not run as root
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


def get(
    site: PrinterSite, path: str, language: str = "", method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    """The response to a request, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, headers={"Accept-Language": language})
        answer = connection.getresponse()
        return answer, answer.read()


def named(site: PrinterSite, device: str) -> str:
    """The name of a device's printer."""
    names = (each.text("printer-name") for each in site.printers())
    return next(name for name in names if f"-{device.lower()}-" in name)


@pytest.mark.sampled(scheme=["light"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible(
    site: PrinterSite, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    """axe-core finds no errors, nothing overflows, and Tab reaches each link."""
    site.wait_job(site.print(PDF, title="A title_that_cannot_be_broken" * 5), JobState.COMPLETED)
    held = [Attribute("job-hold-until", [Keyword("indefinite")])]
    site.print(PDF, held)
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    base = f"http://127.0.0.1:{site.port}"
    paths = {"list": "/", "printer": f"/ipp/print/{site.name}", "missing": "/ipp/print/none"}
    paths["arabic"] = f"/ipp/print/{named(site, 'Arabic')}"
    for name, path in paths.items():
        page.goto(base + path)
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            page.screenshot(path=tmp_path / f"{name}-{size['width']}.png", full_page=True)
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.goto(base)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ipp/print/*")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert not [text for text in errors if "404" not in text]
    page.close()


def test_a_page(site: PrinterSite) -> None:
    """Name, state, addresses and jobs, without the titles of jobs; no script of a name runs."""
    job_id = site.print(PDF, title="Layoffs")
    site.wait_job(job_id, JobState.COMPLETED)
    answer, body = get(site, f"/ipp/print/{site.name}")
    text = body.decode()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for shown in ("Paris office", f"ipp://127.0.0.1:{site.port}/ipp/print/", f"Job {job_id}"):
        assert shown in text
    assert "Layoffs" not in text
    _, body = get(site, "/")
    assert HOSTILE not in body.decode()
    assert f"<bdi>{ARABIC} at" in body.decode()


@pytest.mark.parametrize(
    ("wanted", "language", "text"),
    [
        ("de-AT,en;q=0.5", "de", "Diesen Drucker hinzufügen"),
        ("xx, ja;q=0.8, fr;q=0.9", "fr", "Ajouter cette imprimante"),
        ("en-GB", "en", "Add this printer"),
        ("q;;;=,", "en", "Add this printer"),
    ],
)
def test_languages(site: PrinterSite, wanted: str, language: str, text: str) -> None:
    """The page is in the language that the browser prefers."""
    _, body = get(site, f"/ipp/print/{site.name}", wanted)
    assert f'<html lang="{language}"' in body.decode()
    assert text in body.decode()


def test_what_belongs_to_a_printer(site: PrinterSite) -> None:
    """Each URI among the printer's attributes leads to what its name says."""
    asked = [Attribute("requested-attributes", [Keyword("all")])]
    message = site.ask(Operation.GET_PRINTER_ATTRIBUTES, asked)
    (printer,) = (attributes for _, attributes in message.groups[1:])
    for icon, pixels in zip(printer["printer-icons"], (48, 128, 512), strict=True):
        answer, body = get(site, re.sub("^https?://[^/]+", "", str(icon)))
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
        assert int.from_bytes(body[16:20]) == pixels  # the width in PNG's header
    strings = re.sub("^https?://[^/]+", "", printer.text("printer-strings-uri"))
    answer, _ = get(site, strings)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/strings; charset=utf-8")
    answer, body = get(site, f"/ipp/print/{site.name}/qr.svg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert b"<svg" in body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/none", 404),
        ("GET", "/ipp/print/", 404),
        ("GET", "/ipp/print/../../etc/passwd", 404),
        ("HEAD", "/", 200),
        ("PUT", "/", 405),
        ("DELETE", "/ipp/print/x", 405),
    ],
)
def test_other_requests(site: PrinterSite, method: str, path: str, status: int) -> None:
    """Unknown paths and methods get a page or an empty response, with the security headers."""
    answer, body = get(site, path, method=method)
    assert answer.status == status
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert method != "HEAD" or body == b""
