"""The content of the packages, before installation."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest

from cirrus_bridge.config.load import PollerSettings, UploadSettings, load
from cirrus_bridge.config.servers import SERVER_NAMES
from cirrus_bridge.version import __version__
from paths import REPO
from print_site import eventually
from release_build import build

pytestmark = pytest.mark.timeout(900)  # the first test builds the packages
FILES = REPO / "installer" / "packages"
OWN_MODES = {
    "/usr/lib/cups/backend/cirrus": "-rwx------",
    "/usr/lib/cups/driver/cirrus": "-rwxr-xr-x",
    "/usr/lib/cirrus-bridge/cirrus-backend": "-rwxr-xr-x",
    "/etc/cirrus-bridge/bridge.toml": "-rw-r--r--",
    "/etc/cirrus-bridge/servers.d": "drwx------",
    "/usr/share/doc/cirrus-bridge/cirrusctl.schema.json": "-rw-r--r--",
    "/usr/share/doc/cirrus-bridge/examples/queues.toml": "-rw-r--r--",
}
# what a package brings of others, and what only other packages need
PARTS = {
    "cirrus-bridge": (
        ("prometheus-client", "pyinstaller", "segno"),
        ("cryptography", "pikepdf", "pillow", "starlette", "uvicorn"),
    ),
    "cirrus-printers": (
        (
            "cryptography",
            "img2pdf",
            "pikepdf",
            "pillow",
            "prometheus-client",
            "starlette",
            "uvicorn",
        ),
        ("argon2-cffi", "lxml", "pycups", "rich", "typer"),
    ),
}
USERS = {"cirrus-printers": "cirrus-bridge"}  # the users of packages that have none of their own


def _run(*command: str | Path, may_fail: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert may_fail or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _all(packages: Path, kind: str) -> list[Path]:
    found = sorted((packages / "now").glob(f"*.{kind}"))
    assert len(found) == 3
    return found


def test_deb_is_clean(packages: Path) -> None:
    """lintian reports only what is overridden with a reason."""
    assert _run("lintian", "--tag-display-limit", "0", *_all(packages, "deb"), may_fail=True) == ""


def test_rpm_is_clean(packages: Path) -> None:
    """rpmlint reports nothing."""
    said = _run("rpmlint", "-c", FILES / "lint" / "rpmlint.toml", *_all(packages, "rpm"))
    assert "0 errors, 0 warnings" in said, said


def test_deb_has_no_alias(packages: Path) -> None:
    """No file is in /bin, /lib or /sbin, which are links (lintian's aliased-location)."""
    for deb in _all(packages, "deb"):
        paths = [line.split()[5] for line in _run("dpkg-deb", "-c", deb).splitlines()]
        assert {path.split("/")[1] for path in paths} <= {"", "etc", "usr"}


def test_modes_in_deb(packages: Path) -> None:
    """Root owns all files, and others can neither see keys nor run the backend."""
    listed = _run("dpkg-deb", "-c", _all(packages, "deb")[0]).splitlines()
    modes = {}
    for line in listed:
        mode, owner, _, _, _, path = line.split(maxsplit=5)
        assert owner in ("root/root", "0/0"), line
        modes[path.partition(" -> ")[0].removeprefix(".").rstrip("/")] = mode
    assert {path: modes[path] for path in OWN_MODES} == OWN_MODES


def test_rpm_in_a_root_of_its_own(packages: Path, tmp_path: Path) -> None:
    """Installed, the package has right modes, marked configuration and a group that Fedora has.

    Erased, it leaves nothing.
    """
    root = ("--root", tmp_path / "root")
    alone = ("--nodeps", "--noscripts")  # the root is empty and has no shell
    bridge = _all(packages, "rpm")[0]
    _run("rpm", *root, "-i", *alone, bridge)
    form = "[%{FILEMODES:perms} %{FILENAMES}\n]"
    listed = _run("rpm", *root, "-q", "--qf", form, "cirrus-bridge")
    modes = {path: mode for mode, path in (line.split(" ", 1) for line in listed.splitlines())}
    assert {path: modes[path] for path in OWN_MODES} == OWN_MODES
    assert _run("rpm", "-qpc", bridge) == "/etc/cirrus-bridge/bridge.toml\n"
    users = tmp_path / "root" / "usr/lib/sysusers.d/cirrus-bridge.conf"
    assert users.read_text().endswith("\nm cirrus-bridge sys\n")
    inside = tmp_path / "root" / "usr/lib/cirrus-bridge/cirrus-driver"
    _run("env", f"CIRRUS_BRIDGE_CACHE={tmp_path}", inside, "list")
    _run("rpm", *root, "-e", *alone, "cirrus-bridge")
    assert list((tmp_path / "root").rglob("*cirrus*")) == []


def test_what_the_rpm_asks_for(packages: Path) -> None:
    """The rpm requires every library that it lacks, by rpm's names."""
    for rpm in _all(packages, "rpm"):
        wanted = _run("rpm", "-qp", "--requires", rpm)
        missing = {
            library
            for library in _libraries(REPO / "build" / "frozen" / _name(rpm))
            if f"{library}()(64bit)" not in wanted
        }
        # glibc is required with its version
        glibc = r"lib(c|m|dl|pthread|rt)\.so|ld-linux"
        assert {name for name in missing if not re.match(glibc, name)} == set()


def _name(rpm: Path) -> str:
    return rpm.name.partition(f"-{__version__}")[0]


def _libraries(folder: Path) -> set[str]:
    """The libraries that programs and modules in a folder load, without the folder's own."""
    programs = _programs(folder)
    said = _run("readelf", "-d", *programs)
    own = {path.name for path in programs}
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", said)) - own


def test_the_oldest_c_library(packages: Path) -> None:
    """The programs run with the C library that the packages require, which RHEL 9 has."""
    for deb, rpm in zip(_all(packages, "deb"), _all(packages, "rpm"), strict=True):
        folder = REPO / "build" / "frozen" / deb.name.partition("_")[0]
        files = [*_programs(folder), REPO / "build" / "cirrus-bridge" / "front"]
        needed = re.findall(r"\bGLIBC_2\.(\d+)", _run("readelf", "--version-info", "-W", *files))
        assert max(map(int, needed)) == 34
        assert "libc6 (>= 2.34)" in _run("dpkg-deb", "-f", deb, "Depends").split(", ")
        assert "glibc >= 2.34" in _run("rpm", "-qp", "--requires", rpm).splitlines()


def _programs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and _is_elf(path)]


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def test_scripts_are_sound(packages: Path) -> None:
    """The shell accepts the scripts, and none of them touches CUPS."""
    for script in (FILES / "scripts").iterdir():
        _run("sh", "-n", script)
        code = re.sub(r"(?m)^\s*(#|echo ).*$", "", script.read_text())
        assert not re.search(r"(systemctl|invoke|helper|service).*\bcups", code)
    for rpm in _all(packages, "rpm"):
        name = _name(rpm)
        user = USERS.get(name, name)
        assert f"systemd-sysusers {user}.conf" in _run("rpm", "-qp", "--scripts", rpm)
        has_user = f"/usr/lib/sysusers.d/{user}.conf\n" in _run("rpm", "-qpl", rpm)
        assert has_user == (user == name)


