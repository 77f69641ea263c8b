"""Let a bundled library run with a C library that is older than the one of its build.

Debian 12 has glibc 2.36. What Python needs is in glibc 2.34 too, which RHEL 9 has, except for the
hypot() of glibc 2.35, which has no wrapper for errors (its commit "math: Remove the error handling
wrapper from hypot and hypotf"). Every glibc still has the hypot() with the wrapper. Python calls
hypot() for the absolute value of a complex number only, and checks the result by itself.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

LIBRARY, VERSION, FUNCTIONS = "libm.so.6", "GLIBC_2.35", ["hypot"]
_SECTION = re.compile(r"needs section.*?\n Addr: \S+ +Offset: 0x(\w+)(.*)", re.DOTALL)
_NEED = re.compile(r"File: (\S+) .*\n((?: +0x\w+: +Name:.*\n)+)")
_VERSION = re.compile(r"0x(\w+): +Name: (\S+)")


def need_older_version(file: Path) -> None:
    """Replace the version that `file` needs for FUNCTIONS by the first one of the library.

    Raises:
        SystemExit: other functions need that version, too.
    """
    entries = _needed(file).get(LIBRARY, {})
    if VERSION not in entries:
        return
    symbols = _run("objdump", "-T", file)
    if (needing := re.findall(rf"\({VERSION}\) +(\S+)", symbols)) != FUNCTIONS:
        raise SystemExit(f"{file} needs {VERSION} of {LIBRARY} for {', '.join(needing)}")
    first = entries[min(entries, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])]
    content = bytearray(file.read_bytes())
    place = entries[VERSION]
    # Elf64_Vernaux (elf(5)): hash, flags, index, place of the name, place of the next entry
    for field, end in ((0, 4), (8, 12)):
        content[place + field : place + end] = content[first + field : first + end]
    file.write_bytes(content)


def _needed(file: Path) -> dict[str, dict[str, int]]:
    """The versions that the file needs of each library, with the places of their entries."""
    section = _SECTION.search(_run("readelf", "--version-info", "--wide", file))
    if section is None:
        return {}
    start, needs = int(section[1], 16), section[2]
    return {
        library: {name: start + int(place, 16) for place, name in _VERSION.findall(versions)}
        for library, versions in _NEED.findall(needs)
    }


def _run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
