"""SELinux's reference policy, as Debian's package has it: compiled with further modules, and asked.

The package is downloaded once and kept. It is not installed, and no kernel has to know SELinux.
Debian has no unconfined_service_t. Services without a domain of their own run as initrc_t there, so
the name stands for that type.
"""

from __future__ import annotations

import bz2
import fcntl
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from clean_system import CACHE
from paths import SUPPORT

PACKAGE = "selinux-policy-default"
MODULES = ("base", "cups", "lpd", "unconfined")
TO_CIL = "/usr/libexec/selinux/hll/pp"
# the least that semodule(8) accepts, with the names that our modules use
SMALL = """
(handleunknown allow)
(mls true)
(class process (signal))
(class file (map))
(class fd (use))
(class unix_stream_socket (connectto))
(class capability (setpcap))
(classorder (process file fd unix_stream_socket capability))
(sid kernel)
(sidorder (kernel))
(sidcontext kernel (system_u system_r cupsd_t ((s0) (s0))))
(sensitivity s0)
(sensitivityorder (s0))
(type bin_t)
(type cupsd_t)
(type cupsd_rw_etc_t)
(type cupsd_var_run_t)
(type unconfined_service_t)
(role system_r)
(role object_r)
(roletype system_r cupsd_t)
(roletype object_r bin_t)
(roletype object_r cupsd_rw_etc_t)
(roletype object_r cupsd_var_run_t)
(user system_u)
(userrole system_u system_r)
(userrole system_u object_r)
(userlevel system_u (s0))
(userrange system_u ((s0) (s0)))
(selinuxuserdefault system_u ((s0) (s0)))
(allow cupsd_t self (process (signal)))
"""
SERVICES = """
(typealias unconfined_service_t)
(typealiasactual unconfined_service_t initrc_t)
"""


class Access(NamedTuple):
    """An access that a program needs: domain, type of the object, class, permissions."""

    source: str
    target: str
    kind: str
    permissions: str


class Policy(NamedTuple):
    """A compiled policy, and its file contexts."""

    binary: Path
    contexts: Path

    def denied(self, accesses: Sequence[Access]) -> list[Access]:
        """The accesses that are denied, with the permissions that are missing."""
        asked = json.dumps([(*each[:3], each.permissions.split()) for each in accesses])
        command = ("/usr/bin/python3", SUPPORT / "selinux_access.py", self.binary)
        said = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
        answers = zip(accesses, json.loads(said.stdout), strict=True)
        return [each._replace(permissions=" ".join(none)) for each, none in answers if none]

    def type_of(self, path: str, kind: str = "file") -> str:
        """The type that restorecon(8) would give to a path."""
        command = ("selabel_lookup", "-b", "file", "-f", self.contexts, "-k", path, "-t", kind)
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return said.split(":")[3]


def reference_modules(folder: Path) -> list[Path]:
    """Write the modules of the reference policy into `folder`, as CIL; return their paths."""
    (folder / "services.cil").write_text(SERVICES)
    made = [folder / "services.cil"]
    for name in MODULES:
        (packed,) = _package().glob(f"usr/share/selinux/default/{name}.pp.bz2")
        converted = subprocess.run(
            [TO_CIL], input=bz2.decompress(packed.read_bytes()), capture_output=True, check=True
        )
        # the role is in a module that is not here
        lines = converted.stdout.splitlines(keepends=True)
        made.append(folder / f"{name}.cil")
        made[-1].write_bytes(
            b"".join(line for line in lines if not line.startswith(b"(selinuxuser sddm "))
        )
    return made


def compiled(modules: Sequence[Path], folder: Path) -> Policy:
    """Compile modules into a policy in `folder`."""
    policy = Policy(folder / "policy", folder / "file_contexts")
    to = ("-o", policy.binary, "-f", policy.contexts)
    command: tuple[str | Path, ...] = ("secilc", "--mls", "true", *to, *modules)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return policy


def _package() -> Path:
    """The folder with the package's files."""
    folder = CACHE / "selinux"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "files").exists():
            subprocess.run(["apt-get", "-q", "download", PACKAGE], cwd=folder, check=True)
            (package,) = folder.glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", package, folder / "unpacked"], check=True)
            (folder / "unpacked").rename(folder / "files")
    return folder / "files"
