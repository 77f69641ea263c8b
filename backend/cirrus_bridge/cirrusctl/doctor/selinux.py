"""Check of SELinux: whether files have the types that let CUPS's programs and services use them.

The policy module of the rpm gives the types (installer/packages/files/cirrus-bridge.cil).
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity, Subject

MODULE = "/usr/share/selinux/packages/cirrus-bridge.cil"
PROGRAMS = "usr/lib/cirrus-bridge"
SOCKET = "run/cirrus-bridge"
MOST_SHOWN = 3
_POLICY = "etc/selinux/targeted"  # of Fedora, RHEL and openSUSE, for which the module was written


class Labels(NamedTuple):
    """What SELinux knows of an installation.

    Attributes:
        is_enforcing: whether SELinux denies what no rule allows; otherwise, SELinux only logs it.
        has_module: whether the policy has our module.
        wrong: paths with a wrong type: each with that type and the right type.
        restore: the command that gives all paths their types.
    """

    is_enforcing: bool
    has_module: bool
    wrong: list[tuple[Path, str, str]]
    restore: str


def type_of(path: Path) -> str:
    """The type of a file (selinux(8)); empty if the file has none. Raises OSError."""
    try:
        context = os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return ""
        raise
    return context.rstrip(b"\0").decode().split(":")[2]


def read_labels(
    root: Path, state: Path, cache: Path, type_of: Callable[[Path], str] = type_of
) -> Labels | None:
    """Read the types of our files; None without SELinux, or with another policy.

    Raises:
        PermissionError: only root can read the types in `state`.
    """
    enforce, contexts = root / "sys/fs/selinux/enforce", root / _POLICY / "contexts/files"
    if not (enforce.exists() and contexts.is_dir()):
        return None
    known = "".join(file.read_text() for file in sorted(contexts.glob("file_contexts")))
    programs, socket = root / PROGRAMS, root / SOCKET
    right = {
        **dict.fromkeys(sorted(programs.glob("cirrus*")), "bin_t"),
        **dict.fromkeys([*_inside(state), *_inside(cache)], "cupsd_rw_etc_t"),
        **dict.fromkeys(_inside(socket), "cupsd_var_run_t"),
    }
    wrong = []
    for path, expected in right.items():
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            if (found := type_of(path)) != expected:
                wrong.append((path, found, expected))
    restore = (
        f"restorecon -Ri {programs} {state} {cache} {socket} && "
        "systemctl try-restart cirrus-statusd cirrus-workerd"
    )
    return Labels(enforce.read_text().strip() == "1", "cirrus-bridge" in known, wrong, restore)


def check_labels(labels: Labels | None) -> Iterator[Finding]:
    """Check that the policy has our module, and that our files have its types."""
    if labels is None:
        return
    selinux = Subject("SELinux", tr("file types"))
    severity = Severity.ERROR if labels.is_enforcing else Severity.WARNING
    if not labels.has_module:
        yield selinux.found(
            severity,
            tr("The policy module is not installed, so CUPS's programs may not use the journal."),
            f"semodule -X 200 -i {MODULE} && {labels.restore}",
        )
        return
    for path, found, expected in itertools.islice(labels.wrong, MOST_SHOWN):
        yield selinux.found(
            severity,
            tr(
                "{path} has the type {found} instead of {expected}.",
                path=path,
                found=found or "?",
                expected=expected,
            ),
            labels.restore,
        )
    if not labels.wrong:
        yield selinux.good(tr("All files have the types that the policy module gives them."))


def _inside(folder: Path) -> list[Path]:
    """A folder and what is directly in it; nothing if the folder is missing."""
    return [folder, *sorted(folder.iterdir())] if folder.is_dir() else []
