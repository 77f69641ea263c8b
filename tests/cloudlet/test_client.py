"""The bridge's API client against the embedded cloud."""

from __future__ import annotations

import dataclasses
import gzip
import random
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import (
    ApiError,
    KeyRefused,
    NotPermitted,
    Refused,
    ServerMisconfigured,
)
from cirrus_bridge.base.model import Compression, Receipt, Segment, Target, Ticket
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.servers import Secret, Server
from cloudlet_server import CloudletServer, Tls

TARGET = Target("Office", "Folder")
DATA = random.Random(2).randbytes(100_000)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudletServer]:
    """One server for the tests of this file."""
    server = CloudletServer()
    server.start(tmp_path_factory.mktemp("cloud") / "data")
    yield server
    server.close()


def _api(
    cloud: CloudletServer,
    *,
    key: str | None = None,
    company: str | None = "ACME",
    ca_file: str | None = None,
) -> CloudApi:
    server = Server(
        name=cloud.url.partition("://")[2],
        api_key=Secret(key or cloud.key),
        company=company,
        ca_file=ca_file,
    )
    https = cloud.url.startswith("https")
    return CloudApi(server, "ACME", https=https, timeouts=UploadSettings())


def _document(job: dict[str, object]) -> bytes:
    return Path(str(job["document"])).read_bytes()


def _ticket(compression: Compression, *targets: Target, **props: str) -> Ticket:
    return Ticket(targets or (TARGET,), "A title", props, compression, str(uuid.uuid4()))


def _job(cloud: CloudletServer, job_id: str) -> dict[str, object]:
    (job,) = [job for job in cloud.jobs() if job["id"] == job_id]
    return job


@pytest.mark.parametrize(
    ("compression", "data"),
    [(Compression.NONE, DATA), (Compression.ZLIB, zlib.compress(DATA))],
)
def test_single_step(cloud: CloudletServer, compression: Compression, data: bytes) -> None:
    """putfile with targets."""
    (receipt,) = _api(cloud).put_file(data, _ticket(compression, copies="2"))
    job = _job(cloud, receipt.cloud_job_id)
    assert _document(job) == DATA
    assert (job["title"], job["props"]) == ("A title", {"copies": "2"})


@pytest.mark.parametrize(
    ("compression", "data"),
    [
        (Compression.NONE, DATA),
        (Compression.ZLIB, zlib.compress(DATA)),
        (Compression.GZIP, gzip.compress(DATA)),
    ],
)
def test_upload_then_submit_twice(
    cloud: CloudletServer, compression: Compression, data: bytes
) -> None:
    """tempfile and putsegment, then submitfile with different parameters for the same file."""
    api = _api(cloud)
    name = api.temp_file()
    api.put_segment(name, Segment(0, data))
    for copies in ("1", "5"):
        (receipt,) = api.submit_file(name, _ticket(compression, copies=copies, tray="T"))
        job = _job(cloud, receipt.cloud_job_id)
        assert _document(job) == DATA
        assert job["props"] == {"copies": copies, "tray": "T"}


def test_segments_in_any_order(cloud: CloudletServer) -> None:
    """tempfile, putsegment at byte positions of the compressed data, submitfile."""
    api = _api(cloud)
    name = api.temp_file()
    data = zlib.compress(DATA)
    segments = [Segment(at, data[at : at + 7000]) for at in range(0, len(data), 7000)]
    random.Random(3).shuffle(segments)
    for segment in [*segments, segments[0]]:
        api.put_segment(name, segment)
    (receipt,) = api.submit_file(name, _ticket(Compression.ZLIB))
    assert _document(_job(cloud, receipt.cloud_job_id)) == DATA


def test_gap(cloud: CloudletServer) -> None:
    """A file with a missing segment is never submitted."""
    api = _api(cloud)
    name = api.temp_file()
    api.put_segment(name, Segment(0, b"a" * 10))
    api.put_segment(name, Segment(20, b"b" * 10))
    with pytest.raises(Refused, match="missing"):
        api.submit_file(name, _ticket(Compression.NONE))


