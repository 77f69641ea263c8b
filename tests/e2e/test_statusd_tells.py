"""Changes that the poller reports beside CUPS: to a command and to Prometheus."""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from ports import reserved_port
from print_site import PrintSite, eventually

HOLD = "?waittimeout=1"
USER = "nobody"
TITLE = "<b>Q3</b> $(touch x) --help"
RECORD = """#!{python}
import json, os, sys
with open(sys.argv[1], "a") as record:
    told = {{k: v for k, v in os.environ.items() if k.startswith("CIRRUS_")}}
    record.write(json.dumps(told) + "\\n")
"""


@pytest.fixture
def away(own_site: PrintSite) -> PrintSite:
    """A site whose location fetches nothing at first."""
    own_site.cloud.cli("location", "offline", "Paris")
    return own_site


def _record(site: PrintSite) -> list[dict[str, str]]:
    path = site.root / "record"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def _use_hook(site: PrintSite, more: str = "") -> None:
    hook = site.root / "hook"
    hook.write_text(RECORD.format(python=sys.executable))
    hook.chmod(0o755)
    site.configure_statusd(f'hook = ["{hook}", "{site.root / "record"}"]\n{more}')


def _held_job(site: PrintSite, *words: str) -> int:
    queue = site.queue(driver=False, options=HOLD)
    job_id = site.cups.lp(queue, *words, data=b"12345")
    site.cups.wait_job(job_id, "held")
    return job_id


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return str(answer.read().decode())


def test_all_are_told(away: PrintSite) -> None:
    """A late delivery runs the command, and the metrics count it."""
    port = reserved_port(away)
    _use_hook(away, f"metrics_port = {port}")
    with away.start_statusd() as poller:
        eventually(lambda: "event=started" in away.statusd_log())
        job_id = _held_job(away, "-U", USER, "-t", TITLE)
        away.cloud.cli("location", "online", "Paris")
        away.cups.wait_job(job_id, "completed")
        ended = 'state="delivered"} 1.0'
        eventually(lambda: ended in _scrape(port))
        eventually(lambda: any(told["CIRRUS_EVENT"] == "delivered" for told in _record(away)))
        metrics = _scrape(port)
        assert poller.end() == 0, away.statusd_log()
    (delivered,) = [told for told in _record(away) if told["CIRRUS_EVENT"] == "delivered"]
    assert delivered["CIRRUS_TITLE"] == TITLE
    assert delivered["CIRRUS_USER"] == USER
    assert delivered["CIRRUS_JOB"] == str(job_id)
    assert delivered["CIRRUS_TARGET"] == "Paris:Laser1"
    assert delivered["CIRRUS_CLOUD_JOB"] == away.cloud.jobs()[0]["id"]
    events = [told["CIRRUS_EVENT"] for told in _record(away)]
    assert events[0] == "started" and events.index("delivered") < events.index("released")
    assert f'cirrus_status_requests_total{{server="{away.server}"}}' in metrics
    assert "cirrus_accepted_bytes_total" in metrics and "} 5.0" in metrics
    assert USER not in metrics and "Q3" not in metrics and away.key not in metrics
    assert "failed" not in away.statusd_log()


def test_a_removed_setting_harms_nothing(away: PrintSite) -> None:
    """A removed setting stops neither queue nor poller; the log names its line."""
    away.configure_statusd("notify = true")
    with away.statusd():
        job_id = _held_job(away)
        away.cloud.cli("location", "online", "Paris")
        away.cups.wait_job(job_id, "completed")
    (line,) = [line for line in away.statusd_log().splitlines() if "setting-removed" in line]
    assert "bridge.toml" in line and "Remove the line 'notify" in line


def test_a_missing_hook_harms_nothing(away: PrintSite) -> None:
    """The log has one line about a missing hook; jobs go on."""
    away.configure_statusd('hook = ["/nowhere/told"]')
    with away.statusd():
        job_id = _held_job(away)
        away.cloud.cli("location", "online", "Paris")
        away.cups.wait_job(job_id, "completed")
    lines = [line for line in away.statusd_log().splitlines() if "/nowhere/told" in line]
    assert len(lines) == 1 and "No such file" in lines[0] and "bridge.toml" in lines[0]


def test_a_stuck_hook_harms_nothing(away: PrintSite) -> None:
    """With a stuck hook, jobs go on, and the poller ends on request and logs the loss."""
    away.configure_statusd('hook = ["/bin/sleep", "25"]')
    with away.statusd():
        job_id = _held_job(away)
        away.cloud.cli("location", "online", "Paris")
        away.cups.wait_job(job_id, "completed")
    assert "event=hook-late" in away.statusd_log()


def test_one_round_tells_to_the_end(away: PrintSite) -> None:
    """`--once` reports all changes before it ends, and leaves the service's port alone."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        _use_hook(away, f"metrics_port = {service.getsockname()[1]}")
        _held_job(away)
        away.cloud.cli("location", "online", "Paris")
        away.wait_jobs(lambda jobs: all(job["state"] == 2 for job in jobs))
        with away.statusd("--once") as poller:
            assert poller.wait(60) == 0
    events = [told["CIRRUS_EVENT"] for told in _record(away)]
    assert "delivered" in events and events[-1] == "ended"


def test_somebody_else_has_the_port_of_the_metrics(away: PrintSite) -> None:
    """Any user can take the port; then the log says so, and jobs are followed."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        away.configure_statusd(f"metrics_port = {other.getsockname()[1]}")
        with away.statusd():
            job_id = _held_job(away)
            away.cloud.cli("location", "online", "Paris")
            away.cups.wait_job(job_id, "completed")
    (line,) = [line for line in away.statusd_log().splitlines() if "event=metrics-off" in line]
    assert "CB-202" in line and "in use" in line


def test_metrics_without_their_package(own_site: PrintSite, tmp_path: Path) -> None:
    """The poller names the missing package and does not start."""
    missing = "No module named 'prometheus_client'"
    (tmp_path / "prometheus_client.py").write_text(
        f'raise ModuleNotFoundError("{missing}", name="prometheus_client")\n'
    )
    own_site.configure_statusd(f"metrics_port = {reserved_port(own_site)}")
    with own_site.start_statusd(environ={"PYTHONPATH": str(tmp_path)}) as poller:
        assert poller.wait(60) == 1
    assert "cirrus-bridge[metrics]" in own_site.statusd_log()
    assert "CB-202" in own_site.statusd_log()


def test_a_hook_that_anybody_may_choose(own_site: PrintSite) -> None:
    """As root, the poller does not run a hook from a configuration that others can write."""
    _use_hook(own_site)
    (own_site.config / "bridge.toml").chmod(0o664)
    with own_site.start_statusd("--once") as poller:
        assert poller.wait(60) == 1
    assert "chmod go-w" in own_site.statusd_log()
    assert not _record(own_site)
