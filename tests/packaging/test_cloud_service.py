"""The embedded cloud as a service on a fresh system, with its unit as the package has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clean_system import RELEASES
from packaged_site import PackagedSite
from paths import WELCOME
from print_site import eventually

SERVICE = "cirrus-cloudlet"
URL = "http://127.0.0.1:27082"
CURL = ("curl", "-sS", "--fail-with-body", "--noproxy", "*")


@pytest.mark.sampled(release=RELEASES[:1])
@pytest.mark.timeout(900)
def test_the_service(packages: Path, release: str) -> None:
    """The service prints into its folder and to a queue, runs a command, and shows a page.

    It runs as its own user, without rights. Commands of root leave no file that it cannot open,
    neither before its first start nor later.
    """
    with PackagedSite(packages, release) as system:
        needed = ("systemd", "cups", "bubblewrap", "poppler-utils", "curl")
        system.apt_get("install", system.deb("now", "cloudlet"), *needed)
        system.boot()
        _serve_print_and_show(system)


def _serve_print_and_show(system: PackagedSite) -> None:
    assert system.run("systemctl", "is-enabled", SERVICE, may_fail=True) == "disabled\n"
    system.cloudlet("device", "add", "--parents", "Acme/Paris/Folder")
    key = system.cloudlet("key", "add", "--company", "Acme").strip()
    system.run("systemctl", "enable", "--now", SERVICE)
    eventually(lambda: f"Listening on {URL}/" in system.run("journalctl", "-u", SERVICE))
    system.run("lpadmin", "-p", "paper", "-E", "-v", "file:///dev/null")
    for device, kind, target in (
        ("Queue", "printer", "paper"),
        ("Command", "command", "sh -c 'cat >command.pdf'"),
        ("Outside", "file", "/srv/{title}"),
    ):
        place = f"Acme/Paris/{device}"
        system.cloudlet("device", "add", place, "--type", kind, "--target", target)
    password = system.cloudlet("account", "add", "anna", "--company", "Acme").strip()

    bearer = ("--header", f"Authorization: Bearer {key}", "--upload-file", "/srv/welcome.pdf")
    targets = "targets=Paris:Folder;Paris:Queue;Paris:Command&title=welcome"
    ids = system.run(*CURL, *bearer, f"{URL}/api/putfile?{targets}").split()
    eventually(lambda: _states(system) == ["delivered"] * 3)
    jobs = {job["device"]: job for job in system.cloud_jobs()}
    assert [job["id"] for job in system.cloud_jobs()] == ids
    folder = system.path("/var/lib/cirrus-cloudlet")
    assert system.path(jobs["Folder"]["delivered_path"]).read_bytes() == WELCOME.read_bytes()
    assert (folder / "command.pdf").read_bytes() == WELCOME.read_bytes()
    assert re.fullmatch(r"CUPS job \d+ on paper", jobs["Queue"]["message"])
    refused = f"{URL}/api/putfile?targets=Paris:Outside&title=welcome"
    system.run(*CURL, *bearer, refused)
    eventually(lambda: "Read-only file system" in system.cloud_jobs()[-1]["message"])

    cookies = ("--cookie", "/srv/cookies", "--cookie-jar", "/srv/cookies")
    form = ("--data", f"name=anna&password={password}")
    system.run(*CURL, *cookies, *form, "--header", f"Origin: {URL}", f"{URL}/sign-in")
    page = ("--output", "/srv/page.png", f"{URL}/jobs/{ids[0]}/pages/1")
    system.run(*CURL, *cookies, *page)
    assert system.path("/srv/page.png").read_bytes().startswith(b"\x89PNG")

    system.cloudlet("device", "add", "Acme/Paris/Slow", "--type", "command", "--target", "sleep 99")
    system.run(*CURL, *bearer, f"{URL}/api/putfile?targets=Paris:Slow&title=welcome")
    eventually(lambda: system.cloud_jobs()[-1]["state_name"] == "received")
    system.run("systemctl", "restart", SERVICE)
    assert "interrupted by a stop" in system.cloud_jobs()[-1]["message"]

    user = system.run("id", "-u", SERVICE).strip()
    process = system.run("systemctl", "show", "--value", "-p", "MainPID", SERVICE).strip()
    lines = system.run("cat", f"/proc/{process}/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["Uid"].split() == [user] * 4
    assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert folder.stat().st_mode & 0o077 == 0
    assert {path.stat().st_uid for path in (folder, *folder.rglob("*"))} == {int(user)}

    said = system.run("cirrus-cloudlet", "serve", "--data", "/srv/new", may_fail=True)
    assert "systemctl start cirrus-cloudlet" in said and "--allow-root" in said


def _states(system: PackagedSite) -> list[str]:
    return [job["state_name"] for job in system.cloud_jobs()]
