"""Upload then Submit File, and Upload Segments then Submit File, sentence by sentence."""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
import zlib
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

PDF = b"%PDF-1.4 the document\n%%EOF\n"
SUBMIT = {"targets": "Office:Folder", "title": "a.pdf"}


def _noise(length: int) -> bytes:
    """Bytes that do not compress."""
    return hashlib.shake_128(b"noise").digest(length)


def digest_of(shared: CloudletServer, job_id: str) -> str:
    """The digest of a delivered job's document."""
    found = shared.wait_for_job(job_id, 2)["sha256"]
    assert isinstance(found, str)
    return found


def test_putfile_without_parameters(curl: Curl) -> None:
    """Endpoint: /api/putfile. Parameters: none. A file name to be used in request 2."""
    (name,) = curl.put("/api/putfile", PDF).lines
    assert name
    assert curl.get("/api/submitfile", file=name, **SUBMIT).lines


@pytest.mark.parametrize("method", ["get", "post"])
def test_submitfile(curl: Curl, shared: CloudletServer, method: str) -> None:
    """file - the file name returned from response 1."""
    (name,) = curl.put("/api/putfile", PDF).lines
    (job_id,) = getattr(curl, method)("/api/submitfile", file=name, **SUBMIT).lines
    assert digest_of(shared, job_id) == hashlib.sha256(PDF).hexdigest()


def test_submitfile_again(curl: Curl, shared: CloudletServer) -> None:
    """This request can be repeated to submit the same file with different parameters."""
    (name,) = curl.put("/api/putfile", PDF).lines
    (first,) = curl.post("/api/submitfile", file=name, props="copies=2", **SUBMIT).lines
    second, third = curl.post(
        "/api/submitfile", file=name, targets="Office:Folder;Away:Folder", title="b"
    ).lines
    jobs = {job["id"]: job for job in shared.jobs()}
    assert len({first, second, third}) == 3
    assert [jobs[each]["props"] for each in (first, second)] == [{"copies": "2"}, {}]
    assert [jobs[each]["title"] for each in (first, second, third)] == ["a.pdf", "b", "b"]


@pytest.mark.parametrize(
    ("cmp", "body"),
    [
        ("0", PDF),
        ("1", zlib.compress(PDF)),
        ("2", gzip.compress(PDF, mtime=0)),
        ("2", gzip.compress(PDF[:9], mtime=0) + gzip.compress(PDF[9:], mtime=0)),
    ],
)
def test_cmp(curl: Curl, shared: CloudletServer, cmp: str, body: bytes) -> None:
    """cmp - 1 if the content is compressed using zlib (rfc 1950), or 2 if gzip (rfc 1952)."""
    (name,) = curl.put("/api/putfile", body).lines
    (job_id,) = curl.post("/api/submitfile", file=name, cmp=cmp, **SUBMIT).lines
    assert digest_of(shared, job_id) == hashlib.sha256(PDF).hexdigest()


@pytest.mark.parametrize(
    ("cmp", "body", "word"),
    [
        ("1", gzip.compress(PDF, mtime=0), "damaged"),
        ("2", zlib.compress(PDF), "damaged"),
        ("2", gzip.compress(PDF, mtime=0)[:-1], "incomplete"),
        ("2", gzip.compress(PDF, mtime=0)[:-8] + bytes(8), "damaged"),
        ("2", gzip.compress(PDF, mtime=0) + b"rest", "damaged"),
        ("1", zlib.compress(PDF) + b"rest", "after the end"),
        ("3", PDF, "cmp"),
        ("0", b"", "empty"),
    ],
)
def test_damaged_content(curl: Curl, cmp: str, body: bytes, word: str) -> None:
    """Error: message, for content that does not match cmp."""
    (name,) = curl.put("/api/putfile", body).lines
    curl.post("/api/submitfile", file=name, cmp=cmp, **SUBMIT).refused(word)


@pytest.mark.parametrize("props", ["copies=2\ncolor=1", "copies=2;color=1", "copies=2\r\ncolor=1;"])
def test_props_of_two_steps(curl: Curl, shared: CloudletServer, props: str) -> None:
    """props - a line-feed or semicolon delimited list of name=value pairs."""
    (name,) = curl.put("/api/putfile", PDF).lines
    (job_id,) = curl.post("/api/submitfile", file=name, props=props, **SUBMIT).lines
    job = next(job for job in shared.jobs() if job["id"] == job_id)
    assert job["props"] == {"copies": "2", "color": "1"}


