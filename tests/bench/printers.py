"""Small jobs of eight IPP clients, and the memory of a large one.

The peers of `cirrus-printers` are CUPS's sample printer (ippeveprinter), and a CUPS queue of the
same server, which delivers each job at once (lean_server.py).

A job counts when its printer says that it is over.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

import clients
import links
from cirrus_bridge.ipp.message import Attribute, Group, Message, Operation, decode, encode
from cirrus_bridge.ipp.values import MimeType, Name, Uri
from faulty_printers import pdf
from frame import Setting, Table
from measure import pss_bytes, tree
from printer_site import PrinterSite
from raw_queues import add_raw_queues
from workloads import MB, make

OURS, PEER, CUPS = "cirrus-printers", "ippeveprinter", "CUPS queue, with cirrus-workerd"
COLUMNS = ("load", "what", "jobs/s", "times ippeveprinter", "MiB (PSS), peak")
DEVICES = {1: "d0", 10: "d?", 100: "*"}  # by the number of printers
PRINTERS = tuple(DEVICES)
MOST_PEERS = 10  # each is a program with threads of its own
CLIENTS = 8
PATIENCE_S = 300.0
LARGE_MB = 200


class Load(NamedTuple):
    """What a load of jobs took."""

    jobs_per_s: float
    pss_bytes: int


def table(setting: Setting) -> Table:
    """Print at 1, 10 and 100 printers; then a large document."""
    made = Table(f"Printers without drivers, 50 KB PDF, {CLIENTS} clients", COLUMNS)
    document = setting.folder / "50k.pdf"
    document.write_bytes(pdf(50_000, "bench"))
    jobs = setting.size(100, 10)
    peers: dict[int, Load] = {}
    with clients.ipp_printers(setting.folder, MOST_PEERS) as uris:
        for count in PRINTERS[:2]:
            peers[count] = _load(uris[:count], jobs, document, [])
            _row(made, count, PEER, peers[count], peers)
    with clients.site(links.LOOPBACK, setting.folder / "site", tls=True) as queues:
        for count in PRINTERS:
            with _service(queues, count) as site:
                assert site.program is not None
                uris = [each.text("printer-uri-supported") for each in site.printers()]
                found = [site.uri_of(uri.rpartition("/")[2]) for uri in uris]  # without TLS
                assert len(found) == count
                load = _load(found, jobs, document, [site.program.pid])
                _row(made, count, OURS, load, peers)
                if count == 1:
                    _large(made, site, found, setting)
            queues.forget()
        with queues.poller(), queues.workers():
            for count in PRINTERS[:2]:
                names = [f"q{count}-{number}" for number in range(count)]
                add_raw_queues(queues.cups, dict.fromkeys(names, queues.uri()))
                _row(made, count, CUPS, _queue_load(queues, names, jobs, document), peers)
    return made


def _service(cloud: clients.Site, count: int) -> PrinterSite:
    """The service, with so many of the server's devices."""
    site = PrinterSite(settings=f'devices = ["Paris:{DEVICES[count]}"]')
    site.server, site.key = cloud.url.partition("://")[2], clients.KEY
    site.ca_file = clients.CERTIFICATES / clients.AUTHORITY
    return site


def _row(made: Table, count: int, what: str, load: Load, peers: dict[int, Load]) -> None:
    peer = peers.get(count)
    ratio = f"{load.jobs_per_s / peer.jobs_per_s:.2f}" if peer else ""
    memory = f"{load.pss_bytes / 2**20:.0f}" if load.pss_bytes else ""
    load_name = f"{count} printer{'s'[: count - 1]}"
    made.row(load_name, what, f"{load.jobs_per_s:.1f}", ratio, memory)


def _large(made: Table, site: PrinterSite, uris: Sequence[str], setting: Setting) -> None:
    assert site.program is not None
    for full_mb in (1, LARGE_MB):
        size = setting.size(full_mb, max(1, full_mb // 10)) * MB
        document = make(setting.folder / f"{full_mb}.pdf", "pdf", size)
        load = _load(uris, 1, document, [site.program.pid])
        mib = f"{load.pss_bytes / 2**20:.0f}"
        made.row(f"{size / MB:g} MB", OURS, f"{load.jobs_per_s:.2f}", "", mib)


def _load(uris: Sequence[str], jobs: int, document: Path, programs: Sequence[int]) -> Load:
    """Print jobs at all printers in turn, and wait until they are over."""

    def measured(print_all: Callable[[], None]) -> Load:
        peak, began_s = 0, time.monotonic()
        work = Thread(target=print_all)
        work.start()
        while work.is_alive():
            if programs:
                peak = max(peak, pss_bytes(*tree(*programs)))
            work.join(0.05)
        return Load(jobs / (time.monotonic() - began_s), peak)

    def print_all() -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            every = (uris[number % len(uris)] for number in range(jobs))
            ids = list(pool.map(lambda uri: (uri, _print(uri, document)), every))
            list(pool.map(lambda each: _wait(*each), ids))

    return measured(print_all)


def _queue_load(site: clients.Site, names: Sequence[str], jobs: int, document: Path) -> Load:
    began_s = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        every = (names[number % len(names)] for number in range(jobs))
        list(pool.map(lambda name: site.cups.lp(name, "-o", "raw", document), every))
    _patiently(lambda: not site.cups.run("lpstat", "-o").strip())
    load = Load(jobs / (time.monotonic() - began_s), 0)
    site.forget()
    return load


def _ask(uri: str, operation: Operation, more: Sequence[Attribute], data: bytes = b"") -> Message:
    address = urlsplit(uri)
    head = [Attribute("printer-uri", [Uri(uri)]), Attribute("requesting-user-name", [Name("ann")])]
    body = encode(operation, [(Group.OPERATION, [*head, *more])]) + data
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=PATIENCE_S)
    try:
        connection.request("POST", address.path, body, {"Content-Type": "application/ipp"})
        return decode(connection.getresponse().read())
    finally:
        connection.close()


def _print(uri: str, document: Path) -> int:
    """Print a document; a printer that is busy is asked again, as CUPS does."""
    asked = [Attribute("document-format", [MimeType("application/pdf")])]
    found: list[int | None] = []

    def is_taken() -> bool:
        answer = _ask(uri, Operation.PRINT_JOB, asked, document.read_bytes())
        if answer.code < 0x100:
            found.append(answer.all(Group.JOB)[0].number("job-id"))
        return bool(found)

    _patiently(is_taken)
    return found[0] or 0


def _wait(uri: str, job_id: int) -> None:
    _patiently(partial(_is_over, uri, job_id))


def _is_over(uri: str, job_id: int) -> bool:
    answer = _ask(uri, Operation.GET_JOB_ATTRIBUTES, [Attribute("job-id", [job_id])])
    return (answer.all(Group.JOB)[0].number("job-state") or 0) >= 7


def _patiently(done: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > until_s:
            raise RuntimeError("jobs do not end")
        time.sleep(0.05)
