"""`lpinfo -v` and `lpinfo -m` on a real cupsd with a hostile location."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from print_site import PrintSite, eventually
from scripted_server import Answer, ScriptedServer

COUNT = 10_000
BACKEND = Path(sys.executable).with_name("cirrus-backend")
HOSTILE = {
    "quote": {"Name": 'a" "b" "MFG:HP;MDL:LaserJet;" "c'},
    "lines": {"Name": 'x"\nnetwork cirrus://evil/ "e" "e" "MFG:HP;MDL:LaserJet;" "e'},
    "backslash": {"Name": "\\"},
    "long": {"Name": "é" * 10_000},
    "n" * 3000: {"Name": "its URI is too long"},
    "bidi": {"Name": "\u202egnp.exe"},
    "surrogate": {"Name": "\ud800", "DefaultProps": {"tray": "\ud800"}},
    "emoji": {"Name": "😀" * 100},
    "laser": {"Name": "twin"},
    "LASER": {"Name": "TWIN"},
    "list": [1],
    "empty": {},
    "\ud800": {},
    "a:b": {},
}
SHOWN = len(HOSTILE) - 4  # without a too long URI, a list, and two invalid ids


@pytest.fixture(scope="module")
def hostile() -> Iterator[PrintSite]:
    """A site whose location has COUNT devices with one name, each with a printer, and HOSTILE."""
    plain = {
        f"D{n}": {"DevID": f"D{n}", "Name": "Laser", "Formats": ["pdf"], "Target": f"P{n}"}
        for n in range(COUNT)
    }
    about = {"LocID": "Paris", "Password": "pa55w0rd", "Printers": [f"P{n}" for n in range(COUNT)]}
    answer = json.dumps(about | {"Devices": plain | HOSTILE})
    with PrintSite() as site, ScriptedServer(lambda _: Answer(answer)) as server:
        shutil.copy("/usr/lib/cups/backend/socket", site.cups.root / "bin" / "backend")
        site.configure(server=server.name)
        _listed(site)  # in time, and cached
        yield site


def _listed(site: PrintSite) -> tuple[str, list[str]]:
    """The output of lpinfo, and our URIs in it, once all are listed: a busy machine may take longer
    than CUPS waits for a backend."""
    said, ours = "", list[str]()

    def has_all() -> bool:
        nonlocal said, ours
        said = site.cups.run("lpinfo", "-l", "--timeout", "15", "-v")
        ours = re.findall(r"(?m)^Device: uri = (cirrus://.*)$", said)
        return len(ours) == COUNT + SHOWN

    eventually(has_all)
    return said, ours


@pytest.mark.complete
def test_every_device_is_listed_and_so_are_the_other_backends(hostile: PrintSite) -> None:
    """Each usable device is listed once, and no line is forged."""
    text, ours = _listed(hostile)
    assert len(set(ours)) == len(ours) == COUNT + SHOWN
    assert not [uri for uri in ours if "evil" in uri]
    assert "Device: uri = socket\n" in text
    assert "pa55w0rd" not in text
    assert hostile.key not in text
    assert "Bad line from" not in hostile.cups.error_log()


@pytest.mark.complete
def test_every_device_has_its_own_driver(hostile: PrintSite) -> None:
    """The device id finds the device's driver, which can be fetched and loaded."""
    listed = hostile.cups.run("lpinfo", "-m").splitlines()
    names = [line.split()[0] for line in listed if line.startswith("cirrus:")]
    assert len(set(names)) == len(names) == COUNT + SHOWN
    devices = _listed(hostile)[0].split("Device: ")
    for wanted in ("Paris:D77", "Paris:D7", "Paris:lines", "Paris:surrogate", "Paris:LASER"):
        (device,) = [text for text in devices if re.search(rf"(?m)/{wanted}$", text)]
        (identity,) = re.findall(r"(?m)^ *device-id = (.*)$", device)
        found = hostile.cups.run("lpinfo", "--device-id", identity, "-m").splitlines()
        name = found[0].split()[0]
        assert name in names
        uri = device.split("\n")[0].removeprefix("uri = ")
        hostile.cups.run("lpadmin", "-p", "q", "-v", uri, "-m", name)
        attributes = hostile.cups.printer("q")
        assert attributes["printer-make-and-model"] == " ".join(found[0].split()[1:])
        ppd = (hostile.cups.root / "etc" / "ppd" / "q.ppd").read_bytes()
        done = subprocess.run(["cupstestppd", "-q", "-W", "none", "-"], input=ppd, check=False)
        assert done.returncode == 0


@pytest.mark.complete
def test_locale_of_another_charset(hostile: PrintSite) -> None:
    """The lines are UTF-8 whatever LANG cupsd passes on, because CUPS reads UTF-8."""
    env = {
        "PYTHONIOENCODING": "latin-1",  # as in a locale that this machine may lack
        "CIRRUS_BRIDGE_CONFIG": str(hostile.config),
        "CIRRUS_BRIDGE_CACHE": str(hostile.root / "cache"),
        "CIRRUS_BRIDGE_STATE": str(hostile.state),
    }

    said: list[str] = []

    def has_all() -> bool:
        done = subprocess.run([BACKEND], env=env, capture_output=True, check=True)
        said[:] = done.stdout.decode().splitlines()
        return len(said) == COUNT + SHOWN + 1

    eventually(has_all)
    assert {line.split(" ")[0] for line in said} == {"network"}
    assert any("😀😀" in line for line in said)
