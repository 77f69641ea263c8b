"""The foreign parts of a frozen folder, with their licenses, and as a CycloneDX list.

Python libraries come from the environment for freezing, which contains tools, too. Libraries use
whatever is installed: requests would include chardet, and zeroconf cryptography. So only
requirements are bundled. The interpreter and its libraries come from the distribution's packages. A
file of unknown origin stops the build.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "cirrus-bridge"
EXTRAS = {
    "cirrus-bridge": ("metrics", "qr"),
    "cirrus-printers": ("printers",),
    "cirrus-cloudlet": ("cloudlet",),
}
LICENSE_NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")  # codespell:ignore licence


@dataclass(frozen=True, slots=True)
class Part:
    """A third-party part; `purl` is its name in lists of parts."""

    name: str
    version: str
    purl: str
    license_files: tuple[Path, ...]


def needed(package: str) -> dict[str, Distribution]:
    """The requirements of `package` by name, without our own packages."""
    found: dict[str, Distribution] = {}
    waiting = [(PROJECT, extra) for extra in EXTRAS[package]]
    while waiting:
        name, extra = waiting.pop()
        found[name] = distribution(name)
        for text in found[name].requires or ():
            wanted = Requirement(text)
            applies = wanted.marker is None or wanted.marker.evaluate({"extra": extra})
            name_wanted = canonicalize_name(wanted.name)
            if applies and name_wanted not in found:
                waiting.extend((name_wanted, each) for each in (*wanted.extras, ""))
    del found[PROJECT]
    return found


def foreign_modules(package: str) -> list[str]:
    """The modules of distributions that `package` does not need."""
    ours = {PROJECT, *needed(package)}
    return [
        module
        for module, owners in packages_distributions().items()
        if not ours & {canonicalize_name(owner) for owner in owners}
    ]


def parts(package: str, sources: Iterable[Path], repo: Path) -> list[Part]:
    """The parts of `package` that the bundled `sources` come from, sorted by name."""
    theirs = (*needed(package).values(), distribution("pyinstaller"))
    owners = {path: canonicalize_name(dist.name) for dist in theirs for path in _files(dist)}
    names, others = {"pyinstaller"}, set()
    for source in sources:
        if source in owners:
            names.add(owners[source])
        elif not source.is_relative_to(repo) or source.is_relative_to(sys.prefix):
            others.add(source)
    found = [_python_part(dist) for dist in theirs if canonicalize_name(dist.name) in names]
    found += [_debian_part(name) for name in _debian_packages(others)]
    return sorted(found, key=lambda part: part.purl)


def license_texts(found: Iterable[Part]) -> str:
    """The unchanged license texts of all parts."""
    rule = "=" * 78
    texts = [
        "The programs of this package hold, beside their own code, these works of others. Each\n"
        "is followed by the notices that came with it.\n"
    ]
    for part in found:
        if not part.license_files:
            raise SystemExit(f"no license found for {part.name} {part.version}, which is bundled")
        for file in part.license_files:
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
    for part in found:
        if not part.purl.startswith("pkg:pypi"):
            about = {"type": "library", "bom-ref": part.purl, "name": part.name}
            kept.append({**about, "version": part.version, "purl": part.purl})
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
    licenses = sorted(p for p in _files(dist) if p.name.upper().startswith(LICENSE_NAMES))
    purl = f"pkg:pypi/{name}@{dist.version}"
    return Part(name, dist.version, purl, tuple(p for p in licenses if p.suffix != ".py"))


def _debian_part(name: str) -> Part:
    version = _run("dpkg-query", "-W", "-f", "${Version}", name)
    plain = name.partition(":")[0]
    notices = Path("/usr/share/doc", plain, "copyright")
    return Part(plain, version, f"pkg:deb/debian/{plain}@{version}", (notices,))


def _debian_packages(files: Iterable[Path]) -> set[str]:
    """The packages that these files come from."""
    # a package may call /usr/lib /lib, which is the same folder
    places = {str(file): str(file).removeprefix("/usr") for file in files}
    said = _run("dpkg", "-S", *places, *places.values(), may_fail=True)
    known = {path: owner for owner, _, path in (line.partition(": ") for line in said.splitlines())}
    owners = set()
    for file, other in places.items():
        owner = known.get(file) or known.get(other)
        if owner is None:
            raise SystemExit(f"{file} is bundled, and nobody knows where it comes from")
        owners.add(owner.partition(",")[0])
    return owners


def _run(*command: str, may_fail: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=not may_fail)
    return done.stdout.strip()
