"""The service `cirrus-printers`: wiring only."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import importlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cirrus_bridge.api.client import CloudApi, api_for
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration, CirrusError
from cirrus_bridge.base.privileges import give_up_new_rights, give_up_root, user_name
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.accounts import ACCOUNTS
from cirrus_bridge.config.defaults import FOLDER, PRINTERS_FOLDER, STATE_FOLDER
from cirrus_bridge.config.load import UploadSettings, load
from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.config.servers import Server
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.ipp_server.access import AllowedNetworks
from cirrus_bridge.ipp_server.delivery_poller import DeliveryPoller
from cirrus_bridge.ipp_server.device_list import FoundPrinters, find_printers
from cirrus_bridge.ipp_server.edges import announcing, sign_in
from cirrus_bridge.ipp_server.gate import Gate
from cirrus_bridge.ipp_server.http_app import IppApplication
from cirrus_bridge.ipp_server.job_processes import JobProcesses
from cirrus_bridge.ipp_server.job_worker import JobWorker
from cirrus_bridge.ipp_server.leaving import remaining
from cirrus_bridge.ipp_server.listener import open_endpoints, serve
from cirrus_bridge.ipp_server.operations import Operations
from cirrus_bridge.ipp_server.outcomes import in_every_language
from cirrus_bridge.ipp_server.own_tls import OwnTls
from cirrus_bridge.ipp_server.pages import Pages
from cirrus_bridge.ipp_server.run import Folders
from cirrus_bridge.ipp_server.service import AWAY, PrinterService
from cirrus_bridge.ipp_server.spool import Spool, only_service
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.run_notes import make_state_folder
from cirrus_bridge.journal.statistics import StatisticsReader
from cirrus_bridge.polling.configuration import ConfigurationReader
from cirrus_bridge.polling.log import LimitedLog
from cirrus_bridge.version import __version__

if TYPE_CHECKING:
    from cirrus_bridge.polling.metrics import Metrics

TIMEOUTS = UploadSettings(connect_timeout_s=5.0, read_timeout_s=10.0)  # of questions about devices
_FOR_RUNS = (  # by some jobs only, so their modules import these when they need them
    *("cirrus_bridge.api.session", "concurrent.futures.thread"),
    *(f"cirrus_bridge.ipp_server.documents.{name}" for name in ("images", "pdf_pages")),
)
_log = logging.getLogger("cirrus-printers")


def run() -> NoReturn:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(
        prog="cirrus-printers",
        description="Offers cloud devices as printers that need no driver (IPP Everywhere).",
    )
    parser.add_argument("--version", action="version", version=f"cirrus-bridge {__version__}")
    parser.add_argument(
        "--leave", action="store_true", help="list unfinished jobs before a removal, and end"
    )
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # a line for each malformed request
    logging.getLogger("pikepdf").setLevel(logging.WARNING)  # a line at its import
    status = 1
    try:
        _leave() if arguments.leave else _run()
        status = 0
    except CirrusError as error:
        _log.error("%s (%s) %s", error, error.code, error.detail)
    except Exception:  # noqa: BLE001 - the last resort: a line to search for
        _log.exception("Internal error in cirrus-printers (CB-900)")
    sys.stderr.flush()
    os._exit(status)  # without waiting for threads that wait for a server


def _leave() -> None:
    folder = _folders().state
    if not folder.exists():
        return
    give_up_root(folder)
    with contextlib.closing(Spool(folder)) as spool:
        for line in remaining(spool.open_jobs(), str(folder)):
            print(line, flush=True)


def _run() -> None:
    clock = Clock()
    folders = _folders()
    make_state_folder(folders.state.parent)
    if unread := give_up_root(folders.state.parent):
        _log.warning("stays root, because the owner of %s cannot read %s", folders.state, unread)
    make_state_folder(folders.state)
    give_up_new_rights()
    _check_keys(folders)
    reader = ConfigurationReader(os.environ, clock)
    settings = reader.configuration.printers
    os.umask(0o077)
    folders.cache.mkdir(exist_ok=True)
    for name in _FOR_RUNS:
        importlib.import_module(name)
    in_every_language(AWAY)  # runs find the catalogs loaded
    processes = JobProcesses(functools.partial(JobWorker, folders))  # before any thread: it forks
    with only_service(folders.state):
        # not asyncio.run, which would wait for threads that wait for a server
        asyncio.new_event_loop().run_until_complete(
            _serve(folders, settings, reader, processes, clock)
        )


def _check_keys(folders: Folders) -> None:
    """Raise BadConfiguration if root has started the service, which is no longer root, without
    copies of the key files."""
    keys = folders.configuration / "servers.d"
    if folders.credentials is None and keys.exists() and not os.access(keys, os.R_OK | os.X_OK):
        raise BadConfiguration(
            tr(
                "User {user} cannot read the keys in {folder}.",
                user=user_name(os.geteuid()),
                folder=keys,
            ),
            tr(
                "Start the service with systemctl, which gives it copies of the keys. Without "
                "systemd, start the service as the user who owns the folder."
            ),
        )


async def _serve(
    folders: Folders,
    settings: PrinterSettings,
    reader: ConfigurationReader,
    processes: JobProcesses,
    clock: Clock,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    tls = OwnTls(settings, folders.state / "tls") if settings.tls_port else None
    with (
        open_endpoints(settings, tls.context if tls else None) as endpoints,
        contextlib.closing(Spool(folders.state)) as spool,
        announcing(settings) as announce,
    ):
        service = PrinterService(
            settings=settings,
            spool=spool,
            processes=processes,
            clock=clock,
            find=functools.partial(_find, folders),
            announce=announce,
            each_day=tls.renew if tls else lambda: None,
        )
        application = IppApplication(
            operations=Operations(service),
            spool=spool,
            most_bytes=settings.max_document_bytes,
            client_of=_gate(folders, settings, clock).client_of,
            page=Pages(service).respond,
        )
        metrics = _metrics(settings, folders, clock)
        poller = DeliveryPoller(
            folder=folders.state,
            clock=clock,
            settings=reader.configuration.poller,
            queue_of=reader.queue_of,
            status_of=metrics.counted(reader.status_of) if metrics else reader.status_of,
            tell=LimitedLog(clock),
            changed=service.changed,
            troubles=service.take_troubles,
            failed=lambda: service.fail(RuntimeError("the poller has ended")),
            at_work=metrics.last_sign.set if metrics else None,
        )
        poller.start()
        try:
            await serve(application, endpoints, service.work())
        finally:
            service.end()
            poller.stop()


def _metrics(settings: PrinterSettings, folders: Folders, clock: Clock) -> Metrics | None:
    """The metrics, served on a port, if bridge.toml sets one."""
    if not settings.metrics_port:
        return None
    from cirrus_bridge.polling.metrics import Metrics, serve_metrics

    with PollerJournal(folders.state):
        pass  # the metrics read a journal that exists
    metrics = Metrics(StatisticsReader(folders.state), clock)
    try:
        serve_metrics(settings.metrics_port, metrics)
    except BadConfiguration as error:  # any user of this machine can occupy the port
        _log.warning("%s (%s)", error, error.code)
    return metrics


def _gate(folders: Folders, settings: PrinterSettings, clock: Clock) -> Gate:
    networks = AllowedNetworks(settings.networks, clock.monotonic_s)
    accounts = folders.configuration / ACCOUNTS
    return Gate(settings, networks.allows, sign_in(settings, accounts, clock.monotonic_s))


def _find(folders: Folders) -> FoundPrinters:
    """Find the printers, by the configuration as it is now."""
    configuration = load(folders.configuration, folders.credentials)
    cache = DeviceCache(folders.cache)

    def client(server: Server) -> CloudApi:
        return api_for(configuration, server, TIMEOUTS)

    return find_printers(configuration, client, cache, _log.warning)


def _folders() -> Folders:
    state = Path(os.environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER) / PRINTERS_FOLDER
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return Folders(
        state=state,
        cache=state / "devices",
        configuration=Path(os.environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER),
        credentials=Path(credentials) if credentials else None,
    )
