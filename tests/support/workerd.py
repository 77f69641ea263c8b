"""The service with the warm workers, and the front, as the packages have them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cirrus_bridge.journal.run_notes import make_state_folder
from paths import REPO
from programs import Program

WORKERD = Path(sys.executable).with_name("cirrus-workerd")
_START_S = 120.0  # machines are busy


def built_front(folder: Path, backend: Path) -> Path:
    """Build the backend's front (front.c), which becomes `backend` if it works alone."""
    front = folder / "front"
    source = REPO / "backend" / "cirrus_bridge" / "backend" / "front.c"
    program = f'-DPROGRAM="{backend}"'
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", program, "-o", front, source], check=True)
    return front


def start_workerd(
    environ: Mapping[str, str],
    log: Path,
    *,
    command: Sequence[str | Path] = (WORKERD,),
    outer: Sequence[str] = (),
) -> Program[str]:
    """Start the service as systemd does: as the owner of the journal, in CUPS's group, with copies
    of the key files. Return when it accepts jobs.

    Args:
        environ: CIRRUS_BRIDGE_CONFIG, CIRRUS_BRIDGE_STATE and CIRRUS_BRIDGE_WORKERS.
        outer: the command of a program that starts the service, and needs root.
    """
    copies = copy_keys(environ)
    workers = Path(environ["CIRRUS_BRIDGE_WORKERS"])
    workers.unlink(missing_ok=True)  # of a service that was killed
    with log.open("a") as lines:
        service = Program[str](
            [*outer, *as_user_of(environ), *command],
            env=os.environ | environ | {"CREDENTIALS_DIRECTORY": str(copies)},
            stderr=lines,
            text=True,
            start_new_session=True,
        )
    until_s = time.monotonic() + _START_S
    while not workers.exists():
        if service.poll() is not None or time.monotonic() > until_s:
            service.end()
            raise RuntimeError(f"cirrus-workerd did not start:\n{log.read_text()}")
        time.sleep(0.02)
    return service


def as_user_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The beginning of a command that runs as the owner of the journal, in CUPS's group; empty if
    this user may not change, or that user could not read the programs."""
    may_change = os.geteuid() == 0 and all(path.stat().st_mode & 1 for path in REPO.parents)
    if not may_change:
        return ()
    owner = Path(environ["CIRRUS_BRIDGE_STATE"]).stat().st_uid
    return ("setpriv", f"--reuid={owner}", "--regid=lp", "--groups=lp", "--")


def copy_keys(environ: Mapping[str, str]) -> Path:
    """Copy the key files for the service, as systemd does; return the folder of the copies."""
    make_state_folder(Path(environ["CIRRUS_BRIDGE_STATE"]))
    owner = Path(environ["CIRRUS_BRIDGE_STATE"]).stat().st_uid
    copies = Path(environ["CIRRUS_BRIDGE_WORKERS"]).with_name("keys")
    time.sleep(0.02)  # for a later ctime, whose clock ticks 100 to 1000 times a second
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    os.chown(copies.parent, owner, -1)
    for file in Path(environ["CIRRUS_BRIDGE_CONFIG"], "servers.d").iterdir():
        copy = copies / f"servers.d_{file.name}"
        shutil.copyfile(file, copy)
        copy.chmod(0o400)
        os.chown(copy, owner, -1)
    return copies
