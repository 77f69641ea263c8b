"""The list of changes: who changed what, when, and from where."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from cirrus_cloudlet.changes import change_inventory
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.access import AccountRole, Accounts
from cirrus_cloudlet.storage.audit import Actor, Audit, Origin
from cirrus_cloudlet.storage.keys import Keys, Role
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.schema import SCHEMAS
from cloudlet_server import CloudletServer
from curl import Curl
from visitor import Visitor

ROOT = Actor("root", Origin.CLI)
PAGE = Actor("anna", Origin.PAGE, "ACME")


def _changes(server: CloudletServer, *company: str) -> list[list[str]]:
    """Who, from where, which change, what and details, oldest first."""
    listed = json.loads(server.cli("audit", "list", *company, "--json"))
    return [
        [each["actor"], each["origin"], each["action"], each["subject"], each["details"]]
        for each in listed[::-1]
    ]


def test_each_way_to_change_something(own: CloudletServer) -> None:
    """Changes by commands, by the API and on the page are listed, with no secret in the list."""
    own.cli("device", "add", "-p", "Rival/Rome/Laser", "--props", "JobPIN=pin-of-rome")
    key = own.cli("key", "add", "--company", "ACME", "--name", "desk", "--role", "admin")
    password = own.cli("account", "add", "anna", "--company", "ACME")
    before = len(_changes(own))
    curl = Curl(own.url, key)
    curl.run("/api/put/device/ACME/Office/New", "-d", "Type=1", "-d", "Name=Front desk")
    curl.run("/api/put/device/ACME/Office/New", "-d", "Type=1", "-d", "Name=Front desk")
    curl.run("/api/put/location/ACME/Office", "-d", "Notes=n")
    visitor = Visitor(own.url)
    visitor.sign_in("anna", password)
    visitor.post("/locations/Office/offline")
    job_id = curl.submit()
    visitor.post(f"/jobs/{job_id}/delete")
    own.cli("key", "role", "desk", "print")
    own.cli("key", "revoke", "desk")
    changes = _changes(own)
    assert [each[1:] for each in changes[before:]] == [
        ["key", "device add", "ACME/Office/New", {"name": "Front desk", "type": "file"}],
        ["key", "location change", "ACME/Office", {"notes": "n"}],
        ["page", "location change", "ACME/Office", {"online": "false"}],
        ["page", "job delete", job_id, {}],
        ["cli", "key role", "desk", {"role": "print"}],
        ["cli", "key revoke", "desk", {}],
    ]
    assert [each[0] for each in changes[before : before + 4]] == ["desk", "desk", "anna", "anna"]
    assert [each[1:] for each in changes[1:before]] == [
        ["cli", "company add", "Rival", {}],
        ["cli", "location add", "Rival/Rome", {}],
        ["cli", "device add", "Rival/Rome/Laser", {"type": "file", "props": "JobPIN"}],
        ["cli", "key add", "desk", {"role": "admin"}],
        ["cli", "account add", "anna", {"role": "user"}],
    ]
    assert [each[2] for each in _changes(own, "Rival")] == [
        "company add", "location add", "device add"
    ]  # fmt: skip
    with sqlite3.connect(own.data / "cloudlet.db") as db:
        dump = "\n".join(db.iterdump())
    db.close()
    assert not [secret for secret in (key, password, "pin-of-rome") if secret in dump]
    assert own.cli("audit", "list").splitlines()[0].split("\t")[3:6] == [
        "ACME", "key revoke", "desk"
    ]  # fmt: skip


def test_a_refused_change_is_not_listed(tmp_path: Path) -> None:
    """What did not happen is not in the list."""
    with open_store(tmp_path) as store:
        keys, accounts, audit = Keys(store), Accounts(store), Audit(store)
        keys.add("ACME", "desk", Role.PRINT, ROOT)
        accounts.add("anna", "ACME", None, "a long password", ROOT)
        before = audit.newest()
        rival = Actor("rudi", Origin.PAGE, "Rival")
        for refused in (
            lambda: keys.add("ACME", "desk", Role.PRINT, ROOT),
            lambda: keys.revoke("desk", rival),
            lambda: keys.set_role("desk", Role.ADMIN, rival),
            lambda: accounts.add("anna", "ACME", None, "a long password", ROOT),
            lambda: accounts.add("a\nb", "ACME", None, "a long password", ROOT),
            lambda: accounts.add("otto", "ACME", "L", "a long password", ROOT, AccountRole.ADMIN),
            lambda: accounts.set_password("anna", "a longer password", rival),
            lambda: accounts.set_role("anna", AccountRole.ADMIN, rival),
            lambda: accounts.disable("anna", rival),
            lambda: accounts.enable("anna", rival),
            lambda: accounts.remove("anna", rival),
        ):
            with pytest.raises(SettingsError):
                refused()
        file = InventoryFile(tmp_path, remote=True)
        device = {"type": "command", "target": "id"}
        with pytest.raises(SettingsError):
            change_inventory(
                file, store, {("A",): {}, ("A", "L"): {}, ("A", "L", "D"): device}, PAGE
            )
        assert audit.newest() == before


def test_a_change_that_cannot_be_listed_does_not_happen(tmp_path: Path) -> None:
    """The entry is in the transaction of its change, and before the change of a file."""
    with open_store(tmp_path) as store:
        accounts, file = Accounts(store), InventoryFile(tmp_path)
        accounts.add("anna", "ACME", None, "a long password", ROOT)
        store.execute("DROP TABLE audit")
        for change in (
            lambda: accounts.disable("anna", ROOT),
            lambda: Keys(store).add("ACME", "desk", Role.PRINT, ROOT),
            lambda: change_inventory(file, store, {("ACME",): {}}, ROOT),
        ):
            with pytest.raises(sqlite3.OperationalError):
                change()
        assert not accounts.all()[0].is_disabled
        assert Keys(store).all() == []
        assert not (tmp_path / "cloudlet.toml").exists()


def test_the_last_administrator(tmp_path: Path) -> None:
    """The page cannot take a company's last administrator away; a command can."""
    with open_store(tmp_path) as store:
        accounts = Accounts(store)
        accounts.add("anna", "ACME", None, "a long password", ROOT, AccountRole.ADMIN)
        accounts.add("berta", "ACME", None, "a long password", ROOT)
        accounts.add("rudi", "Rival", None, "a long password", ROOT, AccountRole.ADMIN)

        def expect_refusals() -> None:
            with pytest.raises(SettingsError, match="last administrator"):
                accounts.disable("anna", PAGE)
            with pytest.raises(SettingsError, match="last administrator"):
                accounts.remove("anna", PAGE)
            with pytest.raises(SettingsError, match="last administrator"):
                accounts.set_role("anna", AccountRole.USER, PAGE)

        expect_refusals()
        accounts.set_role("berta", AccountRole.ADMIN, PAGE)
        accounts.disable("berta", PAGE)
        expect_refusals()
        accounts.enable("berta", PAGE)
        accounts.disable("anna", PAGE)
        accounts.remove("anna", PAGE)
        accounts.remove("berta", ROOT)
        assert [each.name for each in accounts.all("ACME")] == []


