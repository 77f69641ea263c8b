"""The doctor's check of SELinux's types."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.cirrusctl.doctor.finding import Finding, Severity
from cirrus_bridge.cirrusctl.doctor.selinux import check_labels, read_labels, type_of

PATHS = {
    "usr/lib/cirrus-bridge/cirrus-statusd": "bin_t",
    "var/lib/cirrus-bridge/journal.db": "cupsd_rw_etc_t",
    "var/cache/cirrus-bridge/devices.json": "cupsd_rw_etc_t",
    "run/cirrus-bridge/workers.sock": "cupsd_var_run_t",
}
CONTEXTS = "/var/lib/cirrus-bridge(/.*)?\tsystem_u:object_r:cupsd_rw_etc_t:s0\n"


def _examined(root: Path, wrong: dict[str, str] | None = None) -> list[Finding]:
    """The findings about files in `root`, some of which have another type."""

    def known(path: Path) -> str:
        name = str(path.relative_to(root))
        right = next(each for known, each in PATHS.items() if known.startswith(name))
        return (wrong or {}).get(name, right)

    state, cache = root / "var/lib/cirrus-bridge", root / "var/cache/cirrus-bridge"
    return [*check_labels(read_labels(root, state, cache, known))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with SELinux enforcing, and with the policy module."""
    files = {
        **dict.fromkeys(PATHS, ""),
        "sys/fs/selinux/enforce": "1",
        "etc/selinux/targeted/contexts/files/file_contexts": CONTEXTS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_right_types(root: Path) -> None:
    """All files have their types."""
    (good,) = _examined(root)
    assert good.severity is Severity.OK


@pytest.mark.parametrize(("enforce", "severity"), [("1", Severity.ERROR), ("0", Severity.WARNING)])
def test_restored_journal(root: Path, enforce: str, severity: Severity) -> None:
    """A journal that was moved back has a type that CUPS's programs may not write."""
    (root / "sys/fs/selinux/enforce").write_text(enforce)
    (bad,) = _examined(root, {"var/lib/cirrus-bridge/journal.db": "admin_home_t"})
    assert bad.severity is severity
    assert "journal.db has the type admin_home_t instead of cupsd_rw_etc_t" in bad.text
    assert f"restorecon -Ri {root}/usr/lib/cirrus-bridge {root}/var/lib/cirrus-bridge" in bad.fix
    assert "semodule" not in bad.fix


def test_unlabeled_programs(root: Path) -> None:
    """A service whose program is a library to SELinux cannot connect to cupsd."""
    (bad,) = _examined(root, {"usr/lib/cirrus-bridge/cirrus-statusd": "lib_t"})
    assert "lib_t instead of bin_t" in bad.text and "try-restart cirrus-statusd" in bad.fix


def test_without_the_module(root: Path) -> None:
    """The policy was installed after the package, or the module was removed."""
    (root / "etc/selinux/targeted/contexts/files/file_contexts").write_text("")
    (bad,) = _examined(root, {"var/lib/cirrus-bridge": "var_lib_t"})
    assert bad.severity is Severity.ERROR
    assert "semodule -X 200 -i /usr/share/selinux/packages/cirrus-bridge.cil && " in bad.fix


@pytest.mark.parametrize("missing", ["sys/fs/selinux/enforce", "etc/selinux/targeted"])
def test_without_selinux(root: Path, missing: str) -> None:
    """Nothing is said about SELinux where it is off, or has another policy."""
    (root / missing).rename(root / "gone")
    assert _examined(root) == []


def test_a_file_without_a_type(tmp_path: Path) -> None:
    """Files of a system without SELinux have no type."""
    with pytest.raises(FileNotFoundError):
        type_of(tmp_path / "missing")
    assert type_of(tmp_path) == ""
