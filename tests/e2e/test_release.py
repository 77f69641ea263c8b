"""A job that waits for its owner, from lp with a real cupsd to the release in the cloud."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from print_site import PrintSite, document, eventually

expect.set_options(timeout=30_000)
SAID = "Waiting for release at Paris:Laser1. "


@pytest.fixture
def holding(own_site: PrintSite) -> PrintSite:
    """A site whose location holds jobs, and whose bridge tells who printed them."""
    own_site.cloud.cli("location", "hold", "Acme/Paris")
    settings = own_site.config / "bridge.toml"
    text = settings.read_text().replace("[defaults]\n", '[defaults]\nidentify = ["user"]\n')
    settings.write_text(text)
    return own_site


def _messages(site: PrintSite, job_id: int, queue: str) -> tuple[str, str]:
    """The messages of a job and its queue; the latter with the reasons."""
    job, printer = site.cups.job(job_id), site.cups.printer(queue)
    of_job = job.get("job-message-from-operator") or job.get("job-printer-state-message")
    return str(of_job), f"{printer['printer-state-message']} {printer['printer-state-reasons']}"


def _sign_in(page: Page, site: PrintSite, name: str, path: str) -> None:
    """Open a page without a session, and sign in with a new account."""
    password = site.cloud.cli("account", "add", name, "--company", "Acme")
    page.goto(site.cloud.url + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def _expect_accessible(page: Page, picture: Path) -> None:
    """axe-core finds nothing, and nothing overflows, on a screen and on a small phone."""
    for width in (1200, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert Axe().run(page).response["violations"] == []
        page.screenshot(path=picture.with_name(f"{picture.name}-{width}.png"), full_page=True)


def test_released_later(holding: PrintSite, page: Page, tmp_path: Path) -> None:
    """The job is held at once and says for what it waits, as does the queue, without a warning.
    Its owner releases the job on the page. It is delivered once, and CUPS completes it."""
    site = holding
    queue = site.queue(driver=False, options="?waittimeout=0")
    with site.statusd():
        job_id = site.cups.lp(queue, "-U", "nobody", "-t", "Salaries", data=b"12345")
        site.cups.wait_job(job_id, "held")
        assert _messages(site, job_id, queue)[0].startswith(SAID)
        eventually(
            lambda: "1 job waiting for release at Paris" in _messages(site, job_id, queue)[1]
        )
        assert "cirrus-delivery" not in _messages(site, job_id, queue)[1]
        (job,) = site.cloud.jobs()
        assert (job["state"], job["held_for"]) == (0, "nobody")
        _sign_in(page, site, "nobody", "/release/Paris/Laser1")
        expect(page.get_by_role("heading", name="Release here")).to_be_visible()
        _expect_accessible(page, tmp_path / "here")
        page.get_by_role("button", name="Release Salaries").click()
        expect(page.get_by_text("None of your jobs is waiting here.")).to_be_visible()
        site.cups.wait_job(job_id, "completed")
    (job,) = site.cloud.jobs()
    assert job["state"] == 2
    assert document(job) == b"12345"
    assert [step["state"] for step in job["history"]] == [0, 0, 1, 2]


def test_all_at_once(holding: PrintSite, page: Page, tmp_path: Path) -> None:
    """Jobs appear on the open page as they arrive, and one button releases all of them. The
    overview lists the jobs by device."""
    site = holding
    _sign_in(page, site, "nobody", "/release/Paris/Laser1")
    expect(page.get_by_text("None of your jobs is waiting here.")).to_be_visible()
    queue = site.queue(driver=False, options="?wait=submitted")
    for number in range(2):
        site.cups.lp(queue, "-U", "nobody", "-t", f"Number {number}", data=b"12345")
    expect(page.get_by_role("button", name="Release Number 1")).to_be_visible()
    page.goto(f"{site.cloud.url}/release")
    expect(page.get_by_role("heading", name="Laser")).to_be_visible()
    _expect_accessible(page, tmp_path / "overview")
    page.get_by_role("link", name="Laser").click()
    page.get_by_role("button", name="Release my 2 jobs").click()
    expect(page.get_by_role("status").filter(has_text="2 jobs are released.")).to_be_visible()
    _expect_accessible(page, tmp_path / "released")
    for job in site.cloud.jobs():
        site.cloud.wait_for_job(job["id"], 2)


def test_a_double_click(holding: PrintSite, page: Page) -> None:
    """A double click releases a job once. A person who releases a job that is gone can read why
    for as long as they like."""
    site = holding
    queue = site.queue(driver=False, options="?wait=submitted")
    for title in ("Once", "Gone"):
        site.cups.lp(queue, "-U", "nobody", "-t", title, data=b"12345")
    _sign_in(page, site, "nobody", "/release/Paris/Laser1")
    changes: list[str] = []
    page.on("request", lambda each: changes.append(each.url) if each.method == "POST" else None)
    page.get_by_role("button", name="Release Once").dblclick()
    expect(page.get_by_role("button", name="Release Once")).to_be_hidden()
    assert len(changes) == 1
    gone = page.get_by_role("button", name="Release Gone")
    expect(gone).to_be_visible()

    def stay(route: Route) -> None:
        """Let the page believe that nothing has changed."""
        if route.request.method == "POST":
            route.continue_()
        else:
            route.fulfill(status=304)

    page.route("**/*", stay)
    (job_id,) = [job["id"] for job in site.cloud.jobs() if job["title"] == "Gone"]
    site.cloud.cli("job", "release", job_id)
    site.cloud.wait_for_job(job_id, 2)
    gone.click()
    refusal = page.get_by_role("alert").filter(has_text="no longer possible")
    expect(refusal).to_be_visible()
    for _ in range(3):  # the page has looked twice by then
        page.wait_for_event("request")
    expect(refusal).to_be_visible()


def test_the_sheet(holding: PrintSite, page: Page, tmp_path: Path) -> None:
    """The printed sheet has a page for each device, and a camera reads its code."""
    site = holding
    _sign_in(page, site, "nobody", "/release-codes")
    _expect_accessible(page, tmp_path / "sheet")
    names = page.locator(".sheet").count()
    pdf = tmp_path / "sheet.pdf"
    pdf.write_bytes(page.pdf(format="A4"))
    subprocess.run(["pdftoppm", "-r", "100", "-png", pdf, tmp_path / "printed"], check=True)
    pictures = sorted(tmp_path.glob("printed-*.png"))
    assert len(pictures) == names
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", *pictures], check=True, capture_output=True, text=True
    ).stdout.split()
    assert read == page.locator(".address").all_inner_texts()
    assert f"{site.cloud.url}/release/Paris/Laser1" in read
