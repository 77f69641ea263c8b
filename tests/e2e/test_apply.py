"""`cirrusctl apply`: a real cupsd gets the queues of queues.toml, and keeps all others."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from cirrus_bridge.cirrusctl.queues.apply import LOCK
from print_site import PATIENCE_S, PrintSite


class Queues:
    """queues.toml of a site, and the effects of `cirrusctl apply`."""

    def __init__(self, site: PrintSite) -> None:
        self.site = site

    def declare(self, text: str) -> None:
        """Write queues.toml."""
        (self.site.config / "queues.toml").write_text(text)

    def apply(self, *options: str, status: int = 0) -> dict[str, Any]:
        """Run `apply`; return its output as JSON."""
        done = self.site.cirrusctl("apply", "--json", *options)
        assert done.returncode == status, done.stdout + done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def actions(self, *options: str, status: int = 0) -> dict[str, str]:
        """Run `apply`; return each action with its queue."""
        said = self.apply(*options, status=status)
        return {queue["name"]: queue["action"] for queue in said["queues"]}

    def printer(self, queue: str) -> dict[str, Any]:
        """A queue's attributes, without those that change on their own."""
        found = self.site.cups.printer(queue)
        return {k: v for k, v in found.items() if "time" not in k and k != "marker-change-time"}

    def there(self) -> set[str]:
        """The names of all queues."""
        try:
            return set(self.site.cups.run("lpstat", "-e").split())
        except RuntimeError as error:
            assert "No destinations added" in str(error)
            return set()

    def default(self, queue: str, option: str) -> str:
        """The default choice of an option of a queue's driver."""
        ppd = (self.site.cups.root / "etc" / "ppd" / f"{queue}.ppd").read_text()
        return ppd.partition(f"*Default{option}: ")[2].split()[0]

    def edit_cloud(self, change: Callable[[Any], None]) -> None:
        """Change the cloud's inventory, as its administrator may."""
        path = self.site.cloud.data / "cloudlet.toml"
        document = tomlkit.parse(path.read_text())
        change(document)
        path.write_text(tomlkit.dumps(document))


@pytest.fixture
def queues(own_site: PrintSite) -> Queues:
    """The queues of a site of the test's own: `apply` removes undeclared ones."""
    return Queues(own_site)


def device_table(document: Any, device: str) -> Any:
    """A device's table in the cloud's file."""
    return next(each for each in document["device"] if each["id"] == device)


LASER = '[[queue]]\nname = "laser"\ntargets = ["Paris:Laser1"]\n'
ALL = '[[queue]]\nname = "{location}-{device}"\ntargets = ["Paris:*"]\n'


def test_from_nothing_to_paper(queues: Queues, pdfs: dict[int, Path]) -> None:
    """A dry run changes nothing; a real run makes a queue that prints as declared.

    A second run finds nothing to do, even after a restart of CUPS.
    """
    queues.declare(
        f'{LASER}info = "The laser"\nlocation = "2nd floor"\nshared = true\n'
        'error_policy = "retry-job"\nuri_options = { waittimeout = 30 }\n'
        'options = { Duplex = "DuplexNoTumble", print-color-mode = "auto", copies = 2 }\n'
    )
    (step,) = queues.apply("--dry-run")["queues"]
    assert step["action"] == "add"
    assert {"what": "Duplex", "now": "None", "wanted": "DuplexNoTumble"} in step["differences"]
    assert not queues.there()
    assert queues.actions() == {"laser": "add"}
    made = queues.printer("laser")
    assert made["printer-info"] == "The laser"
    assert made["printer-location"] == "2nd floor"
    assert made["printer-is-shared"] is True
    assert made["printer-error-policy"] == "retry-job"
    assert made["device-uri"].endswith("/Acme/Paris:Laser1?waittimeout=30")
    assert made["printer-make-and-model"].startswith("Cirrus Laser1 at Paris office")
    queues.site.cups.restart()
    assert queues.actions() == {"laser": "none"}
    assert queues.printer("laser") == made
    job_id = queues.site.cups.lp("laser", pdfs[1])
    queues.site.cups.wait_job(job_id, "completed")
    (job,) = queues.site.cloud_jobs("Laser1", 1)
    assert job["props"]["duplex"] == "2"
    assert "color" not in job["props"]
    assert job["props"]["copies"] == "2"


