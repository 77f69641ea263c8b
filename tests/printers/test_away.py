"""The service when its cloud is away."""

from __future__ import annotations

from cirrus_bridge.ipp.message import Attributes, Group, JobState, Operation
from paths import WELCOME
from printer_site import PrinterSite, eventually

PDF = WELCOME.read_bytes()


def _printer(site: PrinterSite) -> Attributes:
    return site.ask(Operation.GET_PRINTER_ATTRIBUTES).all(Group.PRINTER)[0]


def test_a_cloud_that_is_away() -> None:
    """The printer is offered as it was last seen, says what is wrong, and prints later, once."""
    with PrinterSite() as site:
        assert _printer(site).keywords("printer-state-reasons") == ()
        site.cloud.stop()
        site.stop()
        site.start()
        eventually(
            lambda: "connecting-to-device" in _printer(site).keywords("printer-state-reasons")
        )
        assert "Jobs wait, and print later." in _printer(site).text("printer-state-message")
        job_id = site.print(PDF)
        eventually(lambda: "CB-411" in site.job(job_id).text("job-state-message"))
        site.cloud.come_back()
        site.wait_job(job_id, JobState.COMPLETED)
        assert len(site.cloud.jobs()) == 1


def test_a_location_that_is_offline() -> None:
    """The job is processed until it is delivered; the printer tells of the location."""
    with PrinterSite() as site:
        site.cloud.cli("location", "offline", "Paris")
        job_id = site.print(PDF)
        job = site.wait_job(job_id, JobState.PROCESSING)
        eventually(lambda: site.job(job_id).keywords("job-state-reasons") == ("queued-in-device",))
        site.make_older(70)
        eventually(lambda: "offline-warning" in _printer(site).keywords("printer-state-reasons"))
        assert "Paris" in _printer(site).text("printer-state-message")
        site.cloud.cli("location", "online", "Paris")
        job = site.wait_job(job_id, JobState.COMPLETED)
        assert job.text("job-state-message") == "Delivered at Paris:Laser1."
        eventually(lambda: _printer(site).keywords("printer-state-reasons") == ())
