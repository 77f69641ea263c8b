"""The service when its cloud is away."""

from __future__ import annotations

from cirrus_bridge.ipp.message import Attribute, Attributes, Group, JobState, Operation, Status
from cirrus_bridge.ipp.values import Keyword
from paths import WELCOME
from printer_site import INVENTORY, PrinterSite, eventually

PDF = WELCOME.read_bytes()
_OTHER_DEVICE = """
[[device]]
company = "Acme"
location = "Paris"
id = "Laser2"
name = "Laser 2"
type = "file"
"""


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


def test_a_device_that_takes_another_format() -> None:
    """A job whose device no longer takes what can be made is held. It prints when an administrator
    has corrected the formats, and a person releases the job."""
    site = PrinterSite("", INVENTORY + _OTHER_DEVICE)
    with site:
        name = site.name
        inventory = site.cloud.data / "cloudlet.toml"
        job_id = site.print(PDF, [Attribute("job-hold-until", [Keyword("indefinite")])], name=name)
        for formats in ("pcl", "pdf"):
            site.stop()
            inventory.write_text(f'{INVENTORY}formats = ["{formats}"]\n{_OTHER_DEVICE}')
            site.start()
            asked = [Attribute("job-id", [job_id])]
            released = site.ask(Operation.RELEASE_JOB, asked, path="/")
            assert released.code == Status.OK
            job = site.wait_job(job_id, JobState.PENDING_HELD, JobState.COMPLETED)
            if formats == "pcl":
                assert job.number("job-state") == JobState.PENDING_HELD
                assert job.keywords("job-state-reasons") == ("job-held-for-review",)
                said = "This printer is not set up correctly. Tell your administrator. (CB-306)"
                assert job.text("job-state-message") == said
                assert "The device takes pcl only" in site.log()
        assert job.number("job-state") == JobState.COMPLETED
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