def test_old_changes_are_removed(tmp_path: Path) -> None:
    """The list keeps its newest entries, and those that are not older than a limit."""
    with open_store(tmp_path) as store:
        audit, keys = Audit(store), Keys(store)
        for number in range(6):
            keys.add("ACME", f"key {number}", Role.PRINT, ROOT)
        keys.add("Rival", "other", Role.PRINT, ROOT)
        store.execute("UPDATE audit SET time = time - 1000 WHERE number <= 2")
        audit.prune(500, ["ACME", "Rival"])
        assert [each.subject for each in audit.newest("ACME")] == [
            "key 5", "key 4", "key 3", "key 2"
        ]  # fmt: skip
        audit.prune(500, ["ACME", "Rival"], most=2)
        assert [each.subject for each in audit.newest("ACME")] == ["key 5", "key 4"]
        assert len(audit.newest("Rival")) == 1
        newest = audit.newest("ACME", count=1)[0]
        assert [each.subject for each in audit.newest("ACME", newest.number)] == ["key 4"]


def test_accounts_of_an_earlier_version(tmp_path: Path) -> None:
    """Accounts from before there were roles get no more rights by an upgrade."""
    version = next(i for i, step in enumerate(SCHEMAS) if "CREATE TABLE audit" in step)
    with sqlite3.connect(tmp_path / "cloudlet.db") as db:
        db.executescript("".join(SCHEMAS[:version]))
        db.execute("INSERT INTO account VALUES ('anna', 'ACME', NULL, 'x', 0)")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    with open_store(tmp_path) as store:
        (anna,) = Accounts(store).all()
    assert (anna.role, anna.is_administrator, anna.is_disabled) == (AccountRole.USER, False, False)


def test_disabled_accounts(own: CloudletServer) -> None:
    """A disabled account loses its sessions at once, and cannot sign in."""
    password = own.cli("account", "add", "anna", "--company", "ACME")
    visitor = Visitor(own.url)
    visitor.sign_in("anna", password)
    assert visitor.get("/").status == 200
    assert "disabled" in own.cli("account", "disable", "anna")
    assert visitor.get("/").headers["location"] == "/sign-in"
    assert Visitor(own.url).sign_in("anna", password).status == 403
    assert own.cli("account", "list").split("\t")[4:7] == ["user", "disabled", "password"]
    own.cli("account", "enable", "anna")
    assert visitor.get("/").headers["location"] == "/sign-in"
    assert Visitor(own.url).sign_in("anna", password).status == 303
    own.cli("account", "role", "anna", "admin")
    assert own.cli("account", "list").split("\t")[4:6] == ["admin", "enabled"]