def test_props_of_segments(curl: Curl, shared: CloudletServer) -> None:
    """props - a line-feed delimited list, where the file was uploaded by segments."""
    name = curl.upload({0: PDF})
    (job_id,) = curl.post("/api/submitfile", file=name, props="a=1;b=2\nc=3", **SUBMIT).lines
    job = next(job for job in shared.jobs() if job["id"] == job_id)
    assert job["props"] == {"a": "1;b=2", "c": "3"}


@pytest.mark.parametrize("missing", ["file", "targets", "title"])
def test_missing_parameter(curl: Curl, missing: str) -> None:
    """A required parameter that is missing is a fault of the request, and is named."""
    fields = {"file": curl.put("/api/putfile", PDF).text, **SUBMIT}
    fields.pop(missing)
    answer = curl.post("/api/submitfile", **fields)
    assert answer.status == 400
    assert missing in answer.text


def test_unknown_file(curl: Curl) -> None:
    """Error: message, for an unknown file."""
    curl.post("/api/submitfile", file="../cloudlet.db", **SUBMIT).refused("unknown")
    curl.put("/api/putsegment", b"x", file="none", index="0").refused("unknown")


def test_tempfile(curl: Curl) -> None:
    """Obtain a temporary file to upload segments to: a file name."""
    names = {curl.get("/api/tempfile").text, curl.post("/api/tempfile").text}
    assert len(names) == 2
    assert all(name.isalnum() for name in names)


def test_segments(curl: Curl, shared: CloudletServer) -> None:
    """This must be repeated until all bytes of the file have been uploaded."""
    whole = zlib.compress(b"%PDF" + _noise(300_000))
    pieces = {at: whole[at : at + 50_000] for at in range(0, len(whole), 50_000)}
    order = sorted(pieces, key=lambda at: hashlib.sha256(bytes(at)).digest())
    name = curl.upload({at: pieces[at] for at in order})
    (job_id,) = curl.post("/api/submitfile", file=name, cmp="1", **SUBMIT).lines
    assert digest_of(shared, job_id) == hashlib.sha256(zlib.decompress(whole)).hexdigest()
    job = curl.get(f"/api/get/job/ACME/Office/Folder/{job_id}").json
    assert sorted(job["Segments"]) == sorted(map(len, pieces.values()))