@pytest.mark.parametrize(
    "name",
    [
        *("cirrus-statusd", "cirrus-workerd", "cirrus-printers"),
        *("cirrus-cloudlet", "cirrus-cloudlet-client"),
    ],
)
def test_the_service_is_confined(name: str) -> None:
    """systemd's own rating of the service, from 0 (safe) to 10."""
    unit = FILES / "files" / f"{name}.service"
    said = _run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit)
    assert "Overall exposure level" in said


@pytest.mark.parametrize("name", ["cirrus-statusd", "cirrus-printers", "cirrus-cloudlet-client"])
def test_the_service_has_a_limit_of_memory(name: str) -> None:
    """A fault that fills the memory ends the service, not other programs; systemd restarts it."""
    unit = (FILES / "files" / f"{name}.service").read_text()
    assert re.search(r"(?m)^MemoryMax=\d+[MG]$", unit)
    assert re.search(r"(?m)^Restart=on-failure$", unit)


def test_the_apparmor_profile_fits_into_that_of_cupsd(tmp_path: Path) -> None:
    """The distribution's profile accepts the sample where administrators put it.

    No rule of the profile conflicts with the sample (the parser would report that).
    """
    place = "#include <local/usr.sbin.cupsd>"
    profile = Path("/etc/apparmor.d/usr.sbin.cupsd").read_text()
    assert place in profile
    (tmp_path / "profile").write_text(
        profile.replace(place, (FILES / "files" / "apparmor-cupsd").read_text())
    )
    parser = ("apparmor_parser", "--base", "/etc/apparmor.d", "--skip-kernel-load", "--skip-cache")
    _run(*parser, tmp_path / "profile")
    assert "/usr/sbin/cupsd//cirrus\n" in _run(*parser, "--names", tmp_path / "profile")


def test_the_sample_says_the_defaults(tmp_path: Path) -> None:
    """The sample's comments, made valid, change nothing."""
    (tmp_path / "servers.d").mkdir()
    without = load(tmp_path)
    sample = (FILES / "files" / "bridge.toml").read_text()
    made_valid, count = re.subn(r"(?m)^#(\w+ = .+)$", r"\1", sample)
    assert count > 10
    (tmp_path / "bridge.toml").write_text(made_valid)
    assert load(tmp_path) == without