def test_what_people_change(queues: Queues) -> None:
    """Declared settings are restored; all others belong to the administrator."""
    queues.declare(f'{LASER}options = {{ Duplex = "DuplexNoTumble", copies = 2 }}\n')
    queues.apply()
    lpadmin = ("lpadmin", "-p", "laser", "-o")
    queues.site.cups.run(*lpadmin, "Duplex=None", "-o", "PageSize=A5", "-o", "copies-default=3")
    queues.site.cups.run(*lpadmin, "orientation-requested-default=4", "-D", "Mine")
    (step,) = queues.apply()["queues"]
    assert sorted(each["what"] for each in step["differences"]) == ["Duplex", "copies", "info"]
    said = queues.site.cups.run("lpoptions", "-p", "laser")
    assert "copies=2" in said and "orientation-requested=4" in said
    assert queues.default("laser", "Duplex") == "DuplexNoTumble"
    assert queues.default("laser", "PageSize") == "A5"


def test_what_is_declared_no_more_is_as_it_was(queues: Queues) -> None:
    """Undeclared options return to the driver's default, or to none; choices of people stay."""
    queues.declare(f'{LASER}options = {{ Duplex = "DuplexNoTumble", copies = 2 }}\n')
    queues.apply()
    queues.declare(LASER)
    (step,) = queues.apply()["queues"]
    assert {each["what"]: each["wanted"] for each in step["differences"]} == {
        "Duplex": "None",
        "copies": "",
    }
    assert "copies=2" not in queues.site.cups.run("lpoptions", "-p", "laser")
    assert queues.default("laser", "Duplex") == "None"
    assert queues.actions() == {"laser": "none"}


def test_a_queue_for_each_device(queues: Queues) -> None:
    """Queues follow the devices of a location; inactive devices keep theirs.

    Names are valid for CUPS, whatever script the device's name has.
    """
    cloud = queues.site.cloud
    cloud.cli("device", "add", "Acme/Paris/Büro 2%2Fa", "--name", "Das große Büro")
    cloud.cli("device", "add", "Acme/Paris/Spare")
    queues.declare(f'{ALL}info = "{{device_name}}"\n')
    assert queues.actions() == {
        "Paris-Laser1": "add",
        "Paris-Büro-2-a": "add",
        "Paris-Spare": "add",
    }
    assert queues.printer("Paris-Büro-2-a")["printer-info"] == "Das große Büro"
    cloud.cli("device", "add", "Acme/Paris/New")

    def change(document: Any) -> None:
        document["device"].remove(device_table(document, "Laser1"))
        device_table(document, "Spare")["inactive"] = True

    queues.edit_cloud(change)
    assert queues.actions(status=1) == {
        "Paris-Büro-2-a": "none",
        "Paris-Laser1": "remove",
        "Paris-New": "add",
        "Paris-Spare": "keep",
    }
    assert queues.there() == {"Paris-Büro-2-a", "Paris-New", "Paris-Spare"}


def test_a_dead_server_removes_nothing(queues: Queues) -> None:
    """No queue goes if its server is away, refuses, or suddenly has no devices.

    Queues are made from the cache if possible.
    """
    queues.site.device()
    queues.declare(ALL)
    queues.apply()
    before = queues.there()
    assert len(before) == 2
    queues.site.configure(key="wrong")
    said = queues.apply(status=1)
    assert {problem["code"] for problem in said["problems"]} == {"CB-402"}
    queues.site.configure()
    queues.edit_cloud(lambda document: document.pop("device"))
    assert set(queues.actions(status=1).values()) == {"keep"}
    queues.site.cloud.stop()
    queues.declare(ALL + LASER)
    said = queues.apply(status=1)
    assert {problem["code"] for problem in said["problems"]} == {"CB-411"}
    (problem,) = [each for each in said["problems"] if each["name"] == "laser"]
    assert "without the server's description of the device." in problem["message"]
    assert "Then run cirrusctl apply again" in problem["do"]
    assert queues.there() == before
    queues.site.cloud.come_back()
    assert queues.actions("--force", status=1) == dict.fromkeys(sorted(before), "remove")


