"""Printing on a real cupsd to the embedded cloud: bytes, props, job states and messages."""

from __future__ import annotations

import hashlib
import os
import random
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from pypdf import PdfReader

from one_page_pdf import one_page_pdf
from print_site import PrintSite, document


def test_pdf_through_the_driver(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """A filtered job arrives as PDF with the requested props.

    Unlike in CUPS-Cloud-Print's own copy loop, three copies are one prop of one submit.
    """
    device = site.device()
    queue = site.queue(f"Paris:{device}")
    job_id = site.cups.lp(
        queue, "-n", "3", "-o", "sides=two-sided-long-edge", "-o", "print-color-mode=color",
        "-o", "collate=true", "-o", "InputSlot=Tray2", "-o", "media=A4", "-t", "Report", pdfs[20],
    )  # fmt: skip
    job = site.cups.wait_job(job_id)
    assert job["job-state"] == 9
    (delivered,) = site.cloud_jobs(device, 1)
    assert delivered["props"] == {
        "copies": "3", "duplex": "2", "color": "2", "collate": "1", "tray": "Tray2", "size": "A4",
    }  # fmt: skip
    assert (delivered["title"], delivered["state_name"]) == ("Report", "delivered")
    assert len(PdfReader(delivered["document"]).pages) == 20
    assert Path(delivered["delivered_path"]).read_bytes() == document(delivered)


def test_only_what_was_asked_for(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """A plain job leaves duplex, tray and size to the device; color is the queue's default."""
    device = site.device()
    site.cups.wait_job(site.cups.lp(site.queue(f"Paris:{device}"), pdfs[1]))
    (delivered,) = site.cloud_jobs(device, 1)
    assert delivered["props"] == {"copies": "1", "color": "2"}
    assert len(PdfReader(delivered["document"]).pages) == 1


@pytest.mark.parametrize("size", [1, 499_000, 700_000])
def test_raw_file_byte_for_byte(site: PrintSite, tmp_path: Path, size: int) -> None:
    """A raw file arrives unchanged, by one request or by segments."""
    device = site.device()
    data = random.Random(size).randbytes(size)  # incompressible
    (tmp_path / "raw").write_bytes(data)
    queue = site.queue(f"Paris:{device}", driver=False)
    job_id = site.cups.lp(queue, "-n", "2", "-o", "raw", "-o", "landscape", tmp_path / "raw")
    job = site.cups.wait_job(job_id)
    assert job["job-state"] == 9
    (delivered,) = site.cloud_jobs(device, 1)
    assert document(delivered) == data
    assert delivered["props"] == {"copies": "2", "orientation": "2"}
    rows = site.journal(
        "SELECT state, sha256, size_bytes, temp_file IS NULL FROM document WHERE job_uuid = ?",
        job["job-uuid"],
    )
    assert rows == [("closed", hashlib.sha256(data).hexdigest(), size, size < 500_000)]


def test_raw_from_standard_input_of_lp(site: PrintSite) -> None:
    """`… | lp` works on a raw queue."""
    device = site.device()
    data = b"plain text\n" * 100
    site.cups.wait_job(site.cups.lp(site.queue(f"Paris:{device}", driver=False), data=data))
    (delivered,) = site.cloud_jobs(device, 1)
    assert document(delivered) == data


def test_text_through_the_driver(site: PrintSite, tmp_path: Path) -> None:
    """A text file becomes PDF."""
    device = site.device()
    (tmp_path / "t.txt").write_text("Grüße aus dem Norden\n")
    site.cups.wait_job(site.cups.lp(site.queue(f"Paris:{device}"), tmp_path / "t.txt"))
    (delivered,) = site.cloud_jobs(device, 1)
    assert (delivered["ext"], len(PdfReader(delivered["document"]).pages)) == ("pdf", 1)


@pytest.mark.sampled(driver=[False])
@pytest.mark.parametrize("driver", [False, True], ids=["raw", "filtered"])
def test_60_mb(site: PrintSite, tmp_path: Path, driver: bool) -> None:
    """A large job arrives whole, in segments, and shows its progress."""
    device = site.device()
    path = tmp_path / "large.pdf"
    noise = random.Random(1).randbytes(60_000_000)
    path.write_bytes(_pdf_with(noise) if driver else noise)
    queue = site.queue(f"Paris:{device}", driver=driver)
    job_id = site.cups.lp(queue, *(() if driver else ("-o", "raw")), path)
    job = site.cups.wait_job(job_id, timeout_s=120)
    assert job["job-state"] == 9
    (delivered,) = site.cloud_jobs(device, 1)
    assert delivered["size"] >= 60_000_000
    if driver:
        assert len(PdfReader(delivered["document"]).pages) == 1
        assert noise[1_000_000:1_000_100] in document(delivered)
    else:
        assert delivered["sha256"] == hashlib.sha256(noise).hexdigest()
        progress = rf"\[Job {job_id}\] ATTR: job-media-progress=[1-9][0-9]\n"
        assert re.search(progress, site.cups.error_log())
    ((confirmed,),) = site.journal(
        "SELECT sum(length) FROM segment WHERE job_uuid = ?", job["job-uuid"]
    )
    assert confirmed >= 60_000_000


def test_several_targets(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """Two targets get a cloud job and a row of the journal each."""
    first, second = site.device(), site.device()
    job_id = site.cups.lp(site.queue(f"Paris:{first}", f"Paris:{second}"), pdfs[4])
    job = site.cups.wait_job(job_id)
    assert job["job-state"] == 9
    jobs = [site.cloud_jobs(device, 1)[0] for device in (first, second)]
    assert jobs[0]["sha256"] == jobs[1]["sha256"]
    rows = site.journal(
        "SELECT device, cloud_job_id, state FROM delivery WHERE job_uuid = ?"
        " ORDER BY target_number",
        job["job-uuid"],
    )
    assert rows == [(first, jobs[0]["id"], 2), (second, jobs[1]["id"], 2)]


@pytest.mark.parametrize(
    ("location", "device"), [("Zürich", "Läser 1/2?"), ("東京", "100% & more"), ("a b", "ü#+=")]
)
def test_ids_of_any_script(site: PrintSite, location: str, device: str) -> None:
    """Ids of locations and devices may have every character that the API allows."""
    where = [quote(location, safe=""), quote(device, safe="")]
    site.cloud.cli("location", "add", f"Acme/{where[0]}")
    site.cloud.cli("device", "add", f"Acme/{where[0]}/{where[1]}", "--type", "file")
    queue = site.queue(":".join(where), driver=False)
    job_id = site.cups.lp(queue, data=device.encode())
    job = site.cups.wait_job(job_id)
    assert job["job-state"] == 9
    assert f"Delivered at {location}:{device}" in site.cups.error_log()
    assert document(site.cloud_jobs(device, 1)[0]) == device.encode()


def test_texts_for_a_matrix_printer(site: PrintSite, tmp_path: Path) -> None:
    """Texts arrive in the device's charset; one that does not fit is held, with the reason."""
    device = site.device("--formats", "txt", "--charset", "cp437")
    queue = site.queue(f"Paris:{device}", driver=False)
    for encoding in ("utf-8", "latin-1", "cp437"):
        (tmp_path / encoding).write_bytes("Größe und Maße der Straße\n".encode(encoding))
        job = site.cups.wait_job(site.cups.lp(queue, tmp_path / encoding))
        assert job["job-state"] == 9
    for job in site.cloud_jobs(device, 3):
        expected = "Größe und Maße der Straße\n".encode("cp437")
        assert Path(job["delivered_path"]).read_bytes() == expected
    (tmp_path / "euro").write_text("100 €\n", encoding="utf-8")
    job = site.cups.wait_job(site.cups.lp(queue, tmp_path / "euro"), "held")
    assert "'€' (U+20AC) in line 1, which cp437 lacks" in job["job-printer-state-message"]


@pytest.mark.parametrize(
    ("title", "user"),
    [("Übersicht – Ψηφίσματα", "jürgen"), ("報告書 \"第5章\" \\ 'x'", "田中"), ("تقرير", "علي"),
     ("می\u200cخواهم 👩\u200d🔬", "کاربر"), ("t" * 250, "u" * 60), ("a=b;copies=99", "eve")],
)  # fmt: skip
def test_titles_and_users_of_any_script(site: PrintSite, title: str, user: str) -> None:
    """simoncadman/CUPS-Cloud-Print#102: the title arrives unchanged, and is never a prop.

    The user stays in the journal.
    """
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False)
    job = site.cups.wait_job(site.cups.lp(queue, "-t", title, "-U", user, data=b"x"))
    assert job["job-state"] == 9
    (delivered,) = site.cloud_jobs(device, 1)
    assert delivered["title"] == title
    assert delivered["props"] == {"copies": "1"}
    ((recorded,),) = site.journal("SELECT user FROM document WHERE job_uuid = ?", job["job-uuid"])
    assert recorded == user


def test_several_files_in_one_job(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """apple/cups#2328: each file of one lp is a document of its own, also when two are the same."""
    device = site.device()
    job_id = site.cups.lp(site.queue(f"Paris:{device}"), "-n", "2", pdfs[4], pdfs[1], pdfs[1])
    assert site.cups.wait_job(job_id)["job-state"] == 9
    delivered = site.cloud_jobs(device, 3)
    assert [len(PdfReader(job["document"]).pages) for job in delivered] == [4, 1, 1]
    assert {job["props"]["copies"] for job in delivered} == {"2"}


def test_several_pdf_files_without_a_driver(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """CUPS joins the files to a broken one: refused with advice, not half printed."""
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False)
    job_id = site.cups.lp(queue, pdfs[4], pdfs[1])
    job = site.cups.wait_job(job_id, "held")
    assert "one by one" in job["job-printer-state-message"]
    assert "(CB-304)" in job["job-printer-state-message"]
    assert [j for j in site.cloud.jobs() if j["device"] == device] == []


@pytest.mark.sampled
@pytest.mark.parametrize("sheets", ["standard,none", "none,standard", "standard,standard"])
@pytest.mark.parametrize("driver", ["own", "foreign"])
def test_banner_pages(site: PrintSite, pdfs: dict[int, Path], sheets: str, driver: str) -> None:
    """The document arrives with all its copies, and the banner once.

    A banner is a file of the job without a client's name. Other drivers join both to one document.
    """
    device = site.device()
    queue = site.queue(f"Paris:{device}")
    if driver == "foreign":
        site.cups.run("lpadmin", "-p", queue, "-m", "drv:///sample.drv/generic.ppd")
    job_id = site.cups.lp(queue, "-n", "2", "-o", f"job-sheets={sheets}", pdfs[4])
    assert site.cups.wait_job(job_id)["job-state"] == 9
    banners = [sheet == "standard" for sheet in sheets.split(",")]
    if driver == "foreign":
        (joined,) = site.cloud_jobs(device, 1)
        assert document(joined).count(b"\n%%Page: ") == 4 + sum(banners)
    else:
        delivered = site.cloud_jobs(device, 1 + sum(banners))
        pages = [len(PdfReader(job["document"]).pages) for job in delivered]
        wanted = [[1] * banners[0], [4], [1] * banners[1]]
        assert pages == [number for part in wanted for number in part]
        copies = [job["props"]["copies"] for job in delivered]
        assert copies == ["2" if number == 4 else "1" for number in pages]
    assert list((site.state / "runs").glob(f"{job_id}-*")) == []


CREATE = """{
    OPERATION Create-Job
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR language attributes-natural-language en
    ATTR uri printer-uri $uri
    ATTR name requesting-user-name ann
    STATUS successful-ok
    EXPECT job-id
}
"""
SEND = """{
    OPERATION Send-Document
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR language attributes-natural-language en
    ATTR uri printer-uri $uri
    ATTR integer job-id $job-id
    ATTR name requesting-user-name ann
    ATTR mimeMediaType document-format application/pdf
    ATTR boolean last-document LAST
    FILE $filename
    STATUS successful-ok
}
"""


def test_several_files_without_names(
    site: PrintSite, pdfs: dict[int, Path], tmp_path: Path
) -> None:
    """IPP clients do not name documents; each file is a document nevertheless."""
    device = site.device()
    test = tmp_path / "send.test"
    test.write_text(CREATE + SEND.replace("LAST", "false") + SEND.replace("LAST", "true"))
    site.cups.run(
        "ipptool", "-t", "-f", pdfs[4], site.cups.uri(site.queue(f"Paris:{device}")), test
    )
    delivered = site.cloud_jobs(device, 2)
    assert [len(PdfReader(job["document"]).pages) for job in delivered] == [4, 4]


def test_several_raw_pdf_files_without_a_driver(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """PDF files that lp declares as raw are refused, too."""
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False)
    job_id = site.cups.lp(queue, "-n", "2", "-o", "raw", pdfs[4], pdfs[1])
    job = site.cups.wait_job(job_id, "held")
    assert "(CB-304)" in job["job-printer-state-message"]
    assert [j for j in site.cloud.jobs() if j["device"] == device] == []


@pytest.mark.parametrize("first", [b"text\n" * 1000, b"\xff\xd8\xff\xe0\0picture"])
def test_several_pictures_without_a_driver(site: PrintSite, tmp_path: Path, first: bytes) -> None:
    """Formats that cannot be joined are refused, even behind text."""
    device = site.device()
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "second").write_bytes(b"\xff\xd8\xff\xe0\0picture")
    queue = site.queue(f"Paris:{device}", driver=False)
    job_id = site.cups.lp(queue, tmp_path / "first", tmp_path / "second")
    job = site.cups.wait_job(job_id, "held")
    assert "one by one" in job["job-printer-state-message"]
    assert "(CB-304)" in job["job-printer-state-message"]
    assert [j for j in site.cloud.jobs() if j["device"] == device] == []


def test_several_text_files_without_a_driver(site: PrintSite, tmp_path: Path) -> None:
    """Text may be joined: CUPS has made the copies then, and the device makes no more."""
    device = site.device()
    for name in "ab":
        (tmp_path / name).write_text(f"{name}\n")
    queue = site.queue(f"Paris:{device}", driver=False)
    site.cups.wait_job(site.cups.lp(queue, "-n", "2", tmp_path / "a", tmp_path / "b"))
    (delivered,) = site.cloud_jobs(device, 1)
    assert document(delivered) == b"a\na\nb\nb\n"
    assert delivered["props"]["copies"] == "1"


def test_layout_options_are_honoured(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """The filters do number-up and page-ranges; copies are not multiplied."""
    device = site.device()
    queue = site.queue(f"Paris:{device}")
    for options in (("number-up=2",), ("page-ranges=2-3",), ("number-up=2", "page-ranges=1-3")):
        arguments = [word for option in options for word in ("-o", option)]
        site.cups.wait_job(site.cups.lp(queue, "-n", "5", *arguments, pdfs[4]))
    delivered = site.cloud_jobs(device, 3)
    assert [len(PdfReader(job["document"]).pages) for job in delivered] == [2, 2, 2]
    assert {job["props"]["copies"] for job in delivered} == {"5"}


def test_landscape_is_turned_once(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """apple/cups#6198: the filters turn the pages, so the device is not asked to."""
    device = site.device()
    site.cups.wait_job(site.cups.lp(site.queue(f"Paris:{device}"), "-o", "landscape", pdfs[1]))
    (delivered,) = site.cloud_jobs(device, 1)
    assert "orientation" not in delivered["props"]


def test_pass_through_prop(site: PrintSite) -> None:
    """cirrus-prop-NAME=value reaches the device unchanged."""
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False)
    site.cups.wait_job(site.cups.lp(queue, "-o", "cirrus-prop-note='a b=c'", data=b"x"))
    (delivered,) = site.cloud_jobs(device, 1)
    assert delivered["props"] == {"copies": "1", "note": "a b=c"}


def test_a_prop_cannot_add_another(site: PrintSite) -> None:
    """A value that contains a separator holds the job and names the option."""
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False)
    job_id = site.cups.lp(queue, "-o", "cirrus-prop-note=x;copies=99", data=b"x")
    job = site.cups.wait_job(job_id, "held")
    assert "note='x;copies=99'" in job["job-printer-state-message"]
    assert [j for j in site.cloud.jobs() if j["device"] == device] == []


def test_uncompressed(site: PrintSite, tmp_path: Path) -> None:
    """compression=none sends the bytes unchanged."""
    device = site.device()
    data = os.urandom(600_000)
    (tmp_path / "raw").write_bytes(data)
    queue = site.queue(f"Paris:{device}", driver=False, options="?compression=none")
    site.cups.wait_job(site.cups.lp(queue, "-o", "raw", tmp_path / "raw"))
    (delivered,) = site.cloud_jobs(device, 1)
    assert document(delivered) == data


def test_devices_are_discovered(site: PrintSite, pdfs: dict[int, Path]) -> None:
    """lpinfo -v lists a cloud device, and the device id finds the device's own driver.

    A queue of both prints as requested.
    """
    device = site.device("--name", "Laser by the window")
    found = site.discovered(device)
    uri = f"cirrus://{site.server}/Acme/Paris:{device}"
    assert found["uri"] == uri
    assert found["info"] == "Laser by the window at Paris office"
    assert found["location"] == "Paris office"
    assert site.key not in str(found)
    listed = site.cups.run("lpinfo", "--device-id", found["device-id"], "-m")
    driver = listed.split()[0]
    assert driver.startswith("cirrus:")
    assert "Cirrus Laser by the window at Paris office" in listed.splitlines()[0]
    site.cups.add_queue("added", uri, driver=driver)
    queue = site.cups.printer("added")
    assert "two-sided-short-edge" in queue["sides-supported"]
    assert "color" in queue["print-color-mode-supported"]
    assert "iso_a4_210x297mm" in queue["media-supported"]
    job_id = site.cups.lp("added", "-n", "2", "-o", "sides=two-sided-short-edge", pdfs[4])
    assert site.cups.wait_job(job_id)["job-state"] == 9
    (job,) = site.cloud_jobs(device, 1)
    assert {name: job["props"][name] for name in ("copies", "duplex")} == {
        "copies": "2",
        "duplex": "3",
    }


def _pdf_with(noise: bytes) -> bytes:
    """A PDF of one page that draws an uncompressed image made of `noise` (3 bytes a pixel)."""
    width = 4000
    height = len(noise) // (3 * width)
    image = noise[: width * height * 3]
    resource = (
        b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB"
        b"/BitsPerComponent 8/Length %d>>stream\n%b\nendstream" % (width, height, len(image), image)
    )
    return one_page_pdf(b"q 500 0 0 700 40 60 cm /F1 Do Q", "XObject", resource)
