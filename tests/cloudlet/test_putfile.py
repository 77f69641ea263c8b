"""Upload and Submit File: the sentences of the API document, each as a test."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

PDF = b"%PDF-1.4 the document\n%%EOF\n"


def test_put_uploads_and_submits(curl: Curl, shared: CloudletServer) -> None:
    """Use a PUT method to upload a file, and parameters to indicate the target device(s)."""
    answer = curl.put("/api/putfile", PDF, targets="Office:Folder", title="a.pdf")
    job = shared.wait_for_job(answer.lines[0], 2)
    assert job["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert Path(job["delivered_path"]).read_bytes() == PDF


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_only_put(curl: Curl, method: str) -> None:
    """Use a PUT method to upload a file."""
    answer = curl.run("/api/putfile?targets=Office:Folder&title=a", "-X", method)
    assert answer.status == 405
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_targets(curl: Curl, shared: CloudletServer) -> None:
    """targets - semicolon-delimited list of targets, each target format LocID:DevID."""
    targets = "Away:Folder;Office:Folder;Away:Folder"
    ids = curl.put("/api/putfile", PDF, targets=targets, title="a.pdf").lines
    jobs = {job["id"]: f"{job['location']}:{job['device']}" for job in shared.jobs()}
    assert [jobs[each] for each in ids] == targets.split(";")


def test_title(curl: Curl) -> None:
    """title - the name of the file."""
    title = "Früh – 印刷 «a;b=c»\t/../%41+&.pdf"
    job_id = curl.submit(PDF, title=title)
    assert curl.get(f"/api/get/job/ACME/Office/Folder/{job_id}").json["Name"] == title


def test_compid_is_not_needed(curl: Curl) -> None:
    """compid - not needed if using API Key authentication."""
    assert curl.submit(PDF)
    assert curl.submit(PDF, compid="ACME")


def test_compid_is_needed_by_a_key_of_no_company(shared: CloudletServer) -> None:
    """compid - not needed if using API Key authentication (with a key that names a company)."""
    free = Curl(shared.url, shared.cli("key", "add"))
    fields = {"targets": "Office:Folder", "title": "a"}
    assert free.put("/api/putfile", PDF, compid="ACME", **fields).lines
    missing = free.put("/api/putfile", PDF, **fields)
    assert missing.status == 400
    assert "compid" in missing.text
    free.put("/api/putfile", PDF, compid="Nobody", **fields).refused("Nobody")


def test_cmp(curl: Curl, shared: CloudletServer) -> None:
    """cmp - 1 if the put content is compressed using zlib (rfc 1950)."""
    job_id = curl.submit(zlib.compress(PDF), cmp="1")
    job = shared.wait_for_job(job_id, 2)
    assert (job["size"], job["sha256"]) == (len(PDF), hashlib.sha256(PDF).hexdigest())


def test_cmp_of_a_large_document(curl: Curl, shared: CloudletServer) -> None:
    """A document that is large only when it is decompressed arrives whole, and once."""
    document = PDF + bytes(3 << 20)
    job_id = curl.submit(zlib.compress(document), title="large", cmp="1")
    assert shared.wait_for_job(job_id, 2)["sha256"] == hashlib.sha256(document).hexdigest()
    assert [job["title"] for job in shared.jobs()].count("large") == 1


@pytest.mark.parametrize("cmp", ["", "2", "3", "01", "x", "-1"])
def test_cmp_of_another_value(curl: Curl, cmp: str) -> None:
    """cmp - 1 if the put content is compressed using zlib: other values are refused."""
    body = gzip.compress(PDF, mtime=0)
    query = {"targets": "Office:Folder", "title": "a", "cmp": cmp}
    if cmp:
        curl.put("/api/putfile", body, **query).refused("cmp")
    else:
        assert curl.put("/api/putfile", body, **query).lines


def test_props(curl: Curl) -> None:
    """props - a line-feed delimited list of name=value pairs to specify properties for the job."""
    props = "copies=2\nduplex=3\nkey=a=b;c=d\nempty="
    job_id = curl.submit(PDF, props=props)
    found = curl.get(f"/api/get/job/ACME/Office/Folder/{job_id}").json["Properties"]
    assert found == {"copies": "2", "duplex": "3", "key": "a=b;c=d", "empty": ""}


def test_job_ids(curl: Curl) -> None:
    """A line-feed delimited list of job ID's, one per target."""
    answer = curl.put("/api/putfile", PDF, targets="Office:Folder;Away:Folder", title="a")
    assert len(set(answer.lines)) == 2
    assert all(re.fullmatch(r"\d{14}-[1-9]\d*", each) for each in answer.lines)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("targets", "word"),
    [
        ("", "empty"),
        ("Office", "LocID:DevID"),
        ("Office:Folder:x", "LocID:DevID"),
        ("Office:Folder;", "LocID:DevID"),
        (":Folder", "location"),
        ("Office:", "device"),
        ("Nowhere:Folder", "Nowhere"),
        ("Office:None", "None"),
        ("Office:..", ".."),
        ("Office:Folder;Office:None", "None"),
        ("Office:a\nb", "holds"),
    ],
)
def test_error(curl: Curl, shared: CloudletServer, targets: str, word: str) -> None:
    """Error: message; a wrong target prevents the jobs of all targets."""
    before = len(shared.jobs())
    curl.put("/api/putfile", PDF, targets=targets, title="a").refused(word)
    assert len(shared.jobs()) == before


