"""Who runs a command, for the list of changes."""

from __future__ import annotations

import os
import pwd

from cirrus_cloudlet.storage.audit import Actor, Origin


def _login() -> str:
    user = os.getuid()
    if user == 0 and (caller := os.environ.get("SUDO_USER")):
        return caller
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


# found at the import, before a command of root becomes the owner of the data folder
OPERATOR = Actor(_login(), Origin.CLI)
