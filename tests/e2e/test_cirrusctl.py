"""cirrusctl on a real site: servers, devices, queues, jobs, the test page, explanations."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from print_site import BACKEND, PrintSite, eventually
from programs import Program


def ask(site: PrintSite, *arguments: str, status: int = 0) -> Any:
    """The JSON output of a command."""
    done = site.cirrusctl(*arguments, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def events(site: PrintSite, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    """The JSON output of a command, one document a line."""
    done = site.cirrusctl(*arguments, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return list(map(json.loads, done.stdout.splitlines()))


@pytest.fixture
def lyon(site: PrintSite) -> Iterator[str]:
    """A device of a location that is offline."""
    if "Acme/Lyon" not in site.cloud.cli("device", "list"):
        done = site.cloud.cli_result("location", "add", "Acme/Lyon")
        assert done.returncode == 0 or "already" in done.stderr
    site.cloud.cli("location", "offline", "Lyon")
    yield site.device(location="Lyon")
    site.cloud.cli("location", "online", "Lyon")


def test_servers(own_site: PrintSite) -> None:
    """A working server, one that refuses the key, and one that is away."""
    (row,) = ask(own_site, "servers")
    assert row["server"] == own_site.server and row["state"] == "ok"
    assert row["key"] == "accepted" and row["version"].startswith("cirrus-cloudlet")
    own_site.configure(key="wrong")
    (row,) = ask(own_site, "servers", status=4)
    assert row["key"] == "refused" and row["problem"]["code"] == "CB-402"
    assert "wrong" not in json.dumps(row)
    own_site.cloud.stop()
    done = own_site.cirrusctl("servers")
    assert done.returncode == 4
    assert "not usable" in done.stdout and "(CB-411)" in done.stderr


def test_devices_and_queues(site: PrintSite) -> None:
    """Devices have their queues, and queues their devices."""
    device = site.device("--name", "Große Maschine", "--formats", "pdf")
    queue = site.queue(f"Paris:{device}", "Paris:Laser1")
    (row,) = ask(site, "devices", f"P*:{device}")
    assert row["name"] == "Große Maschine" and row["formats"] == ["pdf"] and row["active"]
    assert row["queues"] == [queue] and row["uri"].endswith(f"/Acme/Paris:{device}")
    assert ask(site, "devices", "Ly*:*") == []
    (row,) = [row for row in ask(site, "queues") if row["name"] == queue]
    assert row["targets"] == [f"Paris:{device}", "Paris:Laser1"]
    assert row["state"] == "idle" and row["entry"] is None
    assert "no queue" not in site.cirrusctl("queues").stdout


def test_no_devices(own_site: PrintSite) -> None:
    """An unknown name and a site without devices are reported; known devices are named."""
    own_site.cloud.stop()
    assert own_site.cirrusctl("devices").stdout == "No devices are known.\n"
    own_site.cloud.come_back()
    own_site.cloud.cli("device", "add", "Acme/Paris/Second")
    said = own_site.cirrusctl("devices", "Paris:None*").stdout
    assert said == "No device matches Paris:None*. Active devices: Paris:Laser1, Paris:Second.\n"
    document = tomlkit.parse((own_site.cloud.data / "cloudlet.toml").read_text())
    tables: Any = document["device"]
    for table in tables:
        table["inactive"] = True
    (own_site.cloud.data / "cloudlet.toml").write_text(tomlkit.dumps(document))
    assert own_site.cirrusctl("devices").stdout.endswith("inactive; --all lists them.\n")
    assert "No device is active; see --all" in own_site.cirrusctl("devices", "x:y").stderr
    document.pop("device")
    (own_site.cloud.data / "cloudlet.toml").write_text(tomlkit.dumps(document))
    assert own_site.cirrusctl("devices").stdout == "There are no devices at Paris.\n"
    entry = own_site.config / "servers.d" / "site.toml"
    entry.write_text(entry.read_text().replace('["Paris"]', "[]"))
    assert own_site.cirrusctl("devices").stdout.startswith("No devices are known. Add")


def test_devices_of_a_server_that_is_away(own_site: PrintSite) -> None:
    """Devices are listed as last seen, with a remark."""
    own_site.discovered("Laser1")
    own_site.cloud.stop()
    (row,) = ask_with_remark(own_site, "devices")
    assert row["target"] == "Paris:Laser1" and row["as_last_seen"]


def ask_with_remark(site: PrintSite, *arguments: str) -> Any:
    """The JSON output of a command that names an unreachable server on standard error."""
    done = site.cirrusctl(*arguments, "--json")
    assert done.returncode == 4 and "(CB-411)" in done.stderr
    return json.loads(done.stdout)


def test_job_that_was_canceled_in_cups(site: PrintSite, lyon: str, pdfs: dict[int, Path]) -> None:
    """The last known state is no longer current, and the document may be printed."""
    job_id = site.cups.lp(site.queue(f"Lyon:{lyon}", options="?waittimeout=1"), pdfs[1])
    site.cups.wait_job(job_id, "held")
    site.cups.run("cancel", str(job_id))
    with site.statusd():
        eventually(lambda: "waiting when last asked" in site.cirrusctl("jobs").stdout)
    said = site.cirrusctl("job", str(job_id)).stdout
    assert "the document is no longer followed; the cloud may still print it" in said
    assert "the document is finished" not in said


def test_jobs(site: PrintSite, lyon: str, pdfs: dict[int, Path]) -> None:
    """CUPS's jobs have their cloud jobs and places, and the output of filters is harmless."""
    queue = site.queue("Paris:Laser1", f"Lyon:{lyon}", options="?waittimeout=2")
    waits = site.cups.lp(queue, "-U", "ann", "-t", "Brief an \N{SNOWMAN}", pdfs[1])
    broken = site.queue("Paris:None")
    refused = site.cups.lp(broken, pdfs[1])
    site.cups.wait_job(waits, "held")
    site.cups.wait_job(refused, "held")
    job = next(job for job in ask(site, "jobs") if job["job"] == waits)
    assert (job["user"], job["title"], job["state"]) == ("ann", "Brief an \N{SNOWMAN}", "held")
    states = {d["target"]: d["state"] for d in job["documents"][0]["deliveries"]}
    assert states == {"Paris:Laser1": "delivered", f"Lyon:{lyon}": "waiting"}
    for option, right, wrong in (("--user", "ann", "bob"), ("--location", "Lyon", "Rome")):
        of_queue = ("jobs", "--queue", queue, option)
        assert [job["job"] for job in ask(site, *of_queue, right)] == [waits]
        assert ask(site, *of_queue, wrong) == []
    held = [job["job"] for job in ask(site, "jobs", "--state", "held", "--queue", broken)]
    assert held == [refused]
    assert ask(site, "jobs", "--state", "processing", "--queue", broken) == []
    lines = site.cirrusctl("jobs").stdout.splitlines()
    assert any(f"Lyon:{lyon}" in line and "waiting" in line for line in lines)
    assert any(str(refused) in line and "CB-401" in line for line in lines)
    said = site.cirrusctl("jobs", "--user", "bob", "--location", "Rome").stdout
    assert re.match(r"None of \d+ jobs matches\. There are: user .*\bann\b", said)
    assert re.search(r"; location .*Lyon", said)
    assert site.cirrusctl("jobs", "--state", "sleeping").returncode == 2
    with site.statusd():
        site.cloud.cli("location", "online", "Lyon")
        site.cups.wait_job(waits, "completed")
    way = [each["what"] for each in ask(site, "job", str(waits))["moments"]]
    assert way.index("Cirrus Bridge started to send the document") < way.index(
        "CUPS started the backend again"  # which could have ended the job
    )
    assert "CUPS started the backend" not in way
    ended = ask(site, "jobs", "--queue", queue)[0]
    assert ended["ended"] and ended["completed"]
    assert ask(site, "jobs", "--queue", queue, "--ended", "0") == []