@pytest.mark.parametrize("kind", [UploadSettings, PollerSettings])
def test_the_manual_knows_every_setting(kind: type) -> None:
    """cirrus-bridge.toml(5) documents all accepted settings."""
    manual = (FILES / "man" / "cirrus-bridge.toml.5.scd").read_text()
    names = {field.name for field in dataclasses.fields(kind)} | set(SERVER_NAMES)
    assert {name for name in names if f"*{name}*" not in manual} == set()


def test_sums(packages: Path) -> None:
    """The checksums are right."""
    _run("sh", "-c", f"cd {packages / 'now'} && sha256sum --check --strict SHA256SUMS")


@pytest.mark.parametrize("package", PARTS)
def test_parts(packages: Path, package: str) -> None:
    """The list of parts matches the licenses, and has nothing that is not needed."""
    bill = json.loads((packages / "now" / f"{package}-{__version__}.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    of = bill["metadata"]["component"]
    assert (of["name"], of["version"]) == (package, __version__)
    names = {
        component["purl"].partition("@")[0].rpartition("/")[2] for component in bill["components"]
    }
    expected, others = PARTS[package]
    assert {*expected, "requests", "isal", "zeroconf", "certifi", "libpython3.11"} <= names
    assert not {*others, "pytest"} & names
    notices = _run(
        "sh", "-c", f"zcat {REPO}/build/{package}/bundled-licenses.txt.gz | grep -A1 ^====="
    )
    assert {name for name in names if f"\n{name} " not in notices} == set()


def test_a_face_is_enough(packages: Path) -> None:
    """cirrus-bridge needs CUPS or the printers without drivers, and proposes CUPS."""
    deb, rpm = (_all(packages, kind)[0] for kind in ("deb", "rpm"))
    needed = _run("dpkg-deb", "-f", deb, "Depends").strip().split(", ")
    assert {"cups | cirrus-printers", "cups-filters | cirrus-printers"} <= set(needed)
    assert _run("dpkg-deb", "-f", deb, "Recommends").strip() == "cups, cups-filters"
    asked = _run("rpm", "-qp", "--requires", rpm).splitlines()
    assert {"(cups or cirrus-printers)", "(cups-filters or cirrus-printers)"} <= set(asked)
    assert _run("rpm", "-qp", "--recommends", rpm).split() == ["cups", "cups-filters"]


@pytest.mark.complete
def test_two_builds_at_once(packages: Path, tmp_path: Path) -> None:
    """The second build waits for the first, because both use one folder."""
    place = REPO / "build" / "lock"
    with place.open("w") as lock, ThreadPoolExecutor() as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = pool.submit(build, tmp_path / "out", "--packages-only")
        waits = re.compile(rf"-> FLOCK .*:{place.stat().st_ino} ")
        eventually(lambda: second.done() or bool(waits.search(Path("/proc/locks").read_text())))
        there = (tmp_path / "out").exists()
        fcntl.flock(lock, fcntl.LOCK_UN)
        second.result()
    assert not there
    assert len(list((tmp_path / "out").glob("*.deb"))) == 3


@pytest.mark.complete
def test_the_same_anywhere(packages: Path, tmp_path: Path) -> None:
    """A build from scratch gives the same bytes in another folder, on another host.

    Umask, time zone and home are others, too, and pip has compiled pycups again.
    """
    copy = tmp_path / "elsewhere"
    listed = ("git", "-C", REPO, "ls-files", "--cached", "--others", "--exclude-standard")
    for name in _run(*listed).splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, copy / name, follow_symlinks=False)
        (copy / name).chmod((REPO / name).stat().st_mode & 0o700)  # as git does with this umask
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "TZ": "Pacific/Auckland"}
    pip = (sys.executable, "-m", "pip", "wheel", "--no-cache-dir", "--no-deps", "--use-pep517")
    pycups = (f"pycups=={version('pycups')}", "--wheel-dir", tmp_path)
    subprocess.run([*pip, *pycups], env={**os.environ, **home}, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("pycups-*.whl")
    shutil.unpack_archive(wheel, tmp_path / "pycups", "zip")
    (compiled,) = (tmp_path / "pycups").glob("cups.*.so")
    used = Path(sysconfig.get_path("platlib"), compiled.name)
    assert used.read_bytes() != compiled.read_bytes()  # the folder of the compilation

    place = 'hostname elsewhere; umask 077; mount --bind "$1" "$2"; shift 2; exec "$@"'
    inside = ("unshare", "--uts", "--mount", "sh", "-euc", place, "sh", compiled, used)
    uncached = str(tmp_path / "bytecode")
    build(tmp_path / "out", repo=copy, inside=inside, **home, PYTHONPYCACHEPREFIX=uncached)
    sums = (packages / "now" / "SHA256SUMS").read_text()
    assert (tmp_path / "out" / "SHA256SUMS").read_text() == sums
