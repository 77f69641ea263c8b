"""The pages of an administrator: accounts, API keys, locations and devices, changes."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

import pytest

from cloudlet_server import CloudletServer
from curl import Curl
from visitor import Visitor

PAGES = ("/accounts", "/keys", "/devices", "/devices/new", "/changes")


def signed_in(server: CloudletServer, name: str, *options: str) -> Visitor:
    """A visitor with an account of the company ACME."""
    password = server.cli("account", "add", name, "--company", "ACME", *options)
    visitor = Visitor(server.url)
    visitor.sign_in(name, password)
    return visitor


def admin_of(server: CloudletServer, name: str = "anna") -> Visitor:
    """A visitor who is an administrator of ACME."""
    return signed_in(server, name, "--role", "admin")


def form(**fields: str) -> list[str]:
    """The fields of a form, for curl."""
    return [
        word for name, text in fields.items() for word in ("--data-urlencode", f"{name}={text}")
    ]


def secret_of(page: str) -> str:
    """The secret that a page shows."""
    found = re.search(r'<output class="secret"[^>]*>([^<]+)</output>', page)
    assert found, page
    return html.unescape(found[1])


def test_add_change_and_disable_an_account(own: CloudletServer) -> None:
    """A new account's password is shown once; a disabled account loses its session at once."""
    anna = admin_of(own)
    name = "Ötto/<b>"
    page = anna.post("/accounts", *form(name=name, location="Office", role="user")).text
    otto = Visitor(own.url)
    assert otto.sign_in(name, secret_of(page)).status == 303
    assert otto.get("/").status == 200
    listed = anna.get("/accounts").text
    assert "Ötto/&lt;b&gt;" in listed and secret_of(page) not in listed
    path = f"/accounts/{quote(name, safe='')}"
    again = anna.post("/accounts", *form(name=name, location="", role="user"))
    assert again.status == 409 and "already exists" in again.text
    assert anna.post(f"{path}/admin").status == 409  # an account of one location
    fresh = secret_of(anna.post(f"{path}/password").text)
    assert otto.get("/").status == 303
    assert otto.sign_in(name, fresh).status == 303
    assert anna.post(f"{path}/disable").status == 303
    assert otto.get("/").status == 303
    assert otto.sign_in(name, fresh).status == 403
    assert "Disabled" in anna.get("/accounts").text
    anna.post(f"{path}/enable")
    assert otto.sign_in(name, fresh).status == 303
    anna.post(f"{path}/remove")
    assert otto.get("/").status == 303
    assert "Ötto" not in anna.get("/accounts").text


def test_the_last_administrator_stays(own: CloudletServer) -> None:
    """An administrator cannot lock everybody out; a second one can replace the first."""
    anna = admin_of(own)
    for verb in ("disable", "remove", "user"):
        refused = anna.post(f"/accounts/anna/{verb}")
        assert refused.status == 409 and "anna is the last administrator of ACME" in refused.text
    german = anna.post("/accounts/anna/remove", "-H", "Accept-Language: de").text
    assert "anna ist der letzte Administrator von ACME" in german
    anna.post("/accounts", *form(name="berta", location="", role="user"))
    assert anna.post("/accounts/berta/admin").status == 303
    assert anna.post("/accounts/anna/user").status == 303
    assert anna.get("/accounts").status == 404  # at once
    assert anna.get("/").status == 200


def test_api_keys(own: CloudletServer) -> None:
    """A key is shown once, prints, gets another role, and is revoked at once."""
    own.cli("key", "add", "--name", "of any company")
    anna = admin_of(own)
    key = secret_of(anna.post("/keys", *form(name="front desk", role="print")).text)
    curl = Curl(own.url, key)
    own.wait_for_job(curl.submit(), 2)
    put = ("/api/put/location/ACME/Office", "-d", "Notes=n")
    assert curl.run(*put).status == 403
    assert anna.post("/keys/front%20desk/admin").status == 303
    assert curl.run(*put).text == "OK"
    anna.post("/keys/front%20desk/print")
    assert curl.run(*put).status == 403
    listed = anna.get("/keys").text
    assert "front desk" in listed and key not in listed and "of any company" not in listed
    assert anna.post("/keys/of%20any%20company/revoke").status == 409
    assert anna.post("/keys/front%20desk/revoke").status == 303
    assert curl.run("/api/get/location/ACME/Office").status == 401
    assert key not in own.log_text


