"""CUPS's side channel: filters query the backend through libcups, and never time out."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from print_site import PrintSite, document

# cups_sc_command_t and cups_sc_status_t (cups/sidechannel.h)
ASKER = """\
#!/usr/bin/python3 -I
import ctypes
cups = ctypes.CDLL("libcups.so.2")
for command in range(1, 9):
    data, length = ctypes.create_string_buffer(2048), ctypes.c_int(2048)
    timeout = ctypes.c_double(30)
    status = cups.cupsSideChannelDoRequest(command, data, ctypes.byref(length), timeout)
    print(command, status, data.raw[: length.value if status == 1 else 0], flush=True)
"""
PPD = """\
*PPD-Adobe: "4.3"
*FormatVersion: "4.3"
*FileVersion: "1.0"
*LanguageVersion: English
*LanguageEncoding: ISOLatin1
*PCFileName: "ASKER.PPD"
*Manufacturer: "Cirrus"
*Product: "(Asker)"
*ModelName: "Cirrus Asker"
*ShortNickName: "Cirrus Asker"
*NickName: "Cirrus Asker"
*PSVersion: "(3010) 0"
*1284DeviceID: "MFG:Cirrus;MDL:Asker;CMD:TXT;"
*cupsFilter2: "text/plain text/plain 0 asker"
*cupsSingleFile: True
*DefaultPageSize: A4
*PageSize A4: "<</PageSize[595 842]>>setpagedevice"
*DefaultPageRegion: A4
*PageRegion A4: "<</PageSize[595 842]>>setpagedevice"
*DefaultImageableArea: A4
*ImageableArea A4: "0 0 595 842"
*DefaultPaperDimension: A4
*PaperDimension A4: "595 842"
"""
OK, NOT_IMPLEMENTED = 1, 7
ANSWERS = [
    (1, NOT_IMPLEMENTED, b""),  # SOFT_RESET
    (2, OK, b""),  # DRAIN_OUTPUT
    (3, OK, b"\x00"),  # GET_BIDI
    (4, OK, b"MFG:Cirrus;MDL:Asker;CMD:TXT;"),  # GET_DEVICE_ID
    (5, OK, b"\x01"),  # GET_STATE
    (6, NOT_IMPLEMENTED, b""),  # SNMP_GET
    (7, NOT_IMPLEMENTED, b""),  # SNMP_GET_NEXT
    (8, OK, b"\x01"),  # GET_CONNECTED
]


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_filter_asks(is_warm: bool, tmp_path: Path) -> None:
    """Each command gets a response or a refusal; otherwise a filter waits 30 seconds for each. That
    holds for each file of a job, although CUPS makes one channel for all of them."""
    texts = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in texts:
        path.write_text("text\n")
    with PrintSite(is_warm=is_warm) as site:
        asker = site.cups.root / "bin" / "filter" / "asker"
        asker.write_text(ASKER)
        asker.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        (tmp_path / "asker.ppd").write_text(PPD)
        device = site.device("--formats", "txt")
        queue = site.queue(f"Paris:{device}")
        site.cups.run("lpadmin", "-p", queue, "-P", tmp_path / "asker.ppd")
        site.cups.wait_job(site.cups.lp(queue, *texts), "completed")
        said = [f"{command} {status} {data!r}" for command, status, data in ANSWERS]
        for job in site.cloud_jobs(device, 2):
            assert document(job).decode().splitlines() == said
