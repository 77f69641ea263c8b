"""Discovery: the fault of one server is reported and does not affect the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.api.client import LOCATION_BYTES, CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.model import Place
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.discovery import (
    LAST_S,
    LIMIT_S,
    MOST_DEVICES,
    SCHEME_LINE,
    discover,
    nothing_to_ask,
)
from scripted_server import Answer, RawBytes, Request, Script, ScriptedServer, Stall

# for tests that are not about the time: a busy machine takes longer than a person waits
ENOUGH_S = 60.0
STALLED_S = 5.0  # the same where a server never answers
PARIS = '{"LocID":"Paris","Name":"Paris","Devices":{"L1":{"DevID":"L1"}}}'


def _server(name: str, company: str | None = "Acme", *locations: str) -> Server:
    return Server(name, Secret("sekret-k3y"), company, locations or ("Paris",))


def _api(server: Server) -> CloudApi:
    timeouts = UploadSettings(connect_timeout_s=2, read_timeout_s=2)
    return CloudApi(server, server.company or "", https=False, timeouts=timeouts)


def _discover(
    folder: Path,
    script: Script,
    server: Callable[[str], Server],
    api_for: Callable[[Server], CloudApi] = _api,
    limit_s: float = ENOUGH_S,
) -> tuple[list[str], list[str]]:
    """Lines and messages for a good and another server; the good server's line is present."""
    told: list[str] = []
    cache = DeviceCache(folder)
    with ScriptedServer(lambda _: Answer(PARIS)) as good, ScriptedServer(script) as other:
        servers = [server(other.name), _server(good.name)]
        lines = list(discover(servers, api_for, cache, Clock(), told.append, limit_s=limit_s))
        assert lines[0] == SCHEME_LINE
        assert [line for line in lines if f"cirrus://{good.name}/Acme/Paris:L1" in line]
    return lines, told


def test_a_refusal_is_told(tmp_path: Path) -> None:
    """For an unknown location, the advice is to correct servers.d."""
    lines, told = _discover(tmp_path, lambda _: Answer("Error: unknown location"), _server)
    assert len(lines) == 2
    (text,) = told
    assert "location Paris of 127.0.0.1" in text
    assert "servers.d" in text


def test_a_configuration_without_anything_to_ask_is_told(tmp_path: Path) -> None:
    """After the installation, the messages say what is missing."""
    (text,) = nothing_to_ask(tmp_path, [])
    assert f"no [[server]] entry in {tmp_path}/servers.d/*.toml" in text
    without = Server("h.test", Secret("sekret-k3y"), "Acme", ())
    (text,) = nothing_to_ask(tmp_path, [_server("good.test"), without])
    assert "h.test in servers.d has no locations" in text


def test_unexpected_error_affects_only_its_own_server(tmp_path: Path) -> None:
    """An unexpected exception for one server is reported without its text, which may contain
    anything."""

    def api_for(server: Server) -> CloudApi:
        if server.locations == ("Lyon",):
            raise RuntimeError("sekret-k3y")
        return _api(server)

    lines, told = _discover(
        tmp_path, lambda _: Answer(PARIS), lambda name: _server(name, "Acme", "Lyon"), api_for
    )
    (text,) = told
    assert len(lines) == 2
    assert "location Lyon" in text
    assert "RuntimeError" in text
    assert "sekret" not in text


def test_locations_without_a_company_are_told(tmp_path: Path) -> None:
    """Locations without a company are reported."""
    lines, told = _discover(
        tmp_path, lambda _: Answer(PARIS), lambda name: _server(name, None, "A", "B")
    )
    (text,) = told
    assert len(lines) == 2
    assert "company" in text


@pytest.mark.parametrize(
    "fault",
    [
        *(Stall(), RawBytes(b""), Answer("<h1>502</h1>", 502)),
        *(Answer("<html>Log in"), Answer("[]"), Answer("x" * (LOCATION_BYTES + 1))),
    ],
    ids=["stalls", "closes", "502", "login page", "no location", "longer than is read"],
)
def test_server_that_is_away_is_listed_as_it_was(tmp_path: Path, fault: Stall | RawBytes) -> None:
    """A server that is slow, away or replaced does not delay the list (apple/cups#3307, #2026,
    OpenPrinting/cups#641, apple/cups#3596). Its devices come from the cache, with a message."""
    with ScriptedServer(lambda _: Answer(PARIS)) as server:
        _list(tmp_path, server.name)
        name = server.name
    with ScriptedServer(lambda _: fault) as server:
        kept = DeviceCache(tmp_path).last(Place(name, "Acme", "Paris"))
        assert kept is not None
        DeviceCache(tmp_path).keep(Place(server.name, "Acme", "Paris"), kept)
        limit_s = LIMIT_S if isinstance(fault, Stall) else ENOUGH_S
        lines, told = _list(tmp_path, server.name, limit_s)
    assert any(f"cirrus://{server.name}/Acme/Paris:L1" in line for line in lines)
    assert "as they were last seen" in told[0]
    assert "release the job" not in told[0]


