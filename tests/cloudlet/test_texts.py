"""Texts at devices that take texts: recognized at submit, and delivered in the device's charset."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Curl

TEXT = "Größe und Gewicht der Straßenbahn überschreiten für gewöhnlich alle Maße.\n"


@pytest.fixture(scope="session")
def devices(shared: CloudletServer) -> CloudletServer:
    """A device of the default charset, one of a DOS charset, and one that takes anything."""
    add = ("device", "add", "--type", "file")
    shared.cli(*add, "ACME/Office/Text", "--formats", "txt")
    shared.cli(*add, "ACME/Office/Matrix", "--formats", "txt;pcl", "--charset", "IBM437")
    shared.cli(*add, "ACME/Office/Declared", "--charset", "cp1252")
    return shared


def _delivered(server: CloudletServer, curl: Curl, device: str, document: bytes) -> bytes:
    job_id = curl.submit(document, targets=f"Office:{device}", title="a")
    job = server.wait_for_job(job_id, 2)
    assert job["ext"] == "txt"
    assert Path(job["document"]).read_bytes() == document
    return Path(job["delivered_path"]).read_bytes()


@pytest.mark.parametrize(
    "encoding",
    [
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "cp1252",
        "iso8859-1",
        "iso8859-15",
        "cp850",
        "cp437",
        "mac-roman",
    ],
)
def test_each_device_gets_its_charset(devices: CloudletServer, curl: Curl, encoding: str) -> None:
    """A text arrives in the charset of the device, and unchanged where any format is taken."""
    document = TEXT.encode(encoding)
    for device, charset in (("Matrix", "cp437"), ("Declared", "cp1252")):
        assert _delivered(devices, curl, device, document) == TEXT.encode(charset)
    assert _delivered(devices, curl, "Text", document).decode("utf-8-sig") == TEXT
    assert _delivered(devices, curl, "Folder", document) == document


@pytest.mark.parametrize(
    "text",
    [
        "a\u00a0b\n",
        "\ufeffa\n",
        "soft\u00adhyphen\n",
        "漢\u3000字\n",
        "page\fpage\n",
        "\x0fsmall\x12\x1bE\n",
    ],
)
def test_texts_that_were_called_binaries(devices: CloudletServer, curl: Curl, text: str) -> None:
    """Unusual spaces, marks and printer codes are part of texts."""
    assert _delivered(devices, curl, "Text", text.encode()) == text.encode()


def test_a_text_that_does_not_fit(devices: CloudletServer, curl: Curl) -> None:
    """The submit is refused with the first character that the device lacks, and makes no job."""
    before = devices.cli("job", "list")
    fields = {"targets": "Office:Text;Office:Matrix", "title": "a"}
    answer = curl.put("/api/putfile", "one\n“two”\n".encode(), **fields)
    answer.refused("'Matrix'", "cp437", "'“' (U+201C) in line 2")
    assert devices.cli("job", "list") == before


@pytest.mark.parametrize("document", [b"x" * 5000 + b"\0", b"\x89PNG\r\n\x1a\n\0", b"\xff" * 99])
def test_a_binary_is_not_taken_for_a_text(
    devices: CloudletServer, curl: Curl, document: bytes
) -> None:
    """A single control character far behind the beginning is enough."""
    answer = curl.put("/api/putfile", document, targets="Office:Text", title="a.txt")
    answer.refused("takes txt", "bin")


def test_a_charset_that_changes(own: CloudletServer) -> None:
    """A text that waits is delivered in the new charset, or held with the reason."""
    own.cli("device", "add", "ACME/Office/T", "--type", "file", "--charset", "utf-8")
    own.cli("location", "offline", "Office")
    curl = Curl(own.url, own.key)
    euro, other = (curl.submit(t.encode(), targets="Office:T") for t in ("100 €", "日本"))
    path = own.data / "cloudlet.toml"
    path.write_text(path.read_text().replace('"utf-8"', '"cp1252"'))
    own.cli("location", "online", "Office")
    job = own.wait_for_job(euro, 2)
    assert Path(job["delivered_path"]).read_bytes() == b"100 \x80"
    held = own.wait_for_job(other, 1, message="Error: the device takes texts in cp1252, and this"
        " document has '日' (U+65E5) in line 1, which cp1252 lacks; the job waits until"
        " somebody delivers it again")  # fmt: skip
    assert held["delivered_path"] is None
    assert {each.name for each in (own.data / "documents").iterdir()} == {
        Path(each["document"]).name for each in (job, held)
    }


def test_an_unknown_charset(shared: CloudletServer) -> None:
    done = shared.cli_result("device", "add", "ACME/Office/X", "--charset", "klingon")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "klingon" in done.stderr