def test_a_clients_key(own: CloudletServer) -> None:
    """The page shows the key of a location's client, which keeps its role, and may be revoked."""
    own.cli("key", "add", "--role", "client", "--location", "Office", "--name", "desk")
    anna = admin_of(own)
    listed = anna.get("/keys").text
    assert "Client of" in listed
    assert "/keys/desk/revoke" in listed
    assert "/keys/desk/admin" not in listed and "/keys/desk/print" not in listed
    assert anna.post("/keys/desk/admin").status == 409
    assert anna.post("/keys/desk/client").status == 404
    assert anna.post("/keys/desk/revoke").status == 303


def test_locations_and_devices(own: CloudletServer) -> None:
    """Locations and devices are added, changed and disabled; what stays the same is not written."""
    anna = admin_of(own)
    added = anna.post("/devices/new", *form(id="Lyon/2", name="Lyon", phone="1", hold=""))
    assert added.status == 303
    place = "/devices/new-at/Lyon%2F2"
    assert anna.get(place).status == 200
    texts = {"id": "Laser", "type": "file", "formats": "pdf; ps", "props": "copies=2"}
    assert anna.post(place, *form(**texts, name="Front", target="", notes="")).status == 303
    line = own.cli("device", "list", "ACME/Lyon%2F2").split("\t")
    assert line[:6] == ["ACME", "Lyon/2", "Laser", "file", "online", "pdf;ps"]
    job_id = Curl(own.url, own.key).submit(targets="Lyon/2:Laser")
    own.wait_for_job(job_id, 2)
    device = "/devices/at/Lyon%2F2/Laser"
    shown = anna.get(device).text
    assert 'value="Front"' in shown and 'value="pdf;ps"' in shown and 'value="copies=2"' in shown
    before = own.cli("audit", "list")
    same = form(name="Front", type="file", target="{location}/{device}/{jobid}-{title}.{ext}",
                formats="pdf;ps", props="copies=2", notes="")  # fmt: skip
    assert anna.post(device, *same).status == 303
    assert own.cli("audit", "list") == before
    assert anna.post("/devices/disable/Lyon%2F2/Laser").status == 303
    assert "inactive" in own.cli("device", "list", "ACME/Lyon%2F2")
    Curl(own.url, own.key).put("/api/putfile", b"%PDF", targets="Lyon/2:Laser", title="t").refused(
        "inactive"
    )
    anna.post("/devices/enable/Lyon%2F2/Laser")
    anna.post("/devices/disable/Lyon%2F2")
    assert own.cli("location", "list").splitlines()[-1].split("\t")[3] == "inactive"
    changed = anna.post("/devices/at/Lyon%2F2", *form(name="Lyon 2", hold="1"))
    assert changed.status == 303
    assert 'value="Lyon 2"' in anna.get("/devices/at/Lyon%2F2").text
    assert "hold = true" in (own.data / "cloudlet.toml").read_text()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": "a:b", "type": "file"}, "not allowed"),
        ({"id": "Folder", "type": "file"}, "already"),
        ({"id": "x" * 300, "type": "file"}, "too long"),
        ({"id": "New", "type": "command", "target": "id"}, "on the server only"),
        ({"id": "New", "type": "printer", "target": "Q"}, "on the server only"),
        ({"id": "New", "type": "file", "target": "/etc/{title}"}, "on the server only"),
        ({"id": "New", "type": "file", "target": "../{title}"}, "not the path"),
        ({"id": "New", "type": "file", "props": "copies"}, "copies"),
        ({"id": "New", "type": "file", "formats": "doc"}, "doc"),
        ({"id": "New"}, "type"),
    ],
)
def test_refused_devices(own: CloudletServer, fields: dict[str, str], said: str) -> None:
    """What the API refuses is refused on the page, with the reason, and changes nothing."""
    anna = admin_of(own)
    before = (own.data / "cloudlet.toml").read_text()
    refused = anna.post("/devices/new-at/Office", *form(**fields))
    assert refused.status in (400, 409)
    assert said in html.unescape(refused.text)
    assert (own.data / "cloudlet.toml").read_text() == before