def test_several_targets(cloud: CloudletServer) -> None:
    """Each target gets a job id, in order; a wrong target prevents every job."""
    cloud.cli("device", "add", "ACME/Office/Second", "--type", "file")
    second = Target("Office", "Second")
    first_job, second_job = _api(cloud).put_file(b"x", _ticket(Compression.NONE, second, TARGET))
    assert _job(cloud, first_job.cloud_job_id)["device"] == "Second"
    assert _job(cloud, second_job.cloud_job_id)["device"] == "Folder"
    before = len(cloud.jobs())
    with pytest.raises(Refused, match="NoSuch"):
        _api(cloud).put_file(b"x", _ticket(Compression.NONE, TARGET, Target("Office", "NoSuch")))
    assert len(cloud.jobs()) == before


def test_status_location_device_version(cloud: CloudletServer) -> None:
    """The client reads a job's status, a location, a device and the version."""
    api = _api(cloud)
    (receipt,) = api.put_file(DATA, _ticket(Compression.NONE, copies="3"))
    status = api.job_status(receipt)
    assert (status.name, status.size_bytes) == ("A title", len(DATA))
    assert status.submitted
    assert api.location("Office")["LocID"] == "Office"
    assert api.device(TARGET)["DevID"] == "Folder"
    assert len(api.version()) == 4


def test_idempotency_key(cloud: CloudletServer) -> None:
    """A submit that is repeated with its key makes no second job, even after a server restart.

    A key of another request is refused.
    """
    api = _api(cloud)
    assert api.repeats_safely()
    name = api.temp_file()
    api.put_segment(name, Segment(0, DATA))
    submits: list[Callable[[Ticket], list[Receipt]]] = [
        lambda ticket: api.put_file(DATA, ticket),
        lambda ticket: api.submit_file(name, ticket),
    ]
    for submit in submits:
        ticket = _ticket(Compression.NONE, copies="2")
        first = submit(ticket)
        count = len(cloud.jobs())
        assert submit(ticket) == first
        cloud.restart()
        assert submit(ticket) == first
        assert len(cloud.jobs()) == count
        other = dataclasses.replace(ticket, title="Another title")
        with pytest.raises(Refused, match="another request"):
            submit(other)


def test_keys(cloud: CloudletServer) -> None:
    """Wrong keys and other companies' keys are refused; an unbound key needs a compid."""
    cloud.cli("company", "add", "Rival")
    rival = cloud.cli("key", "add", "--company", "Rival")
    unbound = cloud.cli("key", "add")
    refusals: dict[str, type[ApiError]] = {"wrong": KeyRefused, rival: NotPermitted}
    for key, refusal in refusals.items():
        with pytest.raises(refusal):
            _api(cloud, key=key).location("Office")
    with pytest.raises(KeyRefused):
        _api(cloud, key="wrong").put_file(DATA * 4, _ticket(Compression.NONE))
    assert _api(cloud, key=unbound, company=None).put_file(b"x", _ticket(Compression.NONE))
    with pytest.raises(Refused, match="compid"):
        _api(cloud, key=unbound).put_file(b"x", _ticket(Compression.NONE))


def test_tls(tmp_path: Path) -> None:
    """Only a certificate of a configured CA, for the right name, is trusted."""
    ca, stranger = trustme.CA(), trustme.CA()
    good, other_name = ca.issue_cert("127.0.0.1"), ca.issue_cert("elsewhere.example")
    for number, (cert, trusted) in enumerate(
        [(good, ca), (good, stranger), (other_name, ca), (good, None)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        chain, key, root = folder / "chain.pem", folder / "key.pem", folder / "ca.pem"
        cert.private_key_pem.write_to_path(key)
        for blob in cert.cert_chain_pems:
            blob.write_to_path(chain, append=True)
        if trusted:
            trusted.cert_pem.write_to_path(root)
        server = CloudletServer()
        server.start(folder / "data", Tls(chain, key))
        try:
            api = _api(server, ca_file=str(root) if trusted else None)
            if number == 0:
                assert api.location("Office")["LocID"] == "Office"
                continue
            with pytest.raises(ServerMisconfigured, match="not trusted"):
                api.put_file(b"x", _ticket(Compression.NONE))
            assert server.jobs() == []
        finally:
            server.close()
