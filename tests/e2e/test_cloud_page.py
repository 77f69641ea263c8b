"""The embedded cloud's page in a real browser, while people print through a real cupsd.

Each test leaves pictures of what it saw in its temporary folder.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Locator, Page, ViewportSize, expect

from print_site import PrintSite, eventually

WIDE: ViewportSize = {"width": 1200, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 640}
HALF: ViewportSize = {"width": 600, "height": 450}  # as 1200 × 900 at 200 %
PHONE: ViewportSize = {"width": 390, "height": 844}
NOTE_PICTURES = """
window.pictures = [];
document.addEventListener("load", event => window.pictures.push(event.target.src), true);
"""
PLACES = """
line => [...line.querySelectorAll("bdi, time")].map(each => each.getBoundingClientRect().x)
"""
SIZES = "all => all.map(each => `${each.offsetWidth} × ${each.offsetHeight}`)"
expect.set_options(timeout=30_000)


def _sign_in(page: Page, site: PrintSite, *location: str) -> None:
    """Sign in with an account of the test's own."""
    number = len(site.cloud.cli("account", "list").splitlines())
    name = f"person{number}"
    password = site.cloud.cli("account", "add", name, "--company", "Acme", *location)
    page.goto(site.cloud.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def _queue(site: PrintSite, location: str, name: str, *device: str) -> str:
    """A queue to a device at a location of the test's own."""
    site.cloud.cli("location", "add", f"Acme/{location}", "--name", name)
    return site.queue(f"{location}:{site.device(*device, location=location)}")


def _card(page: Page, title: str) -> Locator:
    heading = page.get_by_role("heading", name=title, exact=True)  # other tests have titles, too
    return page.get_by_role("listitem").filter(has=heading)


def _expect_picture(card: Locator) -> None:
    picture = card.get_by_role("img")
    expect(picture).to_be_visible()
    _expect_height(picture, 480)


def _expect_height(picture: Locator, pixels: int) -> None:
    eventually(lambda: bool(picture.evaluate("each => each.naturalHeight") == pixels))


def _answer_dialogs(page: Page) -> list[str]:
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", accept)
    return asked


def test_watch_a_job_arrive(
    page: Page, site: PrintSite, pdfs: dict[int, Path], tmp_path: Path
) -> None:
    """A job from lp appears with state, options and pages, without a reload.

    The job waits while its location is off, and is delivered when the location is on again.
    """
    queue = _queue(site, "Nantes", "Nantes warehouse")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_viewport_size(WIDE)
    _sign_in(page, site)
    page.evaluate(NOTE_PICTURES)
    switch = page.get_by_role("switch", name="Nantes warehouse")
    expect(switch).to_be_checked()
    switch.focus()

    site.cups.lp(queue, "-n", "2", "-o", "sides=two-sided-long-edge", "-t", "First", pdfs[4])
    card = _card(page, "First")
    expect(card).to_contain_text("Delivered")
    expect(card).to_contain_text("2 copies")
    expect(card).to_contain_text("two-sided")
    expect(card).to_contain_text("4 pages")
    _expect_picture(card)
    expect(switch).to_be_focused()  # the switch is not replaced under a keyboard's user
    expect(page.get_by_role("status")).to_contain_text("\u2068First\u2069: Delivered")

    page.keyboard.press("Space")
    expect(switch).not_to_be_checked()
    expect(switch).to_be_focused()
    job_id = site.cups.lp(queue, "-t", "Second", pdfs[1])
    card = _card(page, "Second")
    expect(card).to_contain_text("Waiting for the location")
    expect(card).to_contain_text("Nothing printed yet")
    page.screenshot(path=tmp_path / "waiting.png")
    switch.click()
    expect(switch).to_be_checked()
    expect(card).to_contain_text("Delivered")
    _expect_picture(card)
    assert site.cups.wait_job(job_id)["job-state"] == 9

    titles = page.get_by_role("heading", level=3).all_inner_texts()
    assert titles.index("Second") < titles.index("First")
    page.screenshot(path=tmp_path / "delivered.png")
    shown = page.evaluate("window.pictures")  # of the one page that was loaded
    assert len(shown) == len(set(shown)) >= 2  # each once, whatever changes around it
    assert complaints == []


def test_unchanged_jobs_are_silent(page: Page, site: PrintSite, pdfs: dict[int, Path]) -> None:
    """A screen reader is not told again of unchanged jobs, except for the number of their pages.

    The number is known once the pictures exist.
    """
    queue = _queue(site, "Brest", "Brest")
    site.cups.wait_job(site.cups.lp(queue, "-t", "Old", pdfs[4]))
    _sign_in(page, site)
    expect(_card(page, "Old")).to_contain_text("4 pages")
    expect(page.get_by_role("status")).to_be_empty()
    site.cups.lp(queue, "-t", "Fresh", pdfs[1])
    expect(page.get_by_role("status")).to_have_text("\u2068Fresh\u2069: Delivered")


def test_deliver_again_and_delete(
    page: Page, site: PrintSite, pdfs: dict[int, Path], tmp_path: Path
) -> None:
    """One click delivers a failed job again, another deletes it; CUPS learns of both."""
    ready = tmp_path / "ready"
    queue = _queue(site, "Nice", "Nice", "--type", "command", "--target", f"test -e {ready}")
    asked = _answer_dialogs(page)
    _sign_in(page, site)
    page.evaluate("window.isTheSame = true")
    again = site.cups.lp(queue, "-t", "Again", pdfs[1])
    expect(_card(page, "Again")).to_contain_text("Not delivered")
    ready.touch()
    page.get_by_role("button", name="Deliver again Again").click()
    expect(_card(page, "Again")).to_contain_text("Delivered")
    assert site.cups.wait_job(again)["job-state"] == 9

    ready.unlink()
    gone = site.cups.lp(queue, "-t", "Gone", pdfs[1])
    expect(_card(page, "Gone")).to_contain_text("Not delivered")
    page.get_by_role("button", name="Delete Gone").click()
    expect(_card(page, "Gone").get_by_role("button")).to_have_count(0)
    assert site.cups.wait_job(gone)["job-state"] == 7
    assert asked == ["Delete “\u2068Gone\u2069”?"]
    assert page.evaluate("window.isTheSame")


def test_a_job_with_its_pages(
    page: Page, site: PrintSite, pdfs: dict[int, Path], tmp_path: Path
) -> None:
    """A job's own page has its history and all pages, and downloads the document."""
    queue = _queue(site, "Lille", "Lille")
    page.set_viewport_size(WIDE)
    _sign_in(page, site)
    site.cloud.cli("location", "offline", "Lille")
    site.cups.lp(queue, "-t", "Stock of Lille", pdfs[4])
    page.get_by_role("link", name="Stock of Lille", exact=True).click()
    facts = page.locator("#facts")
    expect(facts).to_contain_text("Waiting for the location")
    site.cloud.cli("location", "online", "Lille")
    expect(facts.get_by_role("list").last).to_contain_text("delivered")
    pictures = page.get_by_role("figure").get_by_role("img")
    expect(pictures).to_have_count(4)
    for number in range(4):
        pictures.nth(number).scroll_into_view_if_needed()
        _expect_height(pictures.nth(number), 1600)
    page.screenshot(path=tmp_path / "job.png", full_page=True)
    with page.expect_download() as waited:
        page.get_by_role("link", name="Download Stock of Lille").click()
    assert waited.value.suggested_filename == "Stock of Lille.pdf"
    assert waited.value.path().read_bytes().startswith(b"%PDF")


def test_a_person_who_is_printed_to(
    page: Page, site: PrintSite, pdfs: dict[int, Path], tmp_path: Path
) -> None:
    """The recipient sees a document and saves or discards it; CUPS learns of both."""
    site.cloud.cli("location", "add", "Acme/Anna", "--browser")
    queue = site.queue("Anna:browser")
    _sign_in(page, site, "--location", "Anna")
    expect(page.get_by_text("Nothing here yet.")).to_have_count(3)
    wanted = site.cups.lp(queue, "-t", "Wanted", pdfs[1])
    card = page.locator("section", has=page.get_by_role("heading", name="New")).filter(
        has_text="Wanted"
    )
    _expect_picture(card)
    page.screenshot(path=tmp_path / "mailbox.png")
    with page.expect_download() as waited:
        card.get_by_role("button", name="Save").click()
    assert waited.value.path().read_bytes().startswith(b"%PDF")
    saved = page.locator("section", has=page.get_by_role("heading", name="Saved"))
    expect(saved).to_contain_text("Wanted")
    assert site.cups.wait_job(wanted)["job-state"] == 9
    unwanted = site.cups.lp(queue, "-t", "Unwanted", pdfs[1])
    page.get_by_role("button", name="Move to trash Unwanted").click()
    trash = page.locator("section", has=page.get_by_role("heading", name="Trash"))
    expect(trash).to_contain_text("Unwanted")
    assert site.cups.wait_job(unwanted)["job-state"] == 7


def test_the_server_goes_and_comes(page: Page, own_site: PrintSite) -> None:
    """The page says that it may be old, and resumes by itself.

    After the end of a session it redirects to the sign-in page.
    """
    _sign_in(page, own_site)
    own_site.cloud.stop()
    expect(page.get_by_role("alert")).to_contain_text("does not respond")
    own_site.cloud.come_back()
    expect(page.get_by_role("alert")).to_have_count(0)
    name = own_site.cloud.cli("account", "list").split("\t")[0]
    own_site.cloud.cli("account", "remove", name)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_without_scripts(browser: Browser, site: PrintSite) -> None:
    """Everything works without scripts."""
    site.cloud.cli("location", "add", "Acme/Metz")
    page = browser.new_page(java_script_enabled=False)
    _sign_in(page, site)
    page.get_by_role("switch", name="Metz").click()
    expect(page.get_by_role("switch", name="Metz")).not_to_be_checked()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.sampled(scheme=["dark"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(
    browser: Browser, site: PrintSite, pdfs: dict[int, Path], tmp_path: Path, scheme: str
) -> None:
    """axe-core finds no errors on any page, and nothing overflows, wide or on a phone."""
    queue = _queue(site, scheme, "Office on the other side of the river")
    failing = site.device("--type", "command", "--target", "false", location=scheme)
    title = "A title of several words, and one that_is_quite_long_and_can_not_be_broken"
    for each in (queue, site.queue(f"{scheme}:{failing}")):
        site.cups.lp(each, "-n", "2", "-o", "media=A4", "-t", title, pdfs[4])
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(site.cloud.url)
    _look(page, tmp_path, "sign-in")
    _sign_in(page, site)
    expect(page.locator(".mark", has_text="Not delivered").first).to_be_visible()
    expect(page.get_by_text("A4").nth(1)).to_be_visible()
    _look(page, tmp_path, "home")
    page.get_by_role("link", name="A title", exact=False).first.click()
    expect(page.get_by_role("figure")).to_have_count(4)
    _look(page, tmp_path, "job")
    page.goto(f"{site.cloud.url.rstrip('/')}/overview")
    expect(page.get_by_role("img", name="Deliveries of the last 24 hours")).to_be_visible()
    _look(page, tmp_path, "overview")
    page.goto(f"{site.cloud.url}/none")
    _look(page, tmp_path, "message")


def _look(page: Page, folder: Path, name: str) -> None:
    for width, size in (("wide", WIDE), ("phone", PHONE)):
        page.set_viewport_size(size)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        shapes = page.get_by_text("Online", exact=True).evaluate_all(SIZES)
        assert len(set(shapes)) <= 1  # a long name does not squeeze a switch


def test_find_and_change_jobs_by_keyboard(
    page: Page, site: PrintSite, pdfs: dict[int, Path], tmp_path: Path
) -> None:
    """Somebody finds failed jobs and deletes them together, with the keyboard alone."""
    queue = _queue(site, "Dijon", "Dijon", "--type", "command", "--target", "false")
    for name in ("one", "two"):
        site.cups.lp(queue, "-t", f"Dijon {name}", pdfs[1])
    page.set_viewport_size(WIDE)
    _sign_in(page, site)
    expect(_card(page, "Dijon two")).to_contain_text("Not delivered")
    expect(_card(page, "Dijon one")).to_contain_text("Not delivered")
    _tab_to(page, page.get_by_label("Title or person"))
    page.keyboard.type("dijon")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=dijon"))
    expect(page.locator(".job")).to_have_count(2)
    _tab_to(page, page.get_by_role("checkbox", name="Dijon one"))
    page.keyboard.press("Space")
    _tab_to(page, page.get_by_label("Select all on this page"))
    page.keyboard.press("Space")
    _tab_to(page, page.get_by_role("button", name="Delete…"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Delete 2 jobs?")).to_be_visible()
    page.screenshot(path=tmp_path / "confirm.png")
    assert Axe().run(page).violations_count == 0
    _tab_to(page, page.get_by_role("button", name="Delete", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 jobs changed.")).to_be_visible()
    expect(page.locator(".job .mark", has_text="Deleted")).to_have_count(2)
    # nothing is left to select
    expect(page.get_by_text("Selected jobs:")).to_be_hidden()


def _is_in_order(places: list[float]) -> bool:
    return len(places) > 2 and places == sorted(set(places))


def _tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until an element has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(100):
        page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError("the keyboard does not reach the element")


def test_a_frozen_server(page: Page, own_site: PrintSite) -> None:
    """The page says that the server is silent, while the server takes requests but answers none."""
    _sign_in(page, own_site)
    os.kill(own_site.cloud.pid, signal.SIGSTOP)
    try:
        expect(page.get_by_role("alert")).to_contain_text("does not respond")
    finally:
        os.kill(own_site.cloud.pid, signal.SIGCONT)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.complete
def test_names_that_are_written_from_right_to_left(
    browser: Browser, site: PrintSite, pdfs: dict[int, Path], tmp_path: Path
) -> None:
    """A right-to-left name leaves the words around it in their order, also at 320 px and 200 %."""
    queue = _queue(site, "Haifa", "משרד חיפה (3)", "--name", "מדפסת!")
    site.cups.wait_job(site.cups.lp(queue, "-t", "דוח 2026 (סופי)", pdfs[1]))
    page = browser.new_page()
    page.set_viewport_size(WIDE)
    _sign_in(page, site)
    line = _card(page, "דוח 2026 (סופי)").locator("p.faint")
    expect(line).to_contain_text("kB")
    # at once, because the page may replace the line in between
    eventually(lambda: _is_in_order(line.evaluate(PLACES)))
    for path in ("/", "/jobs", "/overview"):
        page.goto(site.cloud.url.rstrip("/") + path)
        for name, size in (("320", NARROW), ("200", HALF)):
            page.set_viewport_size(size)
            page.screenshot(path=tmp_path / f"{path.strip('/')}-{name}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            assert Axe().run(page).violations_count == 0