@pytest.mark.parametrize("missing", ["targets", "title"])
def test_missing_parameter(curl: Curl, missing: str) -> None:
    """A required parameter that is missing is a fault of the request, and is named."""
    fields = {"targets": "Office:Folder", "title": "a", "cmp": "0"}
    fields.pop(missing)
    answer = curl.put("/api/putfile", PDF, **fields)
    assert answer.status == 400
    assert missing in answer.text


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (zlib.compress(PDF)[:-1], "incomplete"),
        (zlib.compress(PDF)[:5], "incomplete"),
        (zlib.compress(PDF)[:-1] + b"\0", "damaged"),
        (zlib.compress(PDF) + b"\n", "after the end"),
        (zlib.compress(PDF) * 2, "after the end"),
        (gzip.compress(PDF, mtime=0), "damaged"),
        (zlib.compress(b""), "empty"),
        (PDF, "damaged"),
    ],
)
def test_damaged_content(curl: Curl, body: bytes, word: str) -> None:
    """Compressed content is refused if it is incomplete, damaged or followed by bytes."""
    curl.put("/api/putfile", body, targets="Office:Folder", title="a", cmp="1").refused(word)


def _coded(coding: str, data: bytes) -> bytes:
    if coding == "deflate":
        return zlib.compress(data)
    return gzip.compress(data) if coding.lower().endswith("gzip") else data


@pytest.mark.parametrize("coding", ["gzip", "X-GZIP", "deflate", "identity", ""])
def test_content_encoding(curl: Curl, shared: CloudletServer, coding: str) -> None:
    """A coding belongs to the transfer of one body: the content is stored (RFC 9110, 8.4)."""
    header = ("-H", f"Content-Encoding: {coding}" if coding else "Content-Encoding;")
    send = ("-X", "PUT", "--data-binary", "@-", *header)
    path = "/api/putfile?targets=Office:Folder&title=a"
    (job_id,) = curl.run(path, *send, body=_coded(coding, PDF)).lines
    assert shared.wait_for_job(job_id, 2)["sha256"] == hashlib.sha256(PDF).hexdigest()
    name, rest = curl.upload({0: PDF[:5]}), PDF[5:]
    path = f"/api/putsegment?file={name}&index=5"
    assert curl.run(path, *send, body=_coded(coding, rest)).lines == [str(len(rest))]
    (job_id,) = curl.get("/api/submitfile", file=name, targets="Office:Folder", title="a").lines
    assert shared.wait_for_job(job_id, 2)["sha256"] == hashlib.sha256(PDF).hexdigest()