def test_location_with_as_many_devices_as_are_listed(tmp_path: Path) -> None:
    """All devices are listed, also from the cache, whose JSON is longer than the server's."""
    devices = {f"D{n}": {"Name": "ü" * 300} for n in range(MOST_DEVICES)}
    answer = json.dumps({"Devices": devices}, ensure_ascii=False)
    assert LOCATION_BYTES * 0.7 < len(answer.encode()) < LOCATION_BYTES
    place = Place("h", "Acme", "Paris")
    with ScriptedServer(lambda _: Answer(answer)) as server:
        found = _api(_server(server.name)).location("Paris")
    cache = DeviceCache(tmp_path)
    cache.keep(place, found)
    kept = cache.last(place)
    assert kept is not None
    assert kept["Devices"] == devices


class _ReadList(list[str]):
    """A list that counts how often it is read."""

    times = 0

    def __iter__(self) -> Iterator[str]:
        self.times += 1
        return super().__iter__()


def test_the_list_of_printers_is_read_once(tmp_path: Path) -> None:
    """The work for a location grows with its devices, not with devices times printers."""
    times = []
    for count in (10, 1000):
        names = [f"P{n}" for n in range(count)]
        printers, devices = _ReadList(names), {name: {"Target": name} for name in names}
        cache, place = DeviceCache(tmp_path), Place("h", "Acme", "Paris")
        cache.keep(place, {"Printers": printers, "Devices": devices})
        kept = cache.last(place)
        assert kept is not None
        assert kept["Devices"] == devices
        times.append(printers.times)
    assert times[0] == times[1]


def test_location_with_more_devices_than_there_is_time_for(tmp_path: Path) -> None:
    """An answer may have 400,000 devices. At most MOST_DEVICES are cached and listed, while there
    is time, with a message."""
    devices: dict[str, dict[str, str]] = {f"D{n}": {} for n in range(MOST_DEVICES + 1)}
    answer = json.dumps({"Devices": devices})
    with ScriptedServer(lambda _: Answer(answer)) as server:
        cache = DeviceCache(tmp_path)
        told: list[str] = []
        lines = list(discover([_server(server.name)], _api, cache, _SlowClock(), told.append))
        kept = cache.last(Place(server.name, "Acme", "Paris"))
    assert kept is not None
    assert len(kept["Devices"]) == MOST_DEVICES
    assert f"has {MOST_DEVICES + 1} devices" in told[0]
    assert "no time left" in told[1]
    assert 1 < len(lines) < MOST_DEVICES


@pytest.mark.parametrize(("left_s", "read"), [(30.0, ["Lyon", "Paris", "Rome"]), (0.2, ["Paris"])])
def test_large_answer_costs_a_small_one_nothing(
    tmp_path: Path, left_s: float, read: list[str]
) -> None:
    """The small answer is listed first. An answer that is too large for the time left is reported
    and not parsed, because parsing cannot be stopped."""
    large = json.dumps({"Devices": {f"D{n}": {} for n in range(MOST_DEVICES * 15)}})

    def script(request: Request) -> Answer:
        return Answer(PARIS if request.path.endswith("/Paris") else large)

    with ScriptedServer(script) as server:
        told: list[str] = []
        clock = _LateClock(left_s)
        listed = _server(server.name, "Acme", "Lyon", "Paris", "Rome")
        lines = list(discover([listed], _api, DeviceCache(tmp_path), clock, told.append))
        kept = sorted(place.location for place, _ in DeviceCache(tmp_path).everything())
    assert "/Acme/Paris:L1 " in lines[1]
    assert kept == read
    assert len(lines) == 2 + MOST_DEVICES * (len(read) - 1)
    assert len(told) == 2
    assert all(("no time left" in text) == (left_s < 1) for text in told)


class _LateClock(Clock):
    """All answers are there at the first wait, and `left_s` seconds are left."""

    def __init__(self, left_s: float) -> None:
        super().__init__()
        self._left_s = left_s
        self._worked_s = 0.0

    def monotonic_s(self) -> float:
        for thread in threading.enumerate():
            if thread.name.startswith("ask "):
                thread.join()
        self._worked_s = LIMIT_S + LAST_S - self._left_s
        return 0.0

    def cpu_s(self) -> float:
        return self._worked_s