def test_a_server_that_is_away_was_seen_before(queues: Queues) -> None:
    """A new queue gets a driver from the cache; an existing queue keeps its driver.

    The existing driver may be newer than the cache.
    """
    queues.site.discovered("Laser1")
    queues.declare(LASER)
    queues.edit_cloud(lambda document: device_table(document, "Laser1").update(name="Younger"))
    assert queues.actions() == {"laser": "add"}
    queues.site.cloud.stop()
    queues.declare(LASER + LASER.replace('"laser"', '"second"'))
    assert queues.actions() == {"laser": "none", "second": "add"}
    assert queues.printer("laser")["printer-info"] == "Younger at Paris office"
    assert queues.printer("second")["printer-make-and-model"].startswith("Cirrus Laser1 at Paris")
    assert queues.actions() == {"laser": "none", "second": "none"}


def test_one_after_the_other(queues: Queues) -> None:
    """The second run says that it waits, then reads the files and works."""
    queues.declare(LASER)
    queues.apply("--dry-run")  # creates the lock
    first = os.open(queues.site.config / LOCK, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    with queues.site.start_cirrusctl("apply") as second:
        assert second.stderr and "Waiting for another" in second.stderr.readline()
        assert queues.there() == set()
        queues.declare(LASER.replace('"laser"', '"second"'))
        os.close(first)
        said, _ = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 0, said
    assert queues.there() == {"second"}


def test_others_class(queues: Queues) -> None:
    """A class of the same name stays; it cannot be handed over."""
    queues.site.cups.run("lpadmin", "-p", queues.site.queue(), "-c", "laser")
    queues.declare(LASER)
    (problem,) = queues.apply(status=1)["problems"]
    assert "already has a class laser" in problem["message"]
    assert "lpadmin -p" not in problem["message"]
    assert "laser" in queues.site.cups.run("lpstat", "-c")


def test_others_queues(queues: Queues) -> None:
    """A foreign or remade queue of the same name stays until it is handed over."""
    foreign = queues.site.queue()
    queues.declare(LASER.replace('"laser"', f'"{foreign}"'))
    before = queues.printer(foreign)
    (problem,) = queues.apply(status=1)["problems"]
    assert problem["name"] == foreign and "did not make" in problem["message"]
    queues.declare("")
    assert queues.actions() == {}
    assert queues.printer(foreign) == before
    queues.declare(LASER)
    queues.apply()
    queues.site.cups.run("lpadmin", "-x", "laser")
    queues.site.cups.run("lpadmin", "-p", "laser", "-E", "-v", "file:///dev/null")
    queues.declare("")
    assert queues.actions() == {}
    queues.declare(LASER)
    (problem,) = queues.apply(status=1)["problems"]
    hand_over = problem["message"].partition("(lpadmin -p laser")[2].partition(")")[0].split()
    queues.site.cups.run("lpadmin", "-p", "laser", *hand_over)
    assert queues.actions() == {"laser": "change"}
    assert queues.printer("laser")["device-uri"].endswith("/Paris:Laser1")


def test_a_queue_with_jobs_stays(queues: Queues, pdfs: dict[int, Path]) -> None:
    """The queue stays until its jobs are gone, or with force."""
    queues.declare(LASER)
    queues.apply()
    queues.site.cups.lp("laser", "-H", "hold", pdfs[1])
    queues.declare("")
    (step,) = queues.apply(status=1)["queues"]
    assert step["action"] == "keep" and "1 job" in step["reason"]
    assert queues.there() == {"laser"}
    assert queues.actions("--force") == {"laser": "remove"}
    assert not queues.there()


def test_a_device_that_changes(queues: Queues) -> None:
    """The queue gets a new driver, and keeps the defaults that people chose."""
    cloud = queues.site.cloud
    cloud.cli("device", "add", "Acme/Paris/Mfp", "--kind", "color-mfp")
    queues.declare('[[queue]]\nname = "mfp"\ntargets = ["Paris:Mfp"]\n')
    queues.apply()
    queues.site.cups.run("lpadmin", "-p", "mfp", "-o", "Duplex=DuplexTumble")

    def change(document: Any) -> None:
        device_table(document, "Mfp")["printer"]["trays"] = ["Only one"]

    queues.edit_cloud(change)
    (step,) = queues.apply()["queues"]
    assert "driver" in [each["what"] for each in step["differences"]]
    ppd = (queues.site.cups.root / "etc" / "ppd" / "mfp.ppd").read_text()
    assert "*InputSlot Only-one" in ppd and "*InputSlot Tray" not in ppd
    assert queues.default("mfp", "Duplex") == "DuplexTumble"
    assert queues.actions() == {"mfp": "none"}


def test_drivers_by_name(queues: Queues) -> None:
    """A driver may be one of CUPS's list or none; an unknown name is reported.

    The error names the place in the file.
    """
    generic = "drv:///cirrus-bridge.drv/cirrus-generic-ps.ppd"
    queues.declare(
        f'{LASER}driver = "{generic}"\n'
        '[[queue]]\nname = "raw"\ntargets = ["Paris:Laser1"]\ndriver = "raw"\n'
    )
    assert queues.actions() == {"laser": "add", "raw": "add"}
    assert "PostScript" in queues.printer("laser")["printer-make-and-model"]
    assert "Raw" in queues.printer("raw")["printer-make-and-model"]
    assert queues.actions() == {"laser": "none", "raw": "none"}
    queues.declare(f'{LASER}driver = "raw"\n')
    assert queues.actions() == {"laser": "change", "raw": "remove"}
    assert "Raw" in queues.printer("laser")["printer-make-and-model"]
    queues.declare(f'{LASER}driver = "nosuch.ppd"\n')
    (problem,) = queues.apply(status=1)["problems"]
    assert "queues.toml: [[queue]]: 'driver'" in problem["message"]
    assert queues.there() == {"laser"}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('options = { Duplex = "Purple" }', "'options.Duplex': the driver has no 'Purple'"),
        ('options = { Dupplex = "DuplexNoTumble" }', "no such option (it has: PageSize"),
        ('options = { sides = "two-sided-long-edge" }', "write Duplex"),
        ("options = { finishings = 4 }", "ignored the change to finishings"),
    ],
)
def test_unknown_options(queues: Queues, lines: str, complaint: str) -> None:
    """Unknown options of the driver or of CUPS are reported, although CUPS ignores them."""
    queues.declare(LASER + lines)
    (problem,) = queues.apply(status=1)["problems"]
    assert complaint in problem["message"]


