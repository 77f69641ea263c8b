"""Printing a file from the embedded cloud's page, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from print_site import PrintSite, document
from tcp_proxy import TcpProxy

expect.set_options(timeout=30_000)
DROP = """
([name, size]) => {
  const data = new DataTransfer();
  data.items.add(new File(["%PDF-1.4", "x".repeat(size)], name));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.getElementById("copies").dispatchEvent(
      new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
  }
}
"""


@pytest.fixture
def copier(site: PrintSite) -> str:
    """A device with trays, papers, colors and two sides, at a location of the test's own."""
    return site.device("--kind", "color-mfp", "--name", "Copier on the first floor")


def _sign_in(page: Page, site: PrintSite, url: str = "") -> str:
    """Sign in with an account of the test's own, and return its name."""
    name = f"person{len(site.cloud.cli('account', 'list').splitlines())}"
    password = site.cloud.cli("account", "add", name, "--company", "Acme")
    page.goto(url or site.cloud.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return name


def _expect_accessible(page: Page, picture: Path) -> None:
    """axe-core finds nothing, and nothing overflows, on a screen and on a small phone."""
    for width in (1200, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert Axe().run(page).response["violations"] == []
        page.screenshot(path=picture.with_name(f"{picture.name}-{width}.png"), full_page=True)


def test_drop_a_file(page: Page, site: PrintSite, copier: str, tmp_path: Path) -> None:
    """A person chooses a device, drops a file on the form, and sees the progress and the job."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    name = _sign_in(page, site)
    page.get_by_role("link", name="Print", exact=True).click()
    expect(page.get_by_role("heading", name="Where do you want to print?")).to_be_visible()
    _expect_accessible(page, tmp_path / "choose")
    page.get_by_role("link", name="Copier on the first floor").first.click()
    page.goto(f"{site.cloud.url}/print/Paris/{copier}")
    _expect_accessible(page, tmp_path / "form")
    page.get_by_label("Copies").fill("2")
    page.get_by_label("Sides").select_option(label="two-sided")
    page.get_by_label("Color").select_option(label="gray")
    page.get_by_label("Paper").select_option("A4")
    page.get_by_label("Tray").select_option("Tray 2")
    page.evaluate(DROP, ["a plan.pdf", 3_000_000])
    seen = []

    def look(route: Route) -> None:
        if route.request.method == "POST":
            seen.append(page.get_by_role("progressbar").is_visible())
        route.continue_()

    page.route("**/print/**", look)
    page.get_by_role("button", name="Print").click()
    expect(page.get_by_role("heading", name="a plan.pdf")).to_be_visible()
    assert "/jobs/" in page.url
    assert seen == [True]
    (job,) = [each for each in site.cloud.jobs() if each["device"] == copier]
    assert document(job) == b"%PDF-1.4" + b"x" * 3_000_000
    assert job["props"] == {
        "copies": "2", "duplex": "2", "color": "1", "size": "A4", "tray": "Tray 2",
        "job-originating-user-name": name,
    }  # fmt: skip
    # the document is no real PDF, so there is no image of its page
    assert [each for each in complaints if "(Not Found)" not in each] == []


def test_an_answer_that_is_lost(page: Page, site: PrintSite, copier: str, tmp_path: Path) -> None:
    """A person who presses Print again, because no answer came, gets the job that is there."""
    text = tmp_path / "plan.pdf"
    text.write_bytes(b"%PDF-1.4")
    with TcpProxy(site.server) as proxy:
        _sign_in(page, site, f"http://{proxy.name}")
        page.goto(f"http://{proxy.name}/print/Paris/{copier}")
        page.get_by_label("File").set_input_files(text)
        proxy.lose_answers_after = b"POST /print"
        page.get_by_role("button", name="Print").click()
        expect(page.get_by_role("alert").filter(has_text="does not respond")).to_be_visible()
        proxy.lose_answers_after = None
        page.get_by_role("button", name="Print").click()
        expect(page.get_by_role("heading", name="plan.pdf")).to_be_visible()
        assert len([each for each in site.cloud.jobs() if each["device"] == copier]) == 1
        page.go_back()
        page.get_by_label("File").set_input_files(text)
        page.get_by_role("button", name="Print").click()
        expect(page.get_by_role("heading", name="plan.pdf")).to_be_visible()
        assert len([each for each in site.cloud.jobs() if each["device"] == copier]) == 2


def test_signed_out_meanwhile(page: Page, site: PrintSite, copier: str, tmp_path: Path) -> None:
    """A person whose session has ended reads that the file was not printed."""
    file = tmp_path / "plan.pdf"
    file.write_bytes(b"%PDF-1.4")
    _sign_in(page, site)
    page.goto(f"{site.cloud.url}/print/Paris/{copier}")
    page.get_by_label("File").set_input_files(file)
    page.context.clear_cookies()
    page.get_by_role("button", name="Print").click()
    expect(page.get_by_role("alert").filter(has_text="You are signed out")).to_be_visible()


def test_what_is_refused(page: Page, site: PrintSite, copier: str, tmp_path: Path) -> None:
    """The form stays, and says in one sentence why the file is not printed."""
    _sign_in(page, site)
    page.goto(f"{site.cloud.url}/print/Paris/{copier}")
    text = tmp_path / "notes.txt"
    text.write_text("some notes\n")
    page.get_by_label("File").set_input_files(text)
    page.get_by_label("Copies").fill("3")
    page.get_by_role("button", name="Print").click()
    said = page.get_by_role("alert").filter(has_text="takes pdf, ps, but this file is txt.")
    expect(said).to_be_visible()
    expect(page.get_by_label("Copies")).to_have_value("3")
    _expect_accessible(page, tmp_path / "refused")
    page.evaluate("document.getElementById('print').dataset.limit = '5'")
    page.get_by_role("button", name="Print").click()
    expect(page.get_by_role("alert").filter(has_text="The file is too large.")).to_be_visible()


def test_without_scripts(browser: Browser, site: PrintSite, copier: str, tmp_path: Path) -> None:
    """The form works as a plain form, too, and says what is wrong on the page that follows."""
    page = browser.new_page(java_script_enabled=False)
    _sign_in(page, site)
    page.goto(f"{site.cloud.url}/print/Paris/{copier}")
    file = tmp_path / "plain.pdf"
    file.write_text("some notes\n")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Print").click()
    expect(page.get_by_role("alert").filter(has_text="this file is txt.")).to_be_visible()
    file.write_bytes(b"%PDF-1.4 a document")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Print").click()
    expect(page.get_by_role("heading", name="plain.pdf")).to_be_visible()
