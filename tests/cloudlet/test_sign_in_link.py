"""Links that sign in once."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from cloudlet_server import CloudletServer
from curl import Answer, Curl
from visitor import Visitor


def _link(server: CloudletServer, account: str) -> str:
    server.cli("account", "add", account, "--company", "ACME")
    address, _, secret = server.cli("account", "link", account).partition("/sign-in#link=")
    assert address == "http://127.0.0.1:27082"
    return secret


def _use(server: CloudletServer, secret: str, *options: str) -> Answer:
    return Curl(server.url, "").run("/sign-in", "--data-urlencode", f"link={secret}", *options)


def test_a_link_signs_in_once(shared: CloudletServer) -> None:
    """The first use begins a session; the second one is refused."""
    secret = _link(shared, "linked")
    visitor = Visitor(shared.url)
    visitor.cookie = _use(shared, secret).headers["set-cookie"].partition(";")[0]
    assert "linked" in visitor.get("/").text
    again = _use(shared, secret)
    assert again.status == 403
    assert "This link has been used, or is too old." in again.text
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize("change", ["an hour later", "password", "remove"])
@pytest.mark.attacker("page account")
def test_a_link_ends(shared: CloudletServer, change: str) -> None:
    """Use an old link, or one from before a change of its account: no session begins."""
    secret = _link(shared, f"link {change}")
    if change == "an hour later":
        with closing(sqlite3.connect(shared.data / "cloudlet.db")) as db, db:
            db.execute("UPDATE sign_in_link SET created = created - 3601")
    else:
        shared.cli("account", change, f"link {change}")
    assert _use(shared, secret).status == 403


@pytest.mark.attacker("network")
def test_another_site_signs_nobody_in(shared: CloudletServer) -> None:
    """Send a visitor's browser a link of one's own account from another site: no session begins."""
    secret = _link(shared, "linked from elsewhere")
    assert _use(shared, secret, "-H", "Origin: http://evil.example").status == 403
    assert _use(shared, secret).status == 303


def test_a_link_is_kept_as_a_digest(shared: CloudletServer) -> None:
    """The database does not have the secret."""
    secret = _link(shared, "digest")
    with closing(sqlite3.connect(shared.data / "cloudlet.db")) as db:
        (rows,) = db.execute("SELECT count(*), group_concat(digest) FROM sign_in_link")
    assert rows[0] > 0
    assert secret not in rows[1]


def test_no_link_for_an_unknown_account(shared: CloudletServer) -> None:
    """The command says which account is missing."""
    done = shared.cli_result("account", "link", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no account named 'nobody'" in done.stderr
