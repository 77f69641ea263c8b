"""With SELinux enforcing, the policy and the rpm's modules allow all that the programs need.

The policy is Debian's build of the reference policy, from which Fedora's was made. The compiled
policies of Fedora, RHEL 9 and RHEL 10 (github.com/fedora-selinux, 2024) gave the same answers.
A comment says where they did not.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from paths import REPO
from selinux_policy import SMALL, Access, Policy, compiled, reference_modules

PACKAGES = REPO / "installer" / "packages"
FILES = PACKAGES / "files"
BACKEND = "cupsd_t"  # cupsd, and all that it runs: backend, driver program, front
SERVICE = "unconfined_service_t"  # statusd, workerd and its workers, cirrus-printers, the cloud
STATE = "cupsd_rw_etc_t"  # journal and cache
RUN = "cupsd_var_run_t"  # the sockets of cupsd and cirrus-workerd
ANY_FILE = "create read write append open getattr setattr lock unlink rename link"
ANY_FOLDER = "create read write search open getattr setattr add_name remove_name rename rmdir"
STREAM = "create connect read write getopt setopt shutdown"

# what the stock policy allows already
STOCK = [
    # systemd starts a service, in its sandbox: NoNewPrivileges=, ProtectSystem=, StateDirectory=
    Access("init_t", "bin_t", "file", "execute read open map"),
    Access("init_t", SERVICE, "process", "transition"),
    Access("init_t", SERVICE, "process2", "nnp_transition"),
    Access("init_t", STATE, "dir", "create setattr getattr mounton"),
    Access("init_t", RUN, "dir", "create setattr getattr mounton rmdir"),
    Access("init_t", "etc_t", "file", "read open"),  # the keys, LoadCredential=
    Access(SERVICE, "bin_t", "file", "entrypoint"),
    # cupsd runs the front or the driver program, which run a program of /usr/lib/cirrus-bridge
    Access(BACKEND, "bin_t", "file", "execute execute_no_trans read open map"),
    Access(BACKEND, "lib_t", "file", "execute read open getattr map"),
    # the backend reads its configuration, keys, certificates and the job
    Access(BACKEND, "etc_t", "dir", "search read open"),
    Access(BACKEND, "etc_t", "file", "read open getattr"),
    Access(BACKEND, "cert_t", "file", "read open getattr"),
    Access(BACKEND, "print_spool_t", "dir", "search"),
    Access(BACKEND, "print_spool_t", "file", "read open getattr"),
    Access(BACKEND, "proc_t", "file", "read open"),
    Access(BACKEND, "proc_net_t", "file", "read open"),
    # writes journal and cache as their owner
    Access(BACKEND, "self", "capability", "chown setuid setgid dac_override dac_read_search"),
    Access(BACKEND, STATE, "dir", ANY_FOLDER),
    Access(BACKEND, STATE, "file", ANY_FILE),
    # has a supervisor and a worker
    Access(BACKEND, "self", "process", "fork signal sigkill"),
    Access(BACKEND, "self", "fifo_file", "read write"),
    # connects to the cloud on any port, to DNS-SD, to cupsd, and to cirrus-workerd
    Access(BACKEND, "self", "tcp_socket", STREAM),
    Access(BACKEND, "http_port_t", "tcp_socket", "name_connect"),
    Access(BACKEND, "unreserved_port_t", "tcp_socket", "name_connect"),
    Access(BACKEND, "self", "udp_socket", f"{STREAM} bind"),
    Access(BACKEND, "howl_port_t", "udp_socket", "name_bind"),
    Access(BACKEND, "self", "netlink_route_socket", "create bind nlmsg_read"),
    Access(BACKEND, "self", "unix_stream_socket", f"{STREAM} connectto"),
    Access(BACKEND, RUN, "dir", "search"),
    Access(BACKEND, RUN, "sock_file", "write"),
    # the services use journal, cache, cupsd and the cloud
    Access(SERVICE, STATE, "dir", ANY_FOLDER),
    Access(SERVICE, STATE, "file", f"{ANY_FILE} map"),
    Access(SERVICE, RUN, "dir", "write search add_name remove_name"),
    Access(SERVICE, RUN, "sock_file", "create setattr unlink write"),
    Access(SERVICE, BACKEND, "unix_stream_socket", "connectto"),
    Access(SERVICE, "http_port_t", "tcp_socket", "name_connect"),
    # a worker gets the front's descriptors: document, status lines, side channel
    Access(SERVICE, BACKEND, "fd", "use"),
    Access(SERVICE, BACKEND, "fifo_file", "read write"),
    Access(SERVICE, BACKEND, "unix_stream_socket", "read write getattr"),
    Access(SERVICE, "print_spool_t", "file", "read open getattr"),
    # cirrus-printers finds the machine's addresses, is announced, and reads the accounts
    Access(SERVICE, "self", "netlink_route_socket", "create bind nlmsg_read"),
    Access(SERVICE, "self", "udp_socket", f"{STREAM} bind"),
    Access(SERVICE, "howl_port_t", "udp_socket", "name_bind"),
    Access(SERVICE, "etc_t", "file", "read open getattr"),
    # cirrus-printers and the cloud listen; the cloud keeps its data, runs the commands of devices,
    # and confines others
    Access(SERVICE, "unreserved_port_t", "tcp_socket", "name_bind"),
    Access(SERVICE, "self", "tcp_socket", "listen accept"),
    Access(SERVICE, "var_lib_t", "dir", ANY_FOLDER),
    Access(SERVICE, "var_lib_t", "file", f"{ANY_FILE} map"),
    Access(SERVICE, "bin_t", "file", "execute execute_no_trans read open map"),
    # cirrusctl, run by an administrator
    Access("unconfined_t", STATE, "file", f"{ANY_FILE} map"),
    Access("unconfined_t", "bin_t", "file", "execute read open map"),
]
# what the module adds
ADDED = [
    Access(BACKEND, STATE, "file", "map"),  # Fedora's policy allows this
    Access(BACKEND, "self", "capability", "setpcap"),
    Access(BACKEND, SERVICE, "unix_stream_socket", "connectto"),
    Access(BACKEND, SERVICE, "process", "signal"),
]
# Debian's policy allows this; so does Fedora's, unless its boolean domain_fd_use is off
LOCK = Access(BACKEND, SERVICE, "fd", "use")

TYPES = {
    "/usr/lib/cups/backend/cirrus": "bin_t",
    "/usr/lib/cups/driver/cirrus": "bin_t",
    "/usr/lib/cirrus-bridge/cirrus-backend": "bin_t",
    "/usr/lib/cirrus-bridge/cirrus-driver": "bin_t",
    "/usr/lib/cirrus-bridge/cirrus-statusd": "bin_t",
    "/usr/lib/cirrus-bridge/cirrus-workerd": "bin_t",
    "/usr/lib/cirrus-bridge/cirrusctl": "bin_t",
    "/usr/lib/cirrus-bridge/lib/libpython3.11.so.1.0": "lib_t",
    "/usr/lib/cirrus-printers/cirrus-printers": "bin_t",
    "/usr/lib/cirrus-printers/lib/modules": "lib_t",
    "/usr/lib/cirrus-cloudlet/cirrus-cloudlet": "bin_t",
    "/etc/cirrus-bridge/servers.d/acme.toml": "etc_t",
    "/etc/cirrus-bridge/printers.d/accounts.toml": "etc_t",
    "/var/lib/cirrus-bridge": STATE,
    "/var/lib/cirrus-bridge/journal.db-shm": STATE,
    "/var/lib/cirrus-bridge/printers/spool.db": STATE,
    "/var/cache/cirrus-bridge/devices.json": STATE,
    "/var/lib/cirrus-cloudlet/cloud.db": "var_lib_t",
    "/run/cirrus-bridge": "cupsd_runtime_t",  # of which RUN is an older name
    "/var/run/cirrus-bridge": "cupsd_runtime_t",
}

# an upgrade and the end of both rpms, in a system whose folders are in memory
RPM_SCRIPTS = """
set -eu
for each in /etc/selinux /usr/share /var/cache /var/lib; do mount -t tmpfs tmpfs $each; done
mkdir -p /etc/selinux/targeted/policy /etc/selinux/targeted/contexts/files /var/lib/selinux
mkdir -p /usr/share/selinux/packages
echo SELINUXTYPE=targeted >/etc/selinux/config
echo disable-genhomedircon=true >/etc/selinux/semanage.conf
semodule -s targeted -i "$2"
cp "$1"/files/*.cil /usr/share/selinux/packages/
sh "$1/scripts/post.rpm.sh" 2
sh "$1/scripts/cloudlet-post.rpm.sh" 2
sh "$1/scripts/printers-post.rpm.sh" 2
semodule -s targeted --list-modules=full
grep -c cirrus /etc/selinux/targeted/contexts/files/file_contexts
sh "$1/scripts/postun.rpm.sh" 0
sh "$1/scripts/cloudlet-postun.rpm.sh" 0
sh "$1/scripts/printers-postun.rpm.sh" 0
semodule -s targeted --list-modules=full
"""


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The modules of the stock policy."""
    return reference_modules(tmp_path_factory.mktemp("stock"))


@pytest.fixture(scope="module")
def policy(stock: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The policy with the modules of both packages."""
    return compiled([*stock, *sorted(FILES.glob("*.cil"))], tmp_path_factory.mktemp("policy"))


def test_all_that_the_programs_need(policy: Policy) -> None:
    """No access of a backend, driver, worker or poller is denied."""
    assert policy.denied([*STOCK, *ADDED, LOCK]) == []


def test_the_module_adds_nothing_else(stock: list[Path], tmp_path: Path) -> None:
    """Without the module, the accesses that it adds are denied, and no others."""
    assert compiled(stock, tmp_path).denied([*STOCK, *ADDED]) == ADDED


@pytest.mark.parametrize("path", TYPES)
def test_the_types_of_files(policy: Policy, path: str) -> None:
    """Each file of the packages, and each that the programs create, has the right type."""
    assert policy.type_of(path) == TYPES[path]


def test_the_scripts_of_the_rpms(tmp_path: Path) -> None:
    """They install the modules, with the priority of packages, and remove them at the end."""
    small = tmp_path / "small.cil"
    small.write_text(SMALL)
    command = ("unshare", "--mount", "sh", "-c", RPM_SCRIPTS, "sh", PACKAGES, small)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("libsemanage")]
    said = [line.split() for line in lines]
    ours = [["200", f"cirrus-{name}", "cil"] for name in ("bridge", "cloudlet", "printers")]
    assert said == [["400", "small", "cil"], *ours, ["7"], ["400", "small", "cil"]]