def test_jobs_page_by_page(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """Ended jobs are listed in pages, also those that CUPS has forgotten."""
    queue = own_site.queue()
    printed = []
    for _ in range(3):
        printed.append(own_site.cups.lp(queue, pdfs[1]))
        own_site.cups.wait_job(printed[-1], "completed")
    listed, page = [], ask(own_site, "jobs", "--ended", "1")
    while page:
        listed.append([(each["job"], each["state"]) for each in page])
        if len(listed) == 2:
            own_site.cups.run("cancel", "-a", "-x")
        last = str(page[-1]["job"])
        page = ask(own_site, "jobs", "--ended", "1", "--before", last)
    states = ["completed", "completed", "forgotten"]
    assert listed == [[each] for each in zip(reversed(printed), states, strict=True)]
    done = own_site.cirrusctl("jobs", "--before", "999")
    assert done.returncode == 7 and "no job 999 that has ended" in done.stderr


def test_jobs_of_nobody(own_site: PrintSite) -> None:
    """Without any print there is no journal, and the command creates none."""
    for words in (["jobs"], ["jobs", "--queue", own_site.queue()]):
        assert own_site.cirrusctl(*words).stdout == "There are no print jobs for the cloud.\n"
    assert not own_site.state.exists()


def test_jobs_that_cups_does_not_list(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """Jobs of other queues do not displace a queue's jobs.

    The journal has the jobs that CUPS has forgotten.
    """
    job_id = own_site.cups.lp(own_site.queue(), pdfs[1])
    own_site.cups.wait_job(job_id, "completed")
    own_site.cups.run("lpadmin", "-p", "other", "-E", "-v", "file:///dev/null")
    own_site.cups.wait_job(own_site.cups.lp("other", pdfs[1]), "completed")
    (job,) = ask(own_site, "jobs", "--ended", "1")
    assert (job["job"], job["state"]) == (job_id, "completed")
    own_site.cups.run("cancel", "-a", "-x")
    (job,) = ask(own_site, "jobs")
    assert (job["job"], job["state"]) == (job_id, "forgotten")
    assert job["documents"][0]["deliveries"][0]["state"] == "delivered"


def test_jobs_are_watched(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """New jobs appear by themselves, and Ctrl-C is not an error."""
    device = site.device()
    queue = site.queue(f"Paris:{device}")
    with Program(
        [BACKEND.with_name("cirrusctl"), "jobs", "--watch", "--json", "--queue", queue],
        env=os.environ | site.environ | {"CUPS_SERVER": str(site.cups.socket)},
        stdout=subprocess.PIPE,
        text=True,
    ) as watcher:
        assert watcher.stdout
        assert json.loads(watcher.stdout.readline()) == []
        job_id = site.cups.lp(queue, pdfs[1])
        looks = (json.loads(line) for line in watcher.stdout)
        assert next(look for look in looks if look)[0]["job"] == job_id
        watcher.send_signal(signal.SIGINT)
        watcher.stdout.read()
        assert watcher.wait(60) == 0


def test_a_watch_outlives_a_restart_of_cups(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """The watch reports that CUPS is away, and goes on."""
    queue = own_site.queue()
    with own_site.start_cirrusctl("jobs", "--watch") as watcher:
        assert watcher.stdout
        assert "There are no print jobs" in watcher.stdout.readline()
        own_site.cups.stop()
        assert any("! CUPS does not answer. (CB-711)" in line for line in watcher.stdout)
        own_site.cups.start()
        own_site.cups.lp(queue, pdfs[1], "-t", "After it")
        assert any("After it" in line for line in watcher.stdout)
        watcher.send_signal(signal.SIGINT)
        watcher.stdout.read()
        assert watcher.wait(60) == 0


def test_a_job_number_that_cups_gives_again(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """A CUPS that lost its jobs begins with 1 again. Both jobs are shown, each once."""
    queue = own_site.queue()
    for _ in range(2):
        job_id = own_site.cups.lp(queue, pdfs[1])
        own_site.cups.wait_job(job_id, "completed")
        assert job_id == 1
        jobs = ask(own_site, "jobs")
        own_site.cups.stop()
        for path in (
            own_site.cups.root / "spool" / "c00001",
            own_site.cups.root / "cache" / "job.cache",
        ):
            path.unlink()
        own_site.cups.start()
    assert [(job["job"], job["state"]) for job in jobs] == [(1, "completed"), (1, "forgotten")]


def test_a_device_that_fails_says_so_once(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """The device's message appears once, and CUPS's job message does not repeat it."""
    device = site.device("--type", "command", "--target", "false")
    queue = site.queue(f"Paris:{device}", options="?waittimeout=1")
    site.cups.wait_job(site.cups.lp(queue, pdfs[1]), "held")
    with site.statusd():
        eventually(lambda: "(CB-704)" in ask(site, "jobs", "--queue", queue)[0]["message"])
    assert site.cirrusctl("jobs", "--queue", queue).stdout.count("exit status 1") == 1


def test_one_job(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """A job's history is in order, with the cloud's job number."""
    queue = site.queue(f"Paris:{site.device()}")
    job_id = site.cups.lp(queue, pdfs[1])
    site.cups.wait_job(job_id, "completed")
    job = ask(site, "job", str(job_id))
    told = [moment["what"] for moment in job["moments"]]
    cloud_job = job["documents"][0]["deliveries"][0]["cloud_job"]
    assert re.fullmatch(r"\d{14}-\d+", cloud_job)
    expected = ("added to queue", "started to send", cloud_job, "received for", "delivered at",
                "ended in CUPS")  # fmt: skip
    found = [next(n for n, what in enumerate(told) if words in what) for words in expected]
    assert found == sorted(found)
    times = [datetime.fromisoformat(moment["at"]).timestamp() for moment in job["moments"]]
    assert [*map(int, times)] == sorted(map(int, times))  # CUPS counts whole seconds
    text = site.cirrusctl("job", str(job_id)).stdout
    assert all(what in text for what in told)
    assert ask(site, "job", "999999", status=7)["error"]["code"] == "CB-713"


def test_the_test_page(site: PrintSite) -> None:
    """The test page is followed until delivery, as PDF, or as text for other devices."""
    for formats, beginning in (("pdf", b"%PDF"), ("txt", b"Cirrus Bridge test page")):
        device = site.device("--formats", formats)
        queue = site.discovered_queue(device)
        last = events(site, "test", queue)[-1]
        assert (last["result"], last["what"]) == ("done", "delivered")
        (job,) = site.cloud_jobs(device, 1)
        assert job["title"] == "Cirrus Bridge test page"
        assert Path(job["document"]).read_bytes().startswith(beginning)


def test_a_test_page_that_is_not_delivered(site: PrintSite, lyon: str) -> None:
    """Each obstacle to a test page is reported.

    These are an offline location, a missing device, queue or entry, and a queue that does not wait.
    """
    waits = site.queue(f"Lyon:{lyon}", options="?waittimeout=1")
    last = events(site, "test", waits, "--timeout", "4", status=1)[-1]
    assert last["result"] == "open"
    said = events(site, "test", site.queue("Paris:None"), status=1)
    assert said[-1]["result"] == "failed" and any("CB-401" in each["what"] for each in said)
    stopped = events(site, "test", site.queue(server="127.0.0.2:9"), status=1)
    assert "the queue is stopped" in stopped[-1]["what"]
    hasty = events(site, "test", site.queue(f"Lyon:{lyon}", options="?wait=submitted"))
    assert hasty[-1]["what"].startswith("accepted")
    done = site.cirrusctl("test", "none")
    assert done.returncode == 7 and "CB-713" in done.stderr


def test_a_journal_that_cannot_be_read(own_site: PrintSite) -> None:
    """The message names the path, and the exit status is an error."""
    own_site.state.mkdir()
    (own_site.state / "journal.db").write_text("no database at all" * 100)
    done = own_site.cirrusctl("jobs")
    assert done.returncode == 6
    assert f"{own_site.state}/journal.db" in done.stderr and "CB-504" in done.stderr


def test_a_configuration_that_makes_no_sense(own_site: PrintSite) -> None:
    """JSON output has the error on standard output."""
    (own_site.config / "bridge.toml").write_text("[default]\n")
    assert ask(own_site, "servers", status=3)["error"]["code"] == "CB-202"
    done = own_site.cirrusctl("apply")
    assert done.returncode == 3 and "unknown name 'default'" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(shell: str) -> None:
    """The program itself makes the packages' completion files."""
    environ = os.environ | {"_CIRRUSCTL_COMPLETE": f"source_{shell}"}
    done = subprocess.run(
        [BACKEND.with_name("cirrusctl")], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0 and "_CIRRUSCTL_COMPLETE" in done.stdout


def test_names_are_completed(site: PrintSite) -> None:
    """bash completes queues from CUPS, and codes from the explanations."""
    queue = site.queue()
    for words, wanted in (
        (f"cirrusctl test {queue}", queue),
        ("cirrusctl explain CB-40", "CB-402"),
    ):
        done = subprocess.run(
            [BACKEND.with_name("cirrusctl")],
            env=os.environ
            | site.environ
            | {
                "CUPS_SERVER": str(site.cups.socket),
                "_CIRRUSCTL_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": "2",
            },
            capture_output=True,
            text=True,
        )
        assert wanted in done.stdout.split()


def test_it_explains(site: PrintSite) -> None:
    """`explain` accepts a code in every form in which people read it."""
    for code in ("CB-402", "402", "(cb-402)"):
        assert ask(site, "explain", code)["job"] == "hold"
    assert "servers.d" in site.cirrusctl("explain", "CB-402").stdout
    assert site.cirrusctl("explain", "CB-999").returncode == 7
    assert len(ask(site, "explain")) > 30


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_output_that_cannot_be_written(form: list[str]) -> None:
    """A full disk is one line and an error status."""
    command = [str(BACKEND.with_name("cirrusctl")), "explain", *form]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "cirrusctl: Cannot write the output (No space left on device).\n"
