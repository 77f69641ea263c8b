"""Messages of jobs and queues of a real cupsd, in the user's language."""

from __future__ import annotations

import re
import subprocess

import pytest

from print_site import BACKEND, PrintSite, eventually

HOLD = "?waittimeout=1"
COMPLETED = 9
IN_GERMAN = {"LC_ALL": "de_DE.UTF-8"}


def _lp(site: PrintSite, queue: str, environ: dict[str, str], data: bytes = b"x") -> int:
    """Print as a person with this environment does."""
    done = subprocess.run(
        ["lp", "-d", queue],
        env=site.cups.env | environ,
        input=data,
        capture_output=True,
        check=True,
    )
    (number,) = re.findall(rf"{queue}-(\d+)", done.stdout.decode())
    return int(number)


def _says(site: PrintSite, job_id: int) -> str:
    job = site.cups.job(job_id)
    return str(job.get("job-message-from-operator") or job["job-printer-state-message"])


def test_a_held_job_speaks_its_owners_language(own_site: PrintSite) -> None:
    """A job's messages are in its owner's language, and its queue's in the poller's.

    Logs are in English. The backend gets the language from CUPS, the poller from the backend.
    """
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    queue = site.queue(driver=False, options=HOLD)
    german, english = _lp(site, queue, IN_GERMAN), _lp(site, queue, {})
    for job_id in (german, english):
        site.cups.wait_job(job_id, "held")
    assert _says(site, german).startswith(
        "Warten auf die Zustellung am Standort Paris. Der Auftrag"
    )
    assert "verfolgt niemand den Auftrag" in _says(site, german)
    assert _says(site, english).startswith("Waiting for delivery at Paris. The cloud already has")
    with site.start_statusd(environ={"LANG": "fr_FR.UTF-8"}) as poller:
        eventually(lambda: "verfolgt niemand" not in _says(site, german))
        assert _says(site, german) == (
            "Warten auf die Zustellung am Standort Paris. "
            "Der Auftrag ist schon in der Cloud; ein Abbruch hier hält ihn nicht mehr auf."
        )
        eventually(lambda: "has not been tracked" not in _says(site, english))
        assert _says(site, english).startswith(
            "Waiting for delivery at Paris. The cloud already has"
        )
        eventually(
            lambda: (
                site.cups.printer(queue)["printer-state-message"]
                == "Cirrus Bridge: 2 travaux en attente sur le site Paris"
            )
        )
        eventually(lambda: "event=queue queue=" in site.statusd_log())
        assert 'message="2 jobs waiting at Paris"' in site.statusd_log()
        site.cloud.cli("location", "online", "Paris")
        assert site.cups.wait_job(german)["job-state"] == COMPLETED
        assert site.cups.wait_job(english)["job-state"] == COMPLETED
        assert poller.end() == 0
    assert 'message="Delivered at Paris:Laser1"' in site.statusd_log()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de_AT", "hat die Anfrage abgelehnt: "),
        ("fr_FR", " a refusé la requête : "),
        ("es_MX", " ha rechazado la petición: "),
        ("ja_JP", " が要求を拒否しました: "),
        ("pt_BR", " refused the request: "),
    ],
)
def test_what_went_wrong(site: PrintSite, language: str, said: str) -> None:
    """An error has the same code and the server's own words in each language."""
    queue = site.queue(f"Paris:Missing-{language}", driver=False)
    job_id = _lp(site, queue, {"LC_ALL": f"{language}.UTF-8"})
    site.cups.wait_job(job_id, "held")
    message = _says(site, job_id)
    assert message.startswith(site.server)
    assert said in message
    assert "unknown" in message
    assert message.endswith("(CB-401)")


def test_by_hand(site: PrintSite) -> None:
    """A backend that is run by hand uses the shell's language."""
    environ = site.environ | {"LANG": "C", "LANGUAGE": "es:de", "CIRRUS_BRIDGE_CONFIG": "/nowhere"}
    done = subprocess.run([BACKEND], env=environ, capture_output=True, text=True, check=False)
    assert "No hay ninguna entrada [[server]] en /nowhere/servers.d/*.toml" in done.stderr