def test_server_that_is_away_does_not_keep_others_waiting(tmp_path: Path) -> None:
    """A server that is away delays no other server, even with many locations."""
    places = [f"L{n}" for n in range(100)]
    lines, told = _discover(
        tmp_path,
        lambda _: Stall(),
        lambda name: _server(name, "Acme", *places),
        limit_s=STALLED_S,
    )
    assert len(lines) == 2
    assert len(told) == len(places)


class _SlowClock(Clock):
    """Each reading takes a millisecond of CPU time."""

    worked_s = 0.0

    def cpu_s(self) -> float:
        self.worked_s += 0.001
        return self.worked_s


def test_location_that_is_too_long_is_told(tmp_path: Path) -> None:
    """A location whose URIs are too long is reported."""
    with ScriptedServer(lambda _: Answer(" " * LOCATION_BYTES + "{}")) as server:
        lines, told = _list(tmp_path, server.name)
    assert lines == [SCHEME_LINE]
    assert "location Paris" in told[0]
    assert "longer than 16 MiB" in told[0]


def test_refused_location_is_not_listed_as_it_was(tmp_path: Path) -> None:
    """After a refusal, no cached devices are listed."""
    with ScriptedServer(lambda _: Answer("Error: unknown location")) as server:
        DeviceCache(tmp_path).keep(Place(server.name, "Acme", "Paris"), json.loads(PARIS))
        lines, told = _list(tmp_path, server.name)
    assert lines == [SCHEME_LINE]
    assert "last seen" not in told[0]


def test_all_locations_of_a_server_share_its_connections(tmp_path: Path) -> None:
    """Fifty locations are asked once each."""
    names = tuple(f"P{number}" for number in range(50))
    with ScriptedServer(lambda _: Answer(PARIS)) as server:
        lines, told = _list_all(tmp_path, _server(server.name, "Acme", *names))
    assert len(lines) == 51
    assert sorted(r.path for r in server.requests) == sorted(
        f"/api/get/location/Acme/{name}" for name in names
    )
    assert told == []


def test_location_that_is_listed_twice_is_asked_once(tmp_path: Path) -> None:
    """A location that is listed twice is asked once."""
    with ScriptedServer(lambda _: Answer(PARIS)) as server:
        twice = _server(server.name, "Acme", "Paris", "Lyon", "Paris", "Lyon")
        lines, told = _list_all(tmp_path, twice)
        assert len(server.requests) == 2
    assert len(lines) == 3
    assert told == []


def test_cache_has_no_secret_and_every_user_reads_it(tmp_path: Path) -> None:
    """The cache is readable by every user, and has no passwords."""
    answer = json.loads(PARIS) | {"Password": "pa55", "Email": "e", "Printers": ["L\tn/a"]}
    answer["Devices"]["L1"] |= {"Secret": "s3", "Target": "curl -u me:s3 http://archive"}
    answer["Devices"]["L2"] = {"Target": "L"}
    cache = DeviceCache(tmp_path)
    cache.keep(Place("h", "Acme", "Paris"), answer)
    (file,) = tmp_path.iterdir()
    assert not any(word in file.read_text() for word in ("pa55", "Email", "s3"))
    assert file.stat().st_mode & 0o777 == 0o644
    ((place, kept),) = cache.everything()
    assert place == Place("h", "Acme", "Paris")
    assert kept["Printers"] == ["L\tn/a"]
    assert kept["Devices"]["L2"] == {"Target": "L"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"place":1}', '{"place":["h","Acme","Paris"]}'])
def test_damaged_cache_is_no_cache(tmp_path: Path, text: str) -> None:
    """A damaged cache counts as empty."""
    cache = DeviceCache(tmp_path)
    place = Place("h", "Acme", "Paris")
    cache.keep(place, json.loads(PARIS))
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert cache.last(place) is None
    assert list(cache.everything()) == []
    cache.keep(place, json.loads(PARIS))
    assert cache.last(place) is not None


def _list(folder: Path, name: str, limit_s: float = ENOUGH_S) -> tuple[list[str], list[str]]:
    return _list_all(folder, _server(name), limit_s)


def _list_all(
    folder: Path, server: Server, limit_s: float = ENOUGH_S
) -> tuple[list[str], list[str]]:
    told: list[str] = []
    cache = DeviceCache(folder)
    lines = list(discover([server], _api, cache, Clock(), told.append, limit_s=limit_s))
    return lines, told


def test_what_is_configured_no_more_is_forgotten(tmp_path: Path) -> None:
    """Drivers of a server that left servers.d go; drivers of a server that is away stay."""
    cache = DeviceCache(tmp_path)
    gone, away = Place("h:1", "Acme", "Paris"), Place("127.0.0.1:9", "Acme", "Paris")
    for place in (gone, away):
        cache.keep(place, json.loads(PARIS))
    list(discover([_server(away.server)], _api, cache, Clock(), lambda _: None))
    assert [place for place, _ in cache.everything()] == [away]
