"""The doctor's checks that need no server: the kernel's log, drivers, threads, cupsd's files."""

from __future__ import annotations

import grp
import pwd
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cirrus_bridge.base.errors import (
    CirrusError,
    CupsAway,
    KeyRefused,
    NotPermitted,
    Unreachable,
    WrongUser,
)
from cirrus_bridge.base.model import Place
from cirrus_bridge.cirrusctl.doctor.cloud import (
    check_driver,
    check_location,
    check_queue,
    check_server,
)
from cirrus_bridge.cirrusctl.doctor.cups import (
    check_daemon,
    check_job_time,
    check_snap,
    check_versions,
    without_cups,
)
from cirrus_bridge.cirrusctl.doctor.examination import at_once
from cirrus_bridge.cirrusctl.doctor.finding import Severity, Subject, rows
from cirrus_bridge.cirrusctl.doctor.machine import KernelLog, check_denials, read_log
from cirrus_bridge.cirrusctl.doctor.rights import check_account
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cups.cupsd import Cupsd, find_cupsd, is_missing, read_cupsd
from cirrus_bridge.cups.queues import STOPPED, Queue
from cirrus_bridge.drivers.capabilities import LANGUAGES

NOW_S = 1_700_000_100.0
# as kernels write them: AppArmor in the kernel's log, SELinux by auditd
APPARMOR = (
    'audit: type=1400 audit(1700000000.123:77): apparmor="DENIED" operation="open" class="file" '
    'profile="/usr/sbin/cupsd" name="/etc/cirrus-bridge/servers.d/" pid=811 comm="cirrus" '
    'requested_mask="r" denied_mask="r" fsuid=0 ouid=0'
)
SELINUX = (
    "type=AVC msg=audit(1700000000.243:24287): avc:  denied  { read } for  pid=2465 "
    'comm="cirrus-backend" name="journal.db" dev="sda1" ino=397 '
    "scontext=system_u:system_r:cupsd_t:s0-s0:c0.c1023 "
    "tcontext=system_u:object_r:var_lib_t:s0 tclass=file permissive=0"
)
OF_OTHERS = (
    APPARMOR.replace("cirrus-bridge", "fonts").replace('comm="cirrus"', 'comm="gs"'),
    SELINUX.replace("cirrus-backend", "httpd").replace("cupsd_t", "httpd_t"),
    APPARMOR.replace("DENIED", "ALLOWED"),
    APPARMOR.replace("1700000000", "1699000000"),  # days ago
    "nothing of the kind",
)


def test_denials_by_apparmor(tmp_path: Path) -> None:
    """captdriver#50, OpenPrinting/cups#206, xpra#2265, cloud-print-connector#387: told once.

    The finding names the denied access and the profile to change.
    """
    log = tmp_path / "audit.log"
    log.write_text("\n".join([*OF_OTHERS, APPARMOR, APPARMOR]) + "\n")
    (bad,) = check_denials(read_log(log), NOW_S, is_root=True)
    assert bad.severity is Severity.ERROR
    assert (
        "denied cirrus in profile /usr/sbin/cupsd: open /etc/cirrus-bridge/servers.d/" in bad.text
    )
    assert "/etc/apparmor.d/local/usr.sbin.cupsd" in bad.fix


def test_denials_by_selinux(tmp_path: Path) -> None:
    """A denial by SELinux names SELinux's tools."""
    log = tmp_path / "audit.log"
    log.write_text(SELINUX)
    (bad,) = check_denials(read_log(log), NOW_S, is_root=True)
    assert "SELinux denied cirrus-backend" in bad.text and "read journal.db (file)" in bad.text
    assert "audit2allow" in bad.fix


def test_denials_to_others() -> None:
    """Denials of other programs and old ones are ignored."""
    (said,) = check_denials(KernelLog(OF_OTHERS), NOW_S, is_root=True)
    assert said.severity is Severity.OK


@pytest.mark.parametrize(("is_root", "fix"), [(True, "dmesg"), (False, "Run the doctor as root.")])
def test_a_log_that_cannot_be_read(is_root: bool, fix: str) -> None:
    """An unreadable log is not a good sign; root gets the reason, and no advice to become root."""
    log = KernelLog((), "journalctl cannot be started: No such file or directory")
    (said,) = check_denials(log, NOW_S, is_root=is_root)
    assert said.severity is Severity.NOTE and fix in said.fix
    assert "No such file" in said.text and ("as root" in said.fix) != is_root


@pytest.mark.parametrize("has_systemd", [True, False])
def test_how_to_start_cups(has_systemd: bool) -> None:
    """Where there is no systemd, as in a container, the doctor does not advise it."""
    away = CupsAway("CUPS does not answer.")
    daemon = Cupsd(None, {})
    (bad,) = check_daemon("cups.sock", daemon, away, is_root=True, has_systemd=has_systemd)
    assert bad.fix.startswith("Start CUPS")
    assert ("systemctl" in bad.fix, "container" in bad.fix) == (has_systemd, not has_systemd)


