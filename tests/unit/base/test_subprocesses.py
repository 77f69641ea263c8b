"""Programs that are run as another user have that user's rights, and nothing else."""

from __future__ import annotations

import os
import pwd

from cirrus_bridge.base.subprocesses import Account, run_program
from desktop_session import USER, open_folder


def test_another_account() -> None:
    """Its ids, no group of ours, the given environment alone, and no open file."""
    entry = pwd.getpwnam(USER)
    with open_folder() as folder, (folder / "journal").open("w") as journal:
        os.set_inheritable(journal.fileno(), True)
        record = folder / "record"
        record.touch()
        record.chmod(0o666)
        script = (
            f"exec >{record}; id -u; id -g; id -G; tr '\\0' '\\n' </proc/$$/environ; "
            "readlink /proc/$$/fd/* | grep -c journal; true"
        )
        account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
        before = os.getgroups()
        os.setgroups([7])
        try:
            run_program(
                ["/bin/sh", "-c", script],
                {"PATH": b"/usr/bin:/bin"},
                limit_s=30,
                account=account,
            )
        finally:
            os.setgroups(before)
        said = record.read_text().split()
    ids = [str(entry.pw_uid), str(entry.pw_gid), str(entry.pw_gid)]
    assert said == [*ids, "PATH=/usr/bin:/bin", "0"]
