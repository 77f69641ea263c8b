"""A second private cupsd that prints to shared queues without a driver, as another machine does."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from print_site import eventually
from private_cups import PrivateCups
from private_cups_layout import SERVER_BIN

_OPTION = re.compile(r"^(\S+)/[^:]*: (.*)$", re.MULTILINE)


class DriverlessClient:
    """Queues of a second cupsd, each for a queue of the first one."""

    def __init__(self, cups: PrivateCups) -> None:
        self.cups = cups

    def add_queue(self, name: str, uri: str) -> dict[str, list[str]]:
        """Add a queue for the IPP printer at `uri`; return the choices of each of its options.

        CUPS asks the printer for its abilities in the background.
        """
        self.cups.add_queue(name, uri, driver="everywhere")
        options: dict[str, list[str]] = {}

        def has_driver() -> bool:
            with contextlib.suppress(RuntimeError):  # lpoptions fails until then
                host = f"127.0.0.1:{self.cups.port}"
                said = self.cups.run("lpoptions", "-h", host, "-p", name, "-l")
                for option, choices in _OPTION.findall(said):
                    options[option] = choices.replace("*", "").split()
            return "PageSize" in options

        eventually(has_driver)
        return options


@contextlib.contextmanager
def driverless_client() -> Iterator[DriverlessClient]:
    """Start the second cupsd; stop and remove it at the end."""
    root = Path(tempfile.mkdtemp(prefix="cups-", dir="/tmp"))
    try:
        cups = PrivateCups(root, ["false"], {})
        (root / "bin" / "backend" / "ipp").symlink_to(SERVER_BIN / "backend" / "ipp")
        try:
            cups.start()
            yield DriverlessClient(cups)
        finally:
            cups.stop()
    finally:
        shutil.rmtree(root)