def test_what_hangs_or_fails_hides_nothing() -> None:
    """Each task has its own result, even if another hangs or fails."""
    never = threading.Event()

    def fails() -> str:
        raise RuntimeError("broken")

    tasks = {"hangs": lambda: str(never.wait(30)), "fails": fails, "works": lambda: "done"}
    found = at_once(tasks, 0.3)
    never.set()
    assert found["works"] == "done"
    assert isinstance(found["fails"], RuntimeError)
    assert isinstance(found["hangs"], TimeoutError)


@pytest.mark.parametrize("word", LANGUAGES)
def test_drivers_of_ours(word: str) -> None:
    """Each of our drivers makes its own format only."""
    ppd = "".join(f'*cupsFilter2: "{line}"\n' for line in LANGUAGES[word].filters)
    (said,) = check_driver("q", "q", ppd, [word, "other"], "")
    assert said.severity is Severity.OK
    other = next(each for each in LANGUAGES if each != word)
    (bad,) = check_driver("q", "q", ppd, [other], "cirrus:1")
    assert bad.severity is Severity.ERROR and "lpadmin -p q -m cirrus:1" in bad.fix
    assert not list(check_driver("q", "q", ppd, ["any"], ""))
    assert not list(check_driver("q", "q", ppd, [], ""))


def test_drivers_of_others() -> None:
    """Other drivers are judged by their filters; without filters, a driver makes PostScript.

    Nothing is claimed about unknown filters.
    """
    old = '*cupsFilter: "application/vnd.cups-raster 100 rastertolabel"\n'
    assert not list(check_driver("q", "q", old, ["pdf"], ""))
    (bad,) = check_driver("q", "q", "*PPD-Adobe: 4.3\n", ["pdf"], "")
    assert "The driver produces ps" in bad.text
    for made in ("application/postscript", "application/vnd.cups-postscript"):
        filters = f'*cupsFilter2: "application/vnd.cups-pdf {made} 0 pdftops"\n'
        assert [said.severity for said in check_driver("q", "q", filters, ["ps"], "")] == [
            Severity.OK
        ]


def test_cups_as_a_snap(tmp_path: Path) -> None:
    """Alone, the snap runs no backend of ours; beside the distribution's CUPS it passes jobs on."""
    assert not list(check_snap(tmp_path))
    (tmp_path / "var/snap/cups").mkdir(parents=True)
    (bad,) = check_snap(tmp_path)
    assert bad.severity is Severity.ERROR and bad.fix.startswith("Install the distribution's CUPS")
    (tmp_path / "etc/cups").mkdir(parents=True)
    (tmp_path / "etc/cups/cupsd.conf").touch()
    (said,) = check_snap(tmp_path)
    assert said.severity is Severity.NOTE and "lpadmin" in said.fix


def test_versions() -> None:
    """CUPS 3 has no backends, and old versions lack needed features."""
    bad = check_versions("2.1.4")
    assert bad.severity is Severity.ERROR and "Install CUPS 2.4" in bad.fix
    bad = check_versions("3.0.1")
    assert bad.severity is Severity.ERROR and "2.4" in bad.fix
    for version in ("2.3.0", "2.4.2", "2.4", "2.5.0"):  # cupsd and lpadmin warn
        said = check_versions(version)
        assert said.severity is Severity.OK and "work until CUPS 3" in said.text
    for version in ("2.2.10", ""):
        said = check_versions(version)
        assert said.severity is Severity.OK and "deprecated" not in said.text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("Yes", 9.0), ("No", 0.0), ("90", 90.0), ("2h", 7200.0), ("1d", 86400.0), ("what", 5.0)],
)
def test_times_of_cupsd(text: str, seconds: float) -> None:
    """Times have the forms of cupsd.conf(5)."""
    daemon = Cupsd(None, {"preservejobfiles": text})
    assert daemon.seconds("PreserveJobFiles", yes_s=9.0, default_s=5.0) == seconds


def test_no_cupsd() -> None:
    """Without a listening cupsd, the usual folders are checked."""
    daemon = find_cupsd("/nowhere/cups.sock")
    assert daemon.pid is None and daemon.server_bin == Path("/usr/lib/cups")