def test_segments_in_parallel(curl: Curl, shared: CloudletServer) -> None:
    """Segments may arrive in parallel, and a repeated segment counts once."""
    whole = b"%PDF" + _noise(400_000)
    name = curl.get("/api/tempfile").text

    def put(at: int) -> None:
        curl.put("/api/putsegment", whole[at : at + 100_000], file=name, index=str(at))

    threads = [threading.Thread(target=put, args=(at,)) for at in (*range(0, 400_004, 100_000), 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (job_id,) = curl.post("/api/submitfile", file=name, **SUBMIT).lines
    assert digest_of(shared, job_id) == hashlib.sha256(whole).hexdigest()


def test_bytes_written(curl: Curl) -> None:
    """The number of bytes written, which should match the content length of the PUT data."""
    name = curl.get("/api/tempfile").text
    for body in (b"", b"x", bytes(100_000)):
        assert curl.put("/api/putsegment", body, file=name, index="7").text == str(len(body))


def test_later_segments_replace_earlier_bytes(curl: Curl, shared: CloudletServer) -> None:
    """index - the byte position (0-based) of this segment; sent again, the newest bytes count."""
    name = curl.upload({4: b"bbbb", 0: b"%PDFxx", 2: b"yyy", 6: b"zz"})
    (job_id,) = curl.post("/api/submitfile", file=name, **SUBMIT).lines
    assert digest_of(shared, job_id) == hashlib.sha256(b"%Pyyyxzz").hexdigest()


@pytest.mark.parametrize(
    ("segments", "byte"),
    [({5: b"xyz"}, 0), ({0: b"abc", 5: b"xyz"}, 3), ({0: b"abc", 1: b"", 4: b"d"}, 3)],
)
def test_gaps(curl: Curl, segments: dict[int, bytes], byte: int) -> None:
    """This must be repeated until all bytes of the file have been uploaded."""
    name = curl.upload(segments)
    curl.post("/api/submitfile", file=name, **SUBMIT).refused(f"byte {byte} is missing")
    curl.put("/api/putsegment", b"%PDF-1.4", file=name, index="0")
    assert curl.post("/api/submitfile", file=name, **SUBMIT).lines


def test_no_segments(curl: Curl) -> None:
    """Error: message, for a file without segments."""
    curl.post("/api/submitfile", file=curl.get("/api/tempfile").text, **SUBMIT).refused("empty")


def test_index_is_within_the_compressed_data(curl: Curl, shared: CloudletServer) -> None:
    """index: when using compression, this is the index within the compressed data."""
    packed = gzip.compress(PDF * 1000, mtime=0)
    name = curl.upload({10: packed[10:], 0: packed[:10]})
    (job_id,) = curl.post("/api/submitfile", file=name, cmp="2", **SUBMIT).lines
    assert digest_of(shared, job_id) == hashlib.sha256(PDF * 1000).hexdigest()


@pytest.mark.parametrize("index", ["", "-1", "1.5", "x", "٣", "1e3", " 1"])
def test_bad_index(curl: Curl, index: str) -> None:
    """Error: message, for an index that is not a byte position."""
    name = curl.get("/api/tempfile").text
    curl.put("/api/putsegment", b"x", file=name, index=index).refused("index")


@pytest.mark.parametrize("missing", ["file", "index"])
def test_putsegment_missing_parameter(curl: Curl, missing: str) -> None:
    """A required parameter that is missing is a fault of the request, and is named."""
    fields = {"file": curl.get("/api/tempfile").text, "index": "0"}
    fields.pop(missing)
    answer = curl.put("/api/putsegment", b"x", **fields)
    assert answer.status == 400
    assert missing in answer.text


def test_a_file_of_putfile_takes_no_segments(curl: Curl) -> None:
    """file - the file name returned in response 1, of tempfile."""
    (name,) = curl.put("/api/putfile", PDF).lines
    curl.put("/api/putsegment", b"x", file=name, index="0").refused("putfile")


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_an_incomplete_segment_does_not_count(
    curl: Curl, shared: CloudletServer, framing: str
) -> None:
    """A client that disconnects within a body changes no byte of the file."""
    name = curl.upload({0: b"%PDF-old"})
    head = f"PUT /api/putsegment?file={name}&index=%s HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: Bearer {curl.key}\r\n"
    if framing == "length":
        request = head + "Content-Length: 100000\r\n\r\n" + "n" * 50_000
    else:
        request = head + "Transfer-Encoding: chunked\r\n\r\n4\r\nnnnn\r\n"
    for index in ("4", "8"):
        with socket.create_connection(("127.0.0.1", shared.port)) as connection:
            connection.sendall((request % index).encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    (job_id,) = curl.post("/api/submitfile", file=name, **SUBMIT).lines
    assert digest_of(shared, job_id) == hashlib.sha256(b"%PDF-old").hexdigest()


def test_a_file_of_another_company(curl: Curl, shared: CloudletServer) -> None:
    """A file is unknown to the keys of other companies."""
    rival = Curl(shared.url, shared.cli("key", "add", "--company", "Rival"))
    name = rival.upload({0: PDF})
    curl.post("/api/submitfile", file=name, **SUBMIT).refused("unknown")
    curl.put("/api/putsegment", b"x", file=name, index="0").refused("unknown")
    free = Curl(shared.url, shared.cli("key", "add"))
    free.post("/api/submitfile", file=name, compid="ACME", **SUBMIT).refused("unknown")


@pytest.mark.parametrize("size", [50_000, 1_000_000])
def test_a_document_is_no_copy(shared: CloudletServer, curl: Curl, size: int) -> None:
    """An uncompressed upload in one segment is not copied, and stays as it was submitted."""
    first, second = b"%PDF" + bytes(size), b"%PDF" + b"1" * size
    name = curl.upload({0: first})
    (job_id,) = curl.post("/api/submitfile", file=name, targets="Away:Folder", title="a").lines
    (job,) = (job for job in shared.jobs() if job["id"] == job_id)
    document = Path(job["document"])
    assert document.stat().st_nlink == 2
    assert curl.put("/api/putsegment", second, file=name, index="0").lines
    assert document.read_bytes() == first
    assert document.stat().st_nlink == 1
    assert document.stat().st_mode & 0o777 == 0o600
