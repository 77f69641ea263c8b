"""Signing in with an identity provider that may lie; `e2e` has a real one and a real browser."""

from __future__ import annotations

import contextlib
import re
import select
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import OctKey, RSAKey

from cirrus_cloudlet.storage.credentials import digest
from cloudlet_server import CloudletServer
from curl import Answer, Curl
from false_provider import CLIENT, SECRET, FalseProvider

SETTINGS = """\
[[provider]]
company = "ACME"
name = "ACME login"
issuer = "{issuer}"
client_id = "{client}"
client_secret_file = "provider.secret"
address = "{address}"
role_claim = "groups"
roles = {{ users = "user", chiefs = "admin" }}
"""
UNCONFIRMED, EXPIRED, NO_ACCESS = "did not confirm", "has expired", "may not use this page"


@pytest.fixture
def provider() -> Iterator[FalseProvider]:
    """A provider that tells the truth until a test changes that."""
    with FalseProvider() as provider:
        yield provider


@pytest.fixture
def cloud(own: CloudletServer, provider: FalseProvider) -> CloudletServer:
    """A cloud whose company ACME has the provider."""
    set_up(own, provider)
    own.restart()
    return own


def set_up(cloud: CloudletServer, provider: FalseProvider, mode: int = 0o600) -> None:
    """Write the settings of a provider."""
    text = SETTINGS.format(issuer=provider.url, client=CLIENT, address=cloud.url)
    (cloud.data / "providers.toml").write_text(text)
    (cloud.data / "provider.secret").write_text(f"{SECRET}\n")
    (cloud.data / "provider.secret").chmod(mode)


class Browser:
    """A browser, played by curl, that signs in with the provider."""

    def __init__(self, cloud: CloudletServer, provider: FalseProvider) -> None:
        self._curl = Curl(cloud.url, "")
        self._provider = provider
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> Answer:
        """Request a page, and keep the cookies."""
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self._curl.run(path, "-H", f"Cookie: {sent}")
        for cookie in re.findall(r"[^\s=]+=[^;]*", answer.headers.get("set-cookie", ""))[:1]:
            name, _, value = cookie.partition("=")
            self.cookies[name] = value
        return answer

    def begin(self, path: str = "/sign-in/with/ACME") -> dict[str, str]:
        """Go to the provider and sign in there; return what leads back."""
        answer = self.get(path)
        assert answer.status == 303, answer
        return self._provider.agree(answer.headers["location"])

    def end(self, sent: dict[str, str]) -> Answer:
        """Come back from the provider."""
        return self.get(f"/sign-in/done/ACME?{urlencode(sent)}")

    def sign_in(self) -> Answer:
        """Begin and end."""
        return self.end(self.begin())


def accounts(cloud: CloudletServer) -> list[list[str]]:
    """Name, role, state, provider and user name of each account."""
    lines = [line.split("\t") for line in cloud.cli("account", "list").splitlines()]
    return [[line[0], *line[4:]] for line in lines]


def test_a_person_signs_in(cloud: CloudletServer, provider: FalseProvider) -> None:
    """The first sign-in makes an account; later ones find it by the person's id."""
    assert "Sign in with \u2068ACME login\u2069" in Curl(cloud.url, "").run("/sign-in").text
    browser = Browser(cloud, provider)
    done = browser.end(browser.begin("/sign-in/with/ACME?next=/release") | {"session_state": "x"})
    assert done.status == 200 and 'content="0; url=/release"' in done.text
    home = browser.get("/")
    assert home.status == 200 and "otto" in home.text
    assert accounts(cloud) == [["otto", "user", "enabled", provider.url, "otto"]]
    provider.claims = {"preferred_username": "otto2", "groups": ["chiefs"]}
    again = Browser(cloud, provider)
    again.sign_in()
    assert again.get("/accounts").status == 200
    assert accounts(cloud) == [["otto", "admin", "enabled", provider.url, "otto2"]]
    assert re.findall(r"\tprovider\tACME\t([^\t]+)\totto\t(\S*)", cloud.cli("audit", "list")) == [
        ("account change", "user=otto2"),
        ("account role", "role=admin"),
        ("account add", f"provider={provider.url};"),
    ]
    refused = cloud.cli_result("account", "password", "otto")
    assert "signs in with" in refused.stderr


def test_local_accounts_stay_apart(cloud: CloudletServer, provider: FalseProvider) -> None:
    """A person does not get the local account of the same name, and has no password."""
    password = cloud.cli("account", "add", "otto", "--company", "ACME", "--role", "admin")
    browser = Browser(cloud, provider)
    browser.sign_in()
    assert browser.get("/accounts").status == 404
    assert [each[:2] for each in accounts(cloud)] == [["otto", "admin"], ["otto (2)", "user"]]
    form = ("--data-urlencode", "name=otto (2)", "--data-urlencode")
    for wrong in ("", password):
        assert Curl(cloud.url, "").run("/sign-in", *form, f"password={wrong}").status == 403


