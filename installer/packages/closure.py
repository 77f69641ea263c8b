"""The installed distributions that one of our packages needs, and the modules of all others.

The environment for freezing contains tools, too, and libraries use whatever is installed: requests
would include chardet, and zeroconf cryptography. Only requirements are bundled.
"""

from __future__ import annotations

from importlib.metadata import Distribution, distribution, packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "cirrus-bridge"
EXTRAS = {"cirrus-bridge": "metrics", "cirrus-cloudlet": "cloudlet"}


def needed(package: str) -> dict[str, Distribution]:
    """The requirements of `package` by name, without our own packages."""
    found: dict[str, Distribution] = {}
    waiting = [(PROJECT, EXTRAS[package])]
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