def test_content_encoding_and_cmp(curl: Curl, shared: CloudletServer) -> None:
    """`cmp` describes the document inside of the transfer's coding."""
    body = gzip.compress(zlib.compress(PDF))
    send = ("-X", "PUT", "--data-binary", "@-", "-H", "Content-Encoding: gzip")
    path = "/api/putfile?targets=Office:Folder&title=a&cmp=1"
    (job_id,) = curl.run(path, *send, body=body).lines
    assert shared.wait_for_job(job_id, 2)["sha256"] == hashlib.sha256(PDF).hexdigest()


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "compress"])
def test_unknown_content_encoding(curl: Curl, coding: str) -> None:
    """A coding that the server does not know gets status 415, and the codings that it takes."""
    header = ("-H", f"Content-Encoding: {coding}")
    answer = curl.run("/api/putfile", "-X", "PUT", *header, "--data-binary", "@-", body=PDF)
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, deflate")
    assert coding in answer.text
    assert curl.run("/api/submitfile", *header, "-d", "file=x").status == 415


@pytest.mark.attacker("print key")
def test_content_encoding_within_the_limits(own: CloudletServer) -> None:
    """A body is not larger than the limit after it is decoded, nor damaged, nor cut short."""
    curl = Curl(own.url, own.key)
    with (own.data / "cloudlet.toml").open("a") as toml:
        toml.write("\n[limits]\ndocument_bytes = 1000000\n")
    send = ("-X", "PUT", "--data-binary", "@-", "-H", "Content-Encoding: gzip")
    packed = gzip.compress(bytes(1_000_000))
    assert len(curl.run("/api/putfile", *send, body=packed).lines) == 1
    assert curl.run("/api/putfile", *send, body=gzip.compress(bytes(1_000_001))).status == 413
    curl.run("/api/putfile", *send, body=packed[:-1]).refused("incomplete")
    curl.run("/api/putfile", *send, body=b"").refused("incomplete")
    curl.run("/api/putfile", *send, body=PDF).refused("damaged")
    members = gzip.compress(b"") * 2000
    curl.run("/api/putfile", *send, body=members).refused("too many")
    assert not [path for path in (own.data / "uploads").iterdir() if path.stat().st_size < 1000]


@pytest.mark.parametrize(
    ("document", "ext"),
    [
        (b"%PDF-1.7\n", "pdf"),
        (b"%!PS-Adobe-3.0\n", "ps"),
        (b"\x1bE\x1b&l0O", "pcl"),
        (b"\x1b%-12345X@PJL\r\n@PJL ENTER LANGUAGE=PCL\r\n", "pcl"),
        (b"\x1b%-12345X@PJL\r\n@PJL ENTER LANGUAGE = PCLXL\r\n", "pcl6"),
        ("Grüße\tan alle\n".encode(), "txt"),
        (b"x", "txt"),
        ("é".encode() * 5000, "txt"),
        (b"x" * 4095 + "é".encode(), "txt"),
        (b"\x89PNG\r\n\x1a\n\0", "bin"),
        (b"\0", "bin"),
    ],
)
def test_formats(curl: Curl, document: bytes, ext: str) -> None:
    """A device takes the formats that it lists; a document's content decides its format."""
    job_id = curl.submit(document, title="surely.pdf")
    job = curl.get(f"/api/get/job/ACME/Office/Folder/{job_id}").json
    assert job["Ext"] == ext
    assert job["RawPrint"] is (ext in ("ps", "pcl", "pcl6"))
    answer = curl.put("/api/putfile", document, targets="Office:PDF only", title="a.pdf")
    if ext == "pdf":
        assert answer.lines
    else:
        answer.refused("takes pdf", ext)


def test_chunked(curl: Curl, shared: CloudletServer) -> None:
    """A body of unknown length is accepted."""
    body = b"%PDF" + bytes(range(256)) * 20_000
    path = "/api/putfile?targets=Office:Folder&title=a"
    (job_id,) = curl.run(path, "-T", "-", body=body).lines
    assert shared.wait_for_job(job_id, 2)["size"] == len(body)