def test_roles_at_the_next_sign_in(cloud: CloudletServer, provider: FalseProvider) -> None:
    """A lower role counts at the next sign-in; without a role, there is none, and sessions end."""
    provider.claims = {"groups": ["chiefs", "users"]}
    first, second = Browser(cloud, provider), Browser(cloud, provider)
    first.sign_in()
    assert first.get("/accounts").status == 200
    provider.claims = {"groups": ["users"]}
    second.sign_in()
    assert (first.get("/accounts").status, second.get("/accounts").status) == (404, 404)
    assert first.get("/").status == 200
    provider.claims = {"groups": ["others"]}
    refused = Browser(cloud, provider).sign_in()
    assert refused.status == 403 and NO_ACCESS in refused.text
    assert "no role for the person's groups" in cloud.log_text
    assert (first.get("/").status, second.get("/").status) == (303, 303)
    provider.claims = {"groups": "chiefs", "sub": "another", "preferred_username": "chief"}
    assert Browser(cloud, provider).sign_in().status == 200
    cloud.cli("account", "disable", "chief")
    assert Browser(cloud, provider).sign_in().status == 403
    assert "the account is disabled" in cloud.log_text


def test_claims_of_the_user_info(cloud: CloudletServer, provider: FalseProvider) -> None:
    """Claims that the ID token lacks come from the user info, if it is about the same person."""
    provider.claims = {"preferred_username": None, "groups": None}
    provider.user_info = {"sub": "person-1", "preferred_username": "berta", "groups": ["users"]}
    assert Browser(cloud, provider).sign_in().status == 200
    assert accounts(cloud)[0][0] == "berta"
    provider.user_info["sub"] = "somebody else"
    refused = Browser(cloud, provider).sign_in()
    assert refused.status == 403 and UNCONFIRMED in refused.text


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"aud": "another program"},
        {"aud": [CLIENT, "another program"]},
        {"azp": "another program"},
        {"iss": "https://login.example.com"},
        {"exp": 1},
        {"exp": None},
        {"iat": 1 << 40},
        {"sub": None},
        {"sub": ""},
    ],
    ids=str,
)
@pytest.mark.attacker("network")
def test_wrong_claims(
    cloud: CloudletServer, provider: FalseProvider, claims: dict[str, Any]
) -> None:
    """Use an ID token for another sign-in, program or provider, or an old one: no session, and the
    log has no token."""
    provider.claims = claims
    browser = Browser(cloud, provider)
    refused = browser.sign_in()
    assert refused.status == 403 and UNCONFIRMED in refused.text
    assert browser.get("/").status == 303
    assert accounts(cloud) == []
    assert "the ID token" in cloud.log_text and "code-0" not in cloud.log_text


@pytest.mark.attacker("network")
def test_wrong_signatures(cloud: CloudletServer, provider: FalseProvider) -> None:
    """Sign an ID token with another key, or with the client's secret: no session."""
    right = provider.key
    provider.key = RSAKey.generate_key(2048, {"kid": "1"})
    assert Browser(cloud, provider).sign_in().status == 403
    provider.key = RSAKey.generate_key(2048, {"kid": "2"})
    assert Browser(cloud, provider).sign_in().status == 403
    provider.keys.append(dict(provider.key.as_dict(private=False)))  # a new key is looked for
    assert Browser(cloud, provider).sign_in().status == 200
    provider.key, provider.algorithm = OctKey.import_key(SECRET, {"kid": "1"}), "HS256"
    assert Browser(cloud, provider).sign_in().status == 403
    provider.key, provider.algorithm = right, "RS256"
    assert Browser(cloud, provider).sign_in().status == 200


@pytest.mark.attacker("network")
def test_a_sign_in_works_once_and_in_one_browser(
    cloud: CloudletServer, provider: FalseProvider
) -> None:
    """Replay a state, make one up, or lead another browser to the end of a sign-in: no session."""
    browser = Browser(cloud, provider)
    sent = browser.begin()
    for stranger in (Browser(cloud, provider), Browser(cloud, provider)):
        stranger.begin()
        refused = stranger.end(sent)  # the attacker's own sign-in, and its state is used up
        assert refused.status == 403 and EXPIRED in refused.text
        assert stranger.get("/").status == 303
    refused = browser.end(sent)
    assert refused.status == 403 and EXPIRED in refused.text
    sent = browser.begin()
    assert browser.end(sent | {"state": sent["state"][:-1]}).status == 403
    assert browser.end(sent).status == 200
    assert browser.end(sent).status == 403
    assert browser.end(sent | {"state": ""}).status == 403
    assert accounts(cloud)[0][0] == "otto"