def test_unknown_devices(queues: Queues) -> None:
    """Missing devices, equal names and patterns without a match are reported one by one.

    None of them keeps another queue from being made.
    """
    for device in ("A 1", "A/1"):
        queues.site.cloud.cli("device", "add", f"Acme/Paris/{device.replace('/', '%2F')}")
    queues.declare(
        '[[queue]]\nname = "none"\ntargets = ["Paris:None"]\n'
        '[[queue]]\nname = "a-{device}"\ntargets = ["Paris:A*"]\n'
        '[[queue]]\nname = "b-{device}"\ntargets = ["Ber*:*"]\n' + LASER
    )
    said = queues.apply(status=1)
    assert {problem["name"]: problem["code"] for problem in said["problems"]} == {
        "none": "CB-401",
        "a-A-1": "CB-202",
        "b-{device}": "CB-202",
    }
    assert queues.there() == {"laser"}


def test_people_read_it(queues: Queues) -> None:
    """Text output is a diff with signs, a summary, and the errors."""
    queues.declare(LASER)
    done: subprocess.CompletedProcess[str] = queues.site.cirrusctl("apply", "--dry-run")
    assert done.stdout.startswith("+ laser\n") and "1 would be added" in done.stdout
    queues.apply()
    queues.declare(LASER + 'info = "Another"\n')
    done = queues.site.cirrusctl("apply")
    assert "~ laser\n    info: Laser1 at Paris office → Another\n" in done.stdout
    queues.declare("")
    assert "- laser: no longer declared\n" in queues.site.cirrusctl("apply").stdout


def test_without_cups(queues: Queues) -> None:
    """The output and the exit status say that CUPS is away."""
    queues.declare(LASER)
    queues.site.cups.stop()
    done = queues.site.cirrusctl("apply")
    assert done.returncode == 5 and "CUPS does not answer. (CB-711)" in done.stderr
    queues.site.cups.start()
