"""Signing in with a real OpenID Connect provider, in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from cloudlet_server import CloudletServer
from ports import reserved_port
from print_site import eventually
from programs import Program

CLIENT, SECRET = "cirrus-cloudlet", "the secret of the client"
SETTINGS = """\
[[provider]]
company = "ACME"
name = "ACME login"
issuer = "{issuer}"
client_id = "cirrus-cloudlet"
client_secret_file = "provider.secret"
address = "{address}"
role_claim = "groups"
roles = {{ printing = "user", it = "admin" }}
"""
expect.set_options(timeout=30_000)


class RealProvider:
    """oidc-provider-mock, which has a page for signing in."""

    def __init__(self) -> None:
        self._port = reserved_port(self)
        self.url = f"http://127.0.0.1:{self._port}"
        command = [sys.executable, "-P", "-W", "ignore", "-m", "oidc_provider_mock"]
        command += ["--port", str(self._port), "--require-nonce", "true"]
        self.program = Program[bytes](command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers)

    def set_person(self, name: str, **claims: object) -> None:
        """Set what the provider says about a person."""
        body = json.dumps({"preferred_username": name, **claims}).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.url}/users/{name}", body, headers, method="PUT")
        build_opener(ProxyHandler({})).open(request, timeout=30).close()

    def _answers(self) -> bool:
        try:
            build_opener(ProxyHandler({})).open(self.url, timeout=30).close()
        except OSError:
            return False
        return True


@pytest.fixture
def provider() -> Iterator[RealProvider]:
    """A provider in a process of its own."""
    made = RealProvider()
    with made.program:
        yield made


@pytest.fixture
def cloud(tmp_path: Path, provider: RealProvider) -> Iterator[CloudletServer]:
    """A cloud whose company ACME has the provider."""
    server = CloudletServer()
    server.start(tmp_path / "data")
    server.stop()
    text = SETTINGS.format(issuer=provider.url, address=server.url)
    (server.data / "providers.toml").write_text(text)
    secret = server.data / "provider.secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    server.come_back()
    yield server
    server.close()


def _sign_in(page: Page, name: str) -> None:
    page.get_by_role("link", name="Sign in with \u2068ACME login\u2069").click()
    page.get_by_placeholder("sub").fill(name)
    page.get_by_role("button", name="Authorize", exact=True).click()


def test_a_person_signs_in_and_out(
    browser: Browser, cloud: CloudletServer, provider: RealProvider, tmp_path: Path
) -> None:
    """The person comes to the page that was asked for; the role is the one of the last sign-in."""
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    provider.set_person("otto", groups=["it", "printing"])
    page.goto(f"{cloud.url}/accounts")
    page.screenshot(path=tmp_path / "sign-in.png")
    assert Axe().run(page).violations_count == 0
    _sign_in(page, "otto")
    expect(page.get_by_role("heading", level=1, name="Accounts")).to_be_visible()
    expect(page.get_by_text("Administrator").first).to_be_visible()
    expect(page.get_by_text("Prints as")).to_be_visible()
    page.screenshot(path=tmp_path / "accounts.png")
    assert "code=" not in page.url and "state=" not in page.url
    page.reload()
    expect(page.get_by_role("heading", level=1, name="Accounts")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()

    provider.set_person("otto", groups=["printing"])
    _sign_in(page, "otto")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("link", name="Accounts")).to_be_hidden()
    assert page.goto(f"{cloud.url}/accounts").status == 404  # type: ignore[union-attr]

    page.goto(cloud.url)
    page.get_by_role("button", name="Sign out").click()
    provider.set_person("eve", groups=[])
    _sign_in(page, "eve")
    expect(page.get_by_role("heading", name="You may not use this page.")).to_be_visible()
    page.screenshot(path=tmp_path / "refused.png")
    page.goto(cloud.url)
    page.get_by_role("link", name="Sign in with").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="did not confirm the sign-in")).to_be_visible()

    listed = cloud.cli("account", "list").split("\t")
    assert [listed[0], *listed[4:]] == ["otto", "user", "enabled", provider.url, "otto"]
    for secret in (SECRET, "code=", "eyJ"):
        assert secret not in cloud.log_text


def test_a_local_account_signs_in_as_before(page: Page, cloud: CloudletServer) -> None:
    """The form for name and password stays."""
    password = cloud.cli("account", "add", "anna", "--company", "ACME")
    page.goto(cloud.url)
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