def test_a_machine_without_cups(tmp_path: Path) -> None:
    """Neither the program nor a snap is there, and no socket or other machine is CUPS."""
    socket = tmp_path / "cups.sock"
    assert is_missing(str(socket), tmp_path)
    assert not is_missing("print.example.com:631", tmp_path)
    for path in (socket, tmp_path / "usr/sbin/cupsd", tmp_path / "var/snap/cups/common"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
        assert not is_missing(str(socket), tmp_path)
        path.unlink()
    said = without_cups()
    assert said.severity is Severity.OK and "no queues" in said.text


def test_a_key_without_the_right_to_a_location() -> None:
    """With a good key, the location is at fault; with a refused key, no location is blamed."""
    place = Place("h", "Acme", "Paris")
    barred = LocationAnswer(place, {}, NotPermitted("Not for you."))
    (key,), (location,) = check_server("h", [barred]), check_location(barred)
    assert key.severity is Severity.OK
    assert location.code == NotPermitted.code and "grant the key access" in location.fix
    refused = LocationAnswer(place, {}, KeyRefused("Not known."))
    (key,) = check_server("h", [refused])
    assert key.code == KeyRefused.code and "Put a valid key" in key.fix
    assert not list(check_location(refused))


def test_what_the_checks_of_the_connection_say() -> None:
    """They say why a server is away. With a stranger's program at its port, they are all good."""
    place = Place("h", "Acme", "Paris")
    (away,) = check_server("h", [LocationAnswer(place, {}, Unreachable("No answer."))])
    assert away.fix == "See DNS, TCP and TLS of this server above."
    stranger = WrongUser("A program of user nobody answers.", "Stop that program.")
    (wrong,) = check_server("h", [LocationAnswer(place, {}, stranger)])
    assert wrong.fix == "Stop that program."


@pytest.mark.parametrize(
    ("max_job_time", "of_queue", "told"),
    [
        ("", None, [Severity.OK]),
        ("0", None, [Severity.OK]),
        ("30", None, [Severity.WARNING]),
        ("30", 30, [Severity.WARNING]),  # CUPS applies the general value to a queue without one
        ("2m", 40, [Severity.WARNING]),
        ("", 0, [Severity.ERROR]),
        ("1h", 7200, [Severity.OK]),
    ],
)
def test_time_that_cups_gives_jobs(
    max_job_time: str, of_queue: int | None, told: list[Severity]
) -> None:
    """Little time is a warning, and a time that cancels each job is an error."""
    directives = {"maxjobtime": max_job_time} if max_job_time else {}
    found = list(check_job_time(Cupsd(1, directives), {"laser": of_queue}))
    assert [each.severity for each in found] == told
    if told == [Severity.ERROR]:
        assert found[0].fix == "Run: lpadmin -p laser -R job-cancel-after-default"


def test_an_error_without_a_code() -> None:
    """Such an error has no advice of its own class, and is a finding nevertheless."""
    finding = Subject("check", "about").failed(CirrusError("It failed."))
    assert (finding.severity, finding.text, finding.code) == (Severity.ERROR, "It failed.", "")


def test_rights_of_the_poller(tmp_path: Path) -> None:
    """By a group of SystemGroup, whatever the distribution calls it, or by a policy."""
    files, daemon = tmp_path / "cups-files.conf", tmp_path / "cupsd.conf"
    nobody = pwd.getpwnam("nobody")
    group = grp.getgrgid(nobody.pw_gid).gr_name
    daemon.write_text("<Limit Release-Job>\n  Require user @OWNER @SYSTEM ann\n</Limit>\n")
    files.write_text(f"SystemGroup {group} root\n")
    (good,) = check_account(_read(files, daemon), nobody)
    assert good.severity is Severity.OK
    files.write_text("SystemGroup root\n")
    (bad,) = check_account(_read(files, daemon), nobody)
    assert bad.severity is Severity.ERROR and bad.code == "CB-712"
    assert f"SystemGroup root {group}." in bad.fix
    daemon.write_text("<Limit Release-Job>\n  Require user @OWNER @SYSTEM nobody\n</Limit>\n")
    (by_policy,) = check_account(_read(files, daemon), nobody)
    assert by_policy.severity is Severity.OK
    assert [*check_account(_read(files, daemon), pwd.getpwuid(0))] == []


def _read(files: Path, daemon: Path) -> Cupsd:
    return read_cupsd(None, files, daemon)


@pytest.mark.parametrize(
    ("message", "severity", "code"),
    [
        ("Paused", Severity.WARNING, ""),  # as cupsdisable writes without -r
        ("Paper is on its way", Severity.WARNING, ""),
        ("Cirrus Bridge: The key is refused. (CB-402)", Severity.ERROR, "CB-402"),
        ("Job stopped due to filter errors; please consult the error_log.", Severity.ERROR, ""),
    ],
)
def test_stopped_queues(message: str, severity: Severity, code: str) -> None:
    """A queue that a person has paused is a warning; one that a job's error has stopped is not."""
    queue = SimpleNamespace(name="laser", state=STOPPED, message=message, accepting=True)
    (found,) = check_queue(cast(Queue, queue), [])
    assert (found.severity, found.code) == (severity, code)
    assert message in found.text and "cupsenable laser" in found.fix


def test_errors_come_first_and_each_advice_once() -> None:
    """Findings are sorted by severity; findings with the same advice share it."""
    one, two = Subject("queue", "one"), Subject("queue", "two")
    listed = [
        one.good("Good."),
        one.warning("A.", "Run: x"),
        one.error("B.", "Run: y"),
        two.error("C.", "Run: x"),
        two.warning("D.", "Run: x"),
        two.error("E.", "Run: y"),
    ]
    shown = [(str(row["text"]), str(row["do"])) for row in rows(listed)]
    assert shown == [
        *(("B.", ""), ("E.", "→ Run: y"), ("C.", "→ Run: x")),
        *(("A.", ""), ("D.", ""), ("Good.", "")),
    ]
    assert rows([]) == []