def test_changes(own: CloudletServer) -> None:
    """The page lists who changed what, a hundred at a time, without other companies' changes."""
    anna = admin_of(own)
    own.cli("device", "add", "-p", "Rival/Rome/Secret")
    for number in range(101):
        anna.post(f"/locations/Office/{'offline' if number % 2 else 'online'}")
    own.cli("key", "add", "--company", "ACME", "--name", "<i>key</i>")
    newest = anna.get("/changes").text
    assert newest.count('id="change-') == 100
    assert "API key created" in newest and "&lt;i&gt;key&lt;/i&gt;" in newest
    assert "command on the server" in newest and "online=false" in newest
    older = re.search(r'href="(/changes\?before=\d+)"', newest)
    assert older
    page = anna.get(older[1]).text
    assert "Account added" in page and "Secret" not in newest + page
    assert anna.get("/changes?before=x").status == 200


@pytest.mark.attacker("page account")
def test_other_accounts_do_not_administer(own: CloudletServer) -> None:
    """Use the pages of administrators without the role, or for another company: status 404, and
    nothing changes."""
    rival_key = own.cli("key", "add", "--name", "desk", "--company", "ACME")
    own.cli("company", "add", "Rival")
    password = own.cli("account", "add", "rudi", "--company", "Rival", "--role", "admin")
    rudi = Visitor(own.url)
    rudi.sign_in("rudi", password)
    berta = signed_in(own, "berta")
    otto = signed_in(own, "otto", "--location", "Office")
    before = (own.data / "cloudlet.toml").read_text(), own.cli("audit", "list")
    forms = {
        "/accounts": form(name="eve", location="", role="admin"),
        "/accounts/berta/admin": [],
        "/accounts/berta/password": [],
        "/accounts/berta/disable": [],
        "/accounts/berta/remove": [],
        "/keys": form(name="eve", role="admin"),
        "/keys/desk/admin": [],
        "/keys/desk/revoke": [],
        "/devices/new": form(id="Eve"),
        "/devices/new-at/Office": form(id="Eve", type="file"),
        "/devices/at/Office/Folder": form(name="Eve"),
        "/devices/disable/Office": [],
        "/devices/disable/Office/Folder": [],
    }
    for visitor in (berta, otto):
        assert [visitor.get(path).status for path in PAGES] == [404] * len(PAGES)
        assert 'href="/accounts"' not in visitor.get("/").text
        answers = [visitor.post(path, *fields).status for path, fields in forms.items()]
        assert answers == [404] * len(forms)
    for path in ("/accounts/berta/", "/keys/desk/", "/devices/at/Office/Folder"):
        for verb in ("disable", "password", "admin", "revoke") if path.endswith("/") else ("",):
            assert rudi.post(path + verb).status in (404, 409)
    assert "berta" not in rudi.get("/accounts").text and "desk" not in rudi.get("/keys").text
    assert ((own.data / "cloudlet.toml").read_text(), own.cli("audit", "list")) == before
    assert Curl(own.url, rival_key).get("/api/get/location/ACME/Office").text


@pytest.mark.attacker("page account")
def test_forms_need_the_token_of_the_session(own: CloudletServer) -> None:
    """Lure an administrator to a page with such a form: refused, and nothing changes."""
    anna = admin_of(own)
    before = own.cli("audit", "list")
    for path in ("/accounts", "/accounts/anna/password", "/keys", "/devices/disable/Office"):
        assert anna.post(path, token="").status == 403
        assert anna.post(path, "-H", "Sec-Fetch-Site: cross-site").status == 403
    assert own.cli("audit", "list") == before