@pytest.mark.attacker("network")
def test_answers_of_another_provider(cloud: CloudletServer, provider: FalseProvider) -> None:
    """Answer in the name of another provider, or redirect the exchange of the code: no session."""
    browser = Browser(cloud, provider)
    refused = browser.end(browser.begin() | {"iss": "https://login.example.com"})
    assert refused.status == 403 and UNCONFIRMED in refused.text
    assert browser.end(browser.begin() | {"iss": provider.url}).status == 200
    sent = browser.begin()
    del sent["code"]
    assert UNCONFIRMED in browser.end(sent | {"error": "access_denied"}).text
    for metadata in (
        {"issuer": "https://login.example.com"},
        {"authorization_endpoint": "http://login.example.com/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ):
        provider.metadata = metadata
        cloud.restart()  # forget what the provider has said
        refused = Browser(cloud, provider).get("/sign-in/with/ACME")
        assert refused.status == 403 and UNCONFIRMED in refused.text


@pytest.mark.attacker("network")
def test_the_session_is_new(cloud: CloudletServer, provider: FalseProvider) -> None:
    """Give a person a prepared session cookie or an address elsewhere for the time after the
    sign-in: the session is a new one, and the person stays on this server."""
    browser = Browser(cloud, provider)
    name = f"cirrus-{cloud.port}"
    browser.cookies[name] = "prepared"
    for address in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"):
        done = browser.end(browser.begin(f"/sign-in/with/ACME?{urlencode({'next': address})}"))
        assert done.status == 200 and 'content="0; url=/"' in done.text
        assert "evil" not in done.text
    assert browser.cookies[name] != "prepared"
    assert browser.get("/").status == 200
    database = (cloud.data / "cloudlet.db").read_bytes() + (
        cloud.data / "cloudlet.db-wal"
    ).read_bytes()
    assert digest(browser.cookies[name]).encode() in database
    assert browser.cookies[name].encode() not in database and SECRET.encode() not in database
    assert SECRET not in cloud.log_text and "Secure" not in done.headers["set-cookie"]
    assert "SameSite=strict" in done.headers["set-cookie"]


def test_a_provider_that_is_away(cloud: CloudletServer, provider: FalseProvider) -> None:
    """People read that the provider does not respond; local accounts work as before."""
    browser = Browser(cloud, provider)
    sent = browser.begin()
    provider.__exit__()
    refused = browser.end(sent)
    assert refused.status == 503 and "does not respond" in refused.text
    password = cloud.cli("account", "add", "anna", "--company", "ACME")
    form = ("--data-urlencode", "name=anna", "--data-urlencode", f"password={password}")
    assert Curl(cloud.url, "").run("/sign-in", *form).status == 303
    provider.__init__()  # type: ignore[misc] # for the fixture's end
    provider.__enter__()


@pytest.mark.attacker("network")
def test_a_silent_provider_delays_no_other(own: CloudletServer, provider: FalseProvider) -> None:
    """Begin many sign-ins with a provider that does not answer: other companies' people sign in
    at once."""
    set_up(own, provider)
    settings = own.data / "providers.toml"
    own.cli("company", "add", "Rival")
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        known = settings.read_text()
        rival = known.replace('"ACME"', '"Rival"').replace(provider.url, issuer)
        settings.write_text(known + rival)
        own.restart()
        waiting = []
        for _ in range(12):
            waiting.append(stack.enter_context(socket.create_connection(("127.0.0.1", own.port))))
            waiting[-1].sendall(b"GET /sign-in/with/Rival HTTP/1.0\r\n\r\n")
        for _ in range(4):
            stack.enter_context(silent.accept()[0])
        assert Browser(own, provider).sign_in().status == 200
        assert not select.select(waiting, [], [], 0)[0]  # they wait still


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('company = "ACME"\n', "", "'company' is missing"),
        ("client_id", "client", "unknown field 'client'"),
        ("http://", "http://example.com/?", "https:// URL"),
        ('"user"', '"boss"', "roles"),
        ("role_claim", "user_claim", "both role_claim and roles"),
        ("provider.secret", "none.secret", "none.secret"),
        ("[[provider]]", "[provider]", "[[provider]]"),
    ],
)
def test_wrong_settings(
    own: CloudletServer, provider: FalseProvider, old: str, new: str, said: str
) -> None:
    """A mistake in the settings stops the start, with the file's name and without the secret."""
    set_up(own, provider)
    path = own.data / "providers.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    own.stop()
    done = own.cli_result("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "providers.toml" in done.stderr and said in done.stderr and SECRET not in done.stderr


def test_a_secret_that_others_can_read(own: CloudletServer, provider: FalseProvider) -> None:
    """The error says how to make the file private."""
    set_up(own, provider, 0o640)
    own.stop()
    done = own.cli_result("serve", "--listen", "127.0.0.1:0")
    assert f"chmod 600 {own.data / 'provider.secret'}" in done.stderr
