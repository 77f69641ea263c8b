"""An installation of the programs that only its owner can read, as in root's home."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from paths import REPO

_SCRIPTS = Path(sys.executable).parent
_PACKAGES = ("cirrus_bridge", "cirrus_cloudlet", "cirrus_http")


def install_privately(folder: Path) -> Path:
    """Make a Python environment with the programs in a new folder with mode 0700; return the folder
    of the programs. The modules are links, which lead through that folder as well."""
    folder.mkdir(mode=0o700)
    environment = folder / "venv"
    create = (sys.executable, "-m", "venv", "--without-pip", environment)
    subprocess.run(create, check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.suffix != ".pth":  # not the links to the clone
            (site / entry.name).symlink_to(entry)
    for name in _PACKAGES:
        (site / name).symlink_to(REPO / "backend" / name)
    programs = environment / "bin"
    for script in _SCRIPTS.glob("cirrus*"):
        first, _, rest = script.read_text().partition("\n")
        assert first.startswith("#!")
        copy = programs / script.name
        copy.write_text(f"#!{programs / 'python3'}\n{rest}")
        copy.chmod(0o755)
    return programs
