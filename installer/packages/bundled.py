"""The foreign parts of a frozen folder, with their licenses, and as a CycloneDX list.

Python libraries come from the frozen environment. The interpreter and its libraries come from the
distribution's packages. A file of unknown origin stops the build.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.utils import canonicalize_name

from closure import needed

LICENCE_NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")


@dataclass(frozen=True, slots=True)
class Part:
    """A third-party part; `purl` is its name in lists of parts."""

    name: str
    version: str
    purl: str
    licence_files: tuple[Path, ...]


def parts(package: str, sources: Iterable[Path], repo: Path) -> list[Part]:
    """The parts of `package` that the bundled `sources` come from, sorted by name."""
    boot_loader = distribution("pyinstaller")
    theirs = {**needed(package), "pyinstaller": boot_loader}
    owners = {path: dist for dist in theirs.values() for path in _files(dist)}
    distributions: set[str] = {"pyinstaller"}
    others: set[Path] = set()
    for source in sources:
        if source in owners:
            distributions.add(canonicalize_name(owners[source].name))
        elif not source.is_relative_to(repo) or source.is_relative_to(sys.prefix):
            others.add(source)
    found = [_python_part(theirs[name]) for name in distributions]
    found += [_debian_part(name) for name in _debian_packages(others)]
    return sorted(found, key=lambda part: part.purl)


def licence_texts(found: Iterable[Part]) -> str:
    """The unchanged license texts of all parts."""
    rule = "=" * 78
    texts = [
        "The programs of this package hold, beside their own code, these works of others. Each\n"
        "is followed by the notices that came with it.\n"
    ]
    for part in found:
        if not part.licence_files:
            raise SystemExit(f"no licence found of {part.name} {part.version}, which is bundled")
        for file in part.licence_files:
            text = file.read_text(errors="replace").strip()
            texts.append(f"{rule}\n{part.name} {part.version}: {file.name}\n{rule}\n\n{text}\n")
    return "\n".join(texts)


def bill_of_materials(listed: str, found: Iterable[Part], name: str, version: str) -> str:
    """cyclonedx-py's list of an environment, reduced to the parts of one package.

    The list gets the package's `name` and version, and the distribution's libraries, which no
    Python tool knows.
    """
    bill = json.loads(listed)
    bill["metadata"]["component"] |= {"name": name, "version": version}
    python = {canonicalize_name(part.name) for part in found if part.purl.startswith("pkg:pypi")}
    kept = [c for c in bill["components"] if canonicalize_name(c["name"]) in python]
    kept += [
        {
            "type": "library",
            "bom-ref": part.purl,
            "name": part.name,
            "version": part.version,
            "purl": part.purl,
        }
        for part in found
        if not part.purl.startswith("pkg:pypi")
    ]
    root = bill["metadata"]["component"]["bom-ref"]
    refs = {component["bom-ref"] for component in kept}
    bill["components"] = kept
    bill["dependencies"] = [{"ref": root, "dependsOn": sorted(refs)}] + [
        {**entry, "dependsOn": sorted(refs.intersection(entry.get("dependsOn", ())))}
        for entry in bill["dependencies"]
        if entry["ref"] in refs
    ]
    return json.dumps(bill, indent=2) + "\n"


def _files(dist: Distribution) -> Iterator[Path]:
    for file in dist.files or ():
        yield Path(str(dist.locate_file(file))).resolve()


def _python_part(dist: Distribution) -> Part:
    name = canonicalize_name(dist.name)
    licences = sorted(p for p in _files(dist) if p.name.upper().startswith(LICENCE_NAMES))
    purl = f"pkg:pypi/{name}@{dist.version}"
    return Part(name, dist.version, purl, tuple(p for p in licences if p.suffix != ".py"))


def _debian_part(name: str) -> Part:
    version = _run("dpkg-query", "-W", "-f", "${Version}", name)
    plain = name.partition(":")[0]
    notices = Path("/usr/share/doc", plain, "copyright")
    return Part(plain, version, f"pkg:deb/debian/{plain}@{version}", (notices,))


def _debian_packages(files: Iterable[Path]) -> set[str]:
    """The packages that these files come from."""
    known: Mapping[str, str] = {
        path: line.partition(": ")[0]
        for line in _run("dpkg", "-S", *map(str, _places(files)), may_fail=True).splitlines()
        for path in [line.partition(": ")[2]]
    }
    owners = set()
    for file in files:
        owner = next((known[str(place)] for place in _places([file]) if str(place) in known), None)
        if owner is None:
            raise SystemExit(f"{file} is bundled, and nobody knows where it comes from")
        owners.add(owner.partition(",")[0])
    return owners


def _places(files: Iterable[Path]) -> Iterator[Path]:
    """The possible paths of a file: a package may call /usr/lib /lib, which is the same folder."""
    for file in files:
        yield file
        if file.is_relative_to("/usr"):
            yield Path("/", file.relative_to("/usr"))


def _run(*command: str, may_fail: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=not may_fail)
    return done.stdout.strip()
