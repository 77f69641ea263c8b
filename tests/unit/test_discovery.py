"""Discovery: what one server does wrong is told, and costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable

from cirrus_bridge.api import CloudApi
from cirrus_bridge.config import Secret, Server, UploadSettings
from cirrus_bridge.discovery import SCHEME_LINE, discover
from scripted_server import Answer, Script, ScriptedServer

PARIS = '{"LocID":"Paris","Name":"Paris","Devices":{"L1":{"DevID":"L1"}}}'


def _server(name: str, company: str | None = "Acme", *locations: str) -> Server:
    return Server(name, Secret("sekret-k3y"), company, locations or ("Paris",))


def _api(server: Server) -> CloudApi:
    timeouts = UploadSettings(connect_timeout_s=2, read_timeout_s=2)
    return CloudApi(server, server.company or "", https=False, timeouts=timeouts)


def _discover(
    script: Script, server: Callable[[str], Server], api_for: Callable[[Server], CloudApi] = _api
) -> tuple[list[str], list[str]]:
    """Lines and messages with one good server and another; the good one's line is there."""
    told: list[str] = []
    with ScriptedServer(lambda _: Answer(PARIS)) as good, ScriptedServer(script) as other:
        servers = [server(other.name), _server(good.name)]
        lines = list(discover(servers, api_for, told.append))
        assert lines[0] == SCHEME_LINE
        assert [line for line in lines if f"cirrus://{good.name}/Acme/Paris:L1" in line]
    return lines, told


def test_a_refusal_is_told() -> None:
    """A location that the server does not know is a line of advice for servers.d."""
    lines, told = _discover(lambda _: Answer("Error: unknown location"), _server)
    assert len(lines) == 2
    (text,) = told
    assert "location Paris of 127.0.0.1" in text
    assert "servers.d" in text


def test_what_nobody_foresaw_costs_only_its_own_server() -> None:
    """An exception while one server is asked, or its client is made, is told without its text,
    which could hold anything."""

    def api_for(server: Server) -> CloudApi:
        if server.locations == ("Lyon",):
            raise RuntimeError("sekret-k3y")
        return _api(server)

    lines, told = _discover(
        lambda _: Answer(PARIS), lambda name: _server(name, "Acme", "Lyon"), api_for
    )
    (text,) = told
    assert len(lines) == 2
    assert "location Lyon" in text
    assert "RuntimeError" in text
    assert "sekret" not in text


def test_locations_without_a_company_are_told() -> None:
    """They can not be asked for, and nobody would know why there are no devices."""
    lines, told = _discover(lambda _: Answer(PARIS), lambda name: _server(name, None, "A", "B"))
    (text,) = told
    assert len(lines) == 2
    assert "company" in text
