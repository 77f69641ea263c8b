"""The folders and configuration files of a private cupsd.

Everything is below one folder. Programs and data of the system's CUPS are linked, and the scheduler
is copied. Nothing is started, and nothing elsewhere is changed.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from paths import REPO

SCHEDULER = Path("/usr/sbin/cupsd")
SERVER_BIN = Path("/usr/lib/cups")
DATA_DIR = Path("/usr/share/cups")
DRIVERS = REPO / "ppd"
SOCKET_PATH_BYTES = 107  # sun_path of unix(7), less its final NUL

CUPSD_CONF = """\
LogLevel debug
LogTimeFormat usecs
MaxLogSize 0
Listen 127.0.0.1:{port}
Listen {socket}
Browsing Off
DefaultAuthType None
WebInterface {web_interface}
PreserveJobHistory Yes
DirtyCleanInterval 0
PreserveJobFiles Yes
JobRetryInterval {retry_interval_s}
{directives}
<Location />
  Order allow,deny
  Allow localhost
</Location>
<Location /admin>
  Order allow,deny
  Allow localhost
</Location>
<Policy default>
  JobPrivateAccess all
  JobPrivateValues none
  <Limit All>
    Order deny,allow
    Allow localhost
  </Limit>
</Policy>
"""
CUPS_FILES_CONF = """\
ServerRoot {root}/etc
ServerBin {root}/bin
DataDir {root}/data
RequestRoot {root}/spool
CacheDir {root}/cache
StateDir {root}/state
TempDir {root}/spool/tmp
AccessLog {root}/log/access_log
ErrorLog {root}/log/error_log
PageLog {root}/log/page_log
User {user}
Group {group}
SystemGroup {system_groups}
FileDevice Yes
"""


def lay_out(
    root: Path,
    backend: Sequence[str | Path],
    backend_env: Mapping[str, str],
    driver: Sequence[str | Path] = (),
) -> None:
    """Make folders, links and programs below `root`; backend and driver become `cirrus`."""
    # cupsd's filters run as lp, which may not enter a temporary folder by default
    root.chmod(0o755)
    for folder in ("etc", "spool/tmp", "cache", "state", "log", "home", "data/drv", "data/ppdc"):
        (root / folder).mkdir(parents=True)
    # A copy, because AppArmor goes by path: the distribution's profile for /usr/sbin/cupsd allows
    # the system's folders only.
    shutil.copy(SCHEDULER, root / "cupsd")
    server_bin = root / "bin"
    for folder in ("backend", "filter", "driver"):
        (server_bin / folder).mkdir(parents=True)
    for folder in ("filter", "driver"):
        _link_all(SERVER_BIN / folder, server_bin / folder)
    for folder in ("daemon", "cgi-bin", "monitor", "notifier"):
        (server_bin / folder).symlink_to(SERVER_BIN / folder)
    _link_all(DATA_DIR, root / "data", but=["drv", "ppdc"])
    for folder, pattern in (("drv", "cirrus-bridge.drv"), ("ppdc", "cirrus-bridge.*.po")):
        ours = list(DRIVERS.glob(pattern))
        _link_all(DATA_DIR / folder, root / "data" / folder, but=[each.name for each in ours])
        for each in ours:
            shutil.copyfile(each, root / "data" / folder / each.name)
    # closed to others: cupsd then runs it as root, who can read the keys
    _install(server_bin / "backend" / "cirrus", backend, backend_env, 0o700)
    if driver:
        _install(server_bin / "driver" / "cirrus", driver, backend_env, 0o755)
    if os.geteuid() == 0:
        lp = pwd.getpwnam("lp")
        for folder in ("spool", "spool/tmp", "cache", "state", "log"):
            os.chown(root / folder, lp.pw_uid, lp.pw_gid)


def configure(
    root: Path, *, port: int, web_interface: bool, retry_interval_s: int, directives: Sequence[str]
) -> None:
    """Write cupsd.conf and cups-files.conf. Without root's rights, cupsd runs as its starter."""
    is_root = os.geteuid() == 0
    own_group = grp.getgrgid(os.getegid()).gr_name
    values = {
        "root": root,
        "socket": socket_path(root),
        "port": port,
        "web_interface": "Yes" if web_interface else "No",
        "retry_interval_s": retry_interval_s,
        "directives": "\n".join(directives),
        "user": "lp" if is_root else pwd.getpwuid(os.geteuid()).pw_name,
        "group": "lp" if is_root else own_group,
        "system_groups": "root lpadmin" if is_root else own_group,
    }
    for name, text in (("cupsd.conf", CUPSD_CONF), ("cups-files.conf", CUPS_FILES_CONF)):
        (root / "etc" / name).write_text(text.format(**values))


def socket_path(root: Path) -> Path:
    """The path of the unix socket of the cupsd below `root`.

    Raises:
        ValueError: the path is longer than the kernel allows.
    """
    path = root / "state" / "cups.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise ValueError(f"{path} is too long for a socket: choose a shorter folder")
    return path


def _install(
    script: Path, program: Sequence[str | Path], env: Mapping[str, str], mode: int
) -> None:
    # cupsd makes its programs' environment itself, hence the exports
    exports = [f"export {name}={shlex.quote(value)}" for name, value in env.items()]
    command = f'exec {shlex.join(map(str, program))} "$@"'
    script.write_text("\n".join(["#!/bin/sh", *exports, command, ""]))
    script.chmod(mode)


def _link_all(source: Path, target: Path, *, but: Sequence[str] = ()) -> None:
    for entry in source.iterdir() if source.is_dir() else ():
        if entry.name not in but:
            (target / entry.name).symlink_to(entry)
