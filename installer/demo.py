"""Print on a real CUPS queue, and show the document delivered by the embedded cloud.

Each step is shown. Exit status 0 means that the delivered document is the printed one. Everything
is in one temporary folder. `--keep` keeps the delivered documents, and a failure keeps everything.
The machine's own CUPS is not touched.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from cloudlet_server import CloudletServer
from demo_verdict import checks
from private_cups import DRIVER, STATES, PrivateCups
from programs import Program

WELCOME = Path(__file__).resolve().parent / "welcome.pdf"
QUEUE = "demo"
ACCOUNT = "demo"
DELIVERED = "delivered"  # the device's folder
COMPANY, LOCATION, DEVICE = "Demo", "Paris", "Laser1"
PROGRAMS = Path(sys.executable).parent
JOB_TIMEOUT_S = 120.0
BAR_CELLS = 20
# the API's names for LP_OPTIONS: two copies, two-sided along the long edge, color
ASKED = {"copies": "2", "duplex": "2", "color": "2"}
LP_OPTIONS = ("-n", "2", "-o", "sides=two-sided-long-edge", "-o", "print-color-mode=color")


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="installer/demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--keep", action="store_true", help="leave both servers running until Ctrl-C"
    )
    keep = parser.parse_args().keep
    # SIGTERM stops the servers as Ctrl-C does; a shell starts background jobs with SIGINT ignored
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="cirrus-demo-"))
    folder.chmod(0o755)  # cupsd's filters run as lp
    try:
        _run(folder, keep)
    except (RuntimeError, OSError) as error:
        print(f"\nFAILED: {error}\n", file=sys.stderr)
        print(f"The logs stay in {folder}: cups/log/error_log, cloud.log", file=sys.stderr)
        print(f"remove:   rm -r {folder}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        return 130
    if not keep:
        shutil.rmtree(folder)
        return 0
    for entry in folder.iterdir():
        if entry != folder / DELIVERED:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    _say(f"Both servers have ended. The delivered document stays in {folder / DELIVERED}")
    _tell(f"remove:   rm -r {folder}")
    return 0


def _run(folder: Path, keep: bool) -> None:
    cloud = CloudletServer()
    with contextlib.ExitStack() as at_the_end:
        _say("Starting the embedded cloud")
        at_the_end.callback(cloud.close)
        key = _start_cloud(cloud, folder)
        _tell(f"{cloud.url}  (company {COMPANY}, one location, one device, a fresh API key)")

        _say("Starting a private cupsd")
        environment = _configure(folder, cloud.url.removeprefix("http://"), key)
        (folder / "cups").mkdir()
        backend, driver = [PROGRAMS / "cirrus-backend"], [PROGRAMS / "cirrus-driver"]
        cups = PrivateCups(folder / "cups", backend, environment, driver=driver)
        at_the_end.callback(cups.stop)
        cups.start()
        _tell(f"CUPS_SERVER={cups.socket}")
        at_the_end.enter_context(_poller(folder, environment, cups))

        _say("Looking for devices: lpinfo -v")
        uri = _discover(cups)

        # CUPS would request color for each job; "auto" leaves that to device and user
        color = ("-o", "print-color-mode-default=auto")
        lpadmin = ("lpadmin", "-p", QUEUE, "-E", "-v", uri, "-m", DRIVER, *color)
        _say(f"Adding a queue: {shlex.join(lpadmin)}")
        cups.run(*lpadmin)

        _say(f"Printing: lp -d {QUEUE} {' '.join(LP_OPTIONS)} {WELCOME.name}")
        job_id = cups.lp(QUEUE, *LP_OPTIONS, WELCOME)
        _follow(cups, job_id)
        _conclude(cups, cloud, job_id)
        if keep:
            _keep(cups, cloud)
        else:
            _tell("The demo now removes everything; --keep keeps the document and both servers.")


def _start_cloud(cloud: CloudletServer, folder: Path) -> str:
    """Start a cloud with one location and one device, on loopback; return an API key, which is
    never an argument of a process."""
    cloud.data = folder / "cloud"
    cloud.cli("company", "add", COMPANY)
    cloud.cli("location", "add", f"{COMPANY}/{LOCATION}", "--name", "Paris office")
    cloud.cli(
        *("device", "add", f"{COMPANY}/{LOCATION}/{DEVICE}", "--name", "Laser printer"),
        *("--type", "file", "--target", f"{folder / DELIVERED}/{{title}}.{{ext}}"),
        *("--formats", "pdf"),
    )
    key = cloud.cli("key", "add", "--company", COMPANY, "--name", "demo")
    cloud.start(cloud.data)
    return key


def _configure(folder: Path, host: str, key: str) -> dict[str, str]:
    """Write the bridge's configuration; return the environment that names it."""
    config, state = folder / "bridge", folder / "state"
    (config / "servers.d").mkdir(parents=True)
    state.mkdir(mode=0o700)
    (config / "bridge.toml").write_text('[defaults]\nencryption = "never"\n')
    entry = config / "servers.d" / "demo.toml"
    with os.fdopen(os.open(entry, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(
            f'[[server]]\nhost = "{host}"\ncompany = "{COMPANY}"\napi_key = "{key}"\n'
            f'locations = ["{LOCATION}"]\n'
        )
    return {
        "CIRRUS_BRIDGE_CONFIG": str(config),
        "CIRRUS_BRIDGE_STATE": str(state),
        "CIRRUS_BRIDGE_CACHE": str(state.with_name("cache")),
        "PYTHONDONTWRITEBYTECODE": "1",  # others could not read root's files
    }


def _poller(folder: Path, environment: dict[str, str], cups: PrivateCups) -> Program[bytes]:
    """Start the poller, which follows jobs while their location is offline."""
    with (folder / "statusd.log").open("wb") as log:
        return Program[bytes](
            [PROGRAMS / "cirrus-statusd"],
            env={**os.environ, **environment, "CUPS_SERVER": str(cups.socket)},
            stdin=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )


def _discover(cups: PrivateCups) -> str:
    """The URI of the only device, as CUPS's discovery prints it."""
    found = cups.run("lpinfo", "-l", "-v")
    uris = [line.partition("uri = ")[2] for line in found.splitlines() if "uri = cirrus://" in line]
    if len(uris) != 1:
        errors = [line for line in cups.error_log().splitlines() if line.startswith("E ")]
        raise RuntimeError("\n".join([f"discovery found {len(uris)} devices:\n{found}", *errors]))
    for line in found.partition(uris[0])[2].split("Device:")[0].splitlines():
        if "info = " in line or "make-and-model = " in line:
            _tell(line.strip())
    _tell(uris[0])
    return uris[0]


def _follow(cups: PrivateCups, job_id: int) -> None:
    deadline = time.monotonic() + JOB_TIMEOUT_S
    shown, state, message = "", "pending", ""
    while state in ("pending", "processing") and time.monotonic() < deadline:
        time.sleep(0.1)
        job = cups.job(job_id)
        state = STATES[job["job-state"]]
        message = job.get("job-printer-state-message") or ""
        if state == "processing":  # the job may have no message yet
            message = message or cups.printer(QUEUE).get("printer-state-message") or ""
        percent = 100 if state == "completed" else int(job.get("job-media-progress") or 0)
        bar = "#" * (percent * BAR_CELLS // 100)
        line = f"    [{bar:.<{BAR_CELLS}}] {percent:3d} %  {state:<10}  {message}".rstrip()
        if line != shown:
            _show_progress(line)
        shown = line
    if sys.stdout.isatty():
        print()
    if state in ("pending", "processing"):
        raise RuntimeError(f"job {job_id} is {state} after {JOB_TIMEOUT_S:.0f} seconds")
    if state != "completed":
        raise RuntimeError(f"CUPS says that job {job_id} is {state}: {message or 'no message'}")


def _show_progress(line: str) -> None:
    """Show one line that changes on a terminal, otherwise a line for each change."""
    if sys.stdout.isatty():
        # one column less than the terminal, because a full last column may wrap the line
        line = f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K"
    print(line, end="" if sys.stdout.isatty() else "\n", flush=True)


def _conclude(cups: PrivateCups, cloud: CloudletServer, job_id: int) -> None:
    jobs = cloud.jobs()
    if len(jobs) != 1:
        raise RuntimeError(f"the cloud has {len(jobs)} jobs, not 1")
    recorded = jobs[0]
    _say("The cloud's record of the job")
    _tell(f'job     {recorded["id"]}  "{recorded["title"]}", {recorded["size"]} bytes')
    _tell("props   " + "  ".join(f"{name}={text}" for name, text in recorded["props"].items()))
    for step in recorded["history"]:
        _tell(f"{step['state_name']:<10}{step['time']}  {step['message'] or ''}".rstrip())

    _say("Is it the same document?")
    results = checks(WELCOME, job_id, cups.error_log(), recorded, ASKED)
    for check in results:
        _tell(f"{'yes' if check.holds else 'NO ':<3}  {check.what} ({check.detail})")
    if failed := [f"not true: {check.what}" for check in results if not check.holds]:
        raise RuntimeError("; ".join(failed))
    _say(f"Delivered: {recorded['delivered_path']}")


def _keep(cups: PrivateCups, cloud: CloudletServer) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        password = cloud.cli("account", "add", ACCOUNT, "--company", COMPANY, "--role", "admin")
        link = cloud.cli("account", "link", ACCOUNT, "--address", cloud.url)
        _say("Both servers stay until Ctrl-C")
        _tell(f"look:     {link}")
        _tell(f"          (signs in once; later, sign in as {ACCOUNT}, password {password})")
        _tell("          (live jobs with pictures of their pages, and the location's switch)")
        _tell(f"print:    CUPS_SERVER={cups.socket} lp -d {QUEUE} FILE")
        _tell(f"          CUPS_SERVER={cups.socket} libreoffice   (or any other application)")
        _tell(f"          CUPS_SERVER={cups.socket} lpstat -l -p -o   (their messages)")
        for state in ("offline", "online"):
            _tell(f"{state + ':':<10}{PROGRAMS / 'cirrus-cloudlet'} location {state} {LOCATION} "
                  f"--data {cloud.data}")  # fmt: skip
        signal.pause()
    print()


def _say(text: str) -> None:
    print(f"\n==> {text}", flush=True)


def _tell(text: str) -> None:
    print(f"    {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
