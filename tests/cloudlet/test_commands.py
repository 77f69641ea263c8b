"""The command line of cirrus-cloudlet."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
import trustme

from cloudlet_server import CloudletServer, Tls
from curl import Curl
from paths import REPO
from programs import Program
from stranger import NOBODY
from visitor import Visitor


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command on a folder."""
    program = shutil.which("cirrus-cloudlet", path=str(Path(sys.executable).parent))
    assert program is not None
    return subprocess.run(
        [program, *args, "--data", str(folder)], capture_output=True, text=True, timeout=60
    )


def test_everything_without_a_server(tmp_path: Path) -> None:
    """Every command works without a running server, and says what it has done."""
    data = tmp_path / "made" / "here"
    for command, said in (
        ("company add ACME", "Added the company ACME."),
        ("location add ACME/Büro --name Front", "Added the location ACME/Büro."),
        ("device add ACME/Büro/a%2Fb --type command --target cat --formats pdf;ps",
         "Added the device ACME/Büro/a%2Fb: documents go to the command cat."),
    ):  # fmt: skip
        done = run(data, *command.split())
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{said}\n", "")
    assert run(data, "location", "offline", "Büro").stdout == "ACME/Büro is offline: jobs wait\n"
    assert "\toffline\t" in run(data, "device", "list").stdout
    switched = run(data, "location", "online", "Büro", "--company", "ACME")
    assert switched.stdout == "ACME/Büro is online: jobs are delivered\n"
    run(data, "company", "add", "a%2Fb")
    assert run(data, "company", "list").stdout == "ACME\na%2Fb\n"
    done = run(data, "key", "add", "--company", "ACME", "--name", "front desk")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", done.stdout)
    assert run(data, "location", "list").stdout == "ACME\tBüro\tFront\tonline\t1\n"
    assert run(data, "device", "list").stdout == "ACME\tBüro\ta/b\tcommand\tonline\tpdf;ps\tcat\n"
    assert run(data, "key", "list").stdout.startswith("front desk\tACME\t")
    assert run(data, "job", "list").stdout == ""
    assert run(data, "job", "list", "--json").stdout == "[]\n"
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_location_is_named_as_when_it_was_added(tmp_path: Path) -> None:
    """`offline` and `online` take what `location add` takes, or the location's id alone."""
    for company in ("ACME", "Rival"):
        run(tmp_path, "company", "add", company)
        run(tmp_path, "location", "add", f"{company}/Rome")
    run(tmp_path, "location", "add", "ACME/a%2Fb")
    for path, said in (
        ("Rival/Rome", "Rival/Rome"), ("a%2Fb", "ACME/a%2Fb"), ("ACME/a%2Fb", "ACME/a%2Fb"),
    ):  # fmt: skip
        assert run(tmp_path, "location", "offline", path).stdout.startswith(f"{said} is offline")
        assert f"{said} is online" in run(tmp_path, "location", "online", path).stdout
    assert "offline" not in run(tmp_path, "location", "list").stdout
    refused = run(tmp_path, "location", "offline", "ACME/Rome", "--company", "Rival")
    assert (refused.returncode, refused.stdout) == (1, "")


def test_places_are_named_alike_in_each_command(own: CloudletServer) -> None:
    """COMP/LOC and COMP/LOC/DEV work wherever a location, a device or a list is named."""
    own.cli("device", "add", "-p", "Rival/Rome/Laser")
    own.cli("device", "add", "-p", "ACME/Rome/Laser")
    several = own.cli_result("device", "disable", "Rome/Laser")
    assert "ACME, Rival have 'Rome/Laser'; give ACME/Rome/Laser" in several.stderr
    said = own.cli("device", "disable", "Rival/Rome/Laser")
    assert said == "Rival/Rome/Laser is disabled: it refuses new jobs, and submitted jobs wait"
    assert own.cli("device", "list", "Rival").split("\t")[4] == "inactive"
    assert own.cli("device", "list", "ACME/Rome").split("\t")[4] == "online"
    assert "enabled" in own.cli("device", "enable", "Rome/Laser", "--company", "Rival")
    assert "disabled" in own.cli("location", "disable", "Rival/Rome")
    assert own.cli("location", "list", "Rival") == "Rival\tRome\t\tinactive\t1"
    job_id = Curl(own.url, own.key).submit(targets="Rome:Laser")
    for place in ("ACME", "ACME/Rome", "ACME/Rome/Laser"):
        assert own.cli("job", "list", place).startswith(job_id)
        assert f'"id": "{job_id}"' in own.cli("job", "list", place, "--json")
    for place in ("Rival", "ACME/Office", "ACME/Rome/Other"):
        assert own.cli("job", "list", place) == ""
    own.cli("account", "add", "anna", "--location", "Rival/Rome")
    own.cli("account", "add", "berta", "--location", "Rome", "--company", "ACME")
    lines = [line.split("\t")[:3] for line in own.cli("account", "list").splitlines()]
    assert lines == [["anna", "Rival", "Rome"], ["berta", "ACME", "Rome"]]


def test_a_device_with_all_that_is_above_it(tmp_path: Path) -> None:
    """One command makes a cloud, and says so; what exists stays as it is."""
    assert run(tmp_path / "new", "device", "add", "Acme/Paris/Laser1").returncode == 1
    first = run(tmp_path / "new", "device", "add", "-p", "Acme/Paris/Laser1").stdout
    assert first.splitlines()[:2] == [
        "Added the company Acme.", "Added the location Acme/Paris."
    ]  # fmt: skip
    path = tmp_path / "new" / "delivered" / "{location}/{device}/{jobid}-{title}.{ext}"
    assert first.splitlines()[2:] == [
        f"Added the device Acme/Paris/Laser1: documents become files, {path}."
    ]
    run(tmp_path / "new", "location", "offline", "Paris")
    run(tmp_path / "new", "device", "add", "-p", "Acme/Paris/Laser2")
    run(tmp_path / "new", "device", "add", "-p", "Acme/Lyon/Laser1")
    listed = run(tmp_path / "new", "device", "list").stdout.splitlines()
    assert ["\t".join(line.split("\t")[:5]) for line in listed] == [
        "Acme\tParis\tLaser1\tfile\toffline",
        "Acme\tParis\tLaser2\tfile\toffline",
        "Acme\tLyon\tLaser1\tfile\tonline",
    ]
    assert run(tmp_path / "new", "company", "list").stdout == "Acme\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("New/Rome/Laser1", "--type", "command"),
        ("New/Rome/Laser1", "--formats", "none"),
        ("New/Rome/Laser1", "--props", "copies"),
        ("New/Rome/..",),
        ("New/Rome/%FF",),
    ],
)
def test_a_refused_device_leaves_nothing_above_it(
    own: CloudletServer, arguments: tuple[str, ...]
) -> None:
    """A refused device adds neither its company nor its location."""
    before = own.cli("location", "list"), own.cli("company", "list")
    done = own.cli_result("device", "add", "--parents", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("cirrus-cloudlet: ") and done.stderr.count("\n") == 1
    assert (own.cli("location", "list"), own.cli("company", "list")) == before


def on_terminal(folder: Path, *args: str) -> list[str]:
    """Run the installed command at a terminal, and return its lines."""
    program = Path(sys.executable).with_name("cirrus-cloudlet")
    words = [*args, "--data", str(folder)]
    said = pexpect.run(shlex.join([str(program), *words]), encoding="utf-8", timeout=60)
    return str(said).splitlines()


def test_lists_at_a_terminal(tmp_path: Path) -> None:
    """Values stand below their headings, even with wide characters."""
    run(tmp_path, "company", "add", "ACME")
    assert on_terminal(tmp_path, "location", "list") == ["(none)"]
    run(tmp_path, "location", "add", "ACME/東京", "--name", "事務所")
    run(tmp_path, "location", "add", "ACME/Rome")
    run(tmp_path, "location", "offline", "Rome")
    assert on_terminal(tmp_path, "location", "list") == [
        "COMPANY  LOCATION  NAME    STATE    DEVICES",
        "ACME     東京      事務所  online   0",
        "ACME     Rome              offline  0",
    ]
    run(tmp_path, "key", "add", "--name", "mine")
    titles, key = on_terminal(tmp_path, "key", "list")
    assert titles.split() == ["NAME", "COMPANY", "CREATED", "AT", "ROLE"]
    assert key.startswith("mine  (any company)  20") and key.endswith("  print")
    said, key = on_terminal(tmp_path, "key", "add", "--company", "ACME")
    assert said == (
        "Added a key for the company ACME with the role print. The key is shown only now."
    )
    said, _ = on_terminal(tmp_path, "account", "add", "anna", "--company", "ACME")
    assert said == (
        "Added the account anna, who sees all locations of ACME. The password is shown only now."
    )
    titles, _ = on_terminal(tmp_path, "company", "list")
    assert titles == "COMPANY"


def test_each_option_is_explained(tmp_path: Path) -> None:
    """The help of `serve` explains each option and its default."""
    said = " ".join(run(tmp_path, "serve", "--help").stdout.partition("options:")[2].split())
    for option in (
        *("--data DIR", "--listen ADDRESS:PORT", "--tls-cert FILE", "--tls-key FILE"),
        *("--admin NAME", "--company COMP", "--new"),
    ):
        assert re.search(rf"{option} [a-z]", said), said
    assert "(127.0.0.1:27082)" in said


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("company add ACME", "already"),
        ("company add a:b", "':'"),
        ("location add ACME/Office", "already"),
        ("location add Nobody/L", "Nobody"),
        ("location add ACME", "COMP/LOC"),
        ("location offline Nowhere", "Nowhere"),
        ("location offline Twice", "--company"),
        ("location offline Twice", "/Twice"),
        ("location offline Nobody/Twice", "Twice"),
        ("location offline a/b/c", "[COMP/]LOC"),
        ("device add ACME/Office/Folder --type file", "already"),
        ("device add ACME/Nowhere/D --type file", "'ACME/Nowhere'; give --parents"),
        ("device add ACME/Office/D --type printer", "queue"),
        ("device add ACME/Office/D --type file --formats doc", "doc"),
        ("device add ACME/Office/D --type file --props copies=0", "copies"),
        ("device add ACME/Office/D --type file --target {what}", "{what}"),
        ("key add --company Nobody", "Nobody"),
        ("key revoke none", "none"),
        ("key role none admin", "none"),
        ("account add anna --company Nobody", "Nobody"),
        ("account add anna --company ACME --location Nowhere", "Nowhere"),
        ("account add anna --company Rival --location ACME/Office", "Rival"),
        ("account add anna", "--company"),
        ("device disable Office/None", "Office/None"),
        ("device disable Folder", "[COMP/]LOC/DEV"),
        ("device list a/b/c", "COMP[/LOC]"),
        ("serve --company ACME", "--admin"),
        ("account password none", "none"),
        ("account remove none", "none"),
        ("job delete 1-1", "1-1"),
        ("job retry 1-1", "1-1"),
        ("serve --listen 0.0.0.0:0", "plain text"),
        ("serve --listen [::]:0", "plain text"),
        ("serve --listen 127.0.0.1", "ADDRESS:PORT"),
        ("serve --listen 127.0.0.1:99999", "ADDRESS:PORT"),
        ("serve --tls-cert x", "--tls-key"),
        ("serve --tls-cert x --tls-key y", "cannot use"),
    ],
)
def test_errors(shared: CloudletServer, command: str, word: str) -> None:
    """An error is one line on standard error that names the cause, with exit status 1."""
    if "Twice" in command:
        for company in ("ACME", "Rival"):
            shared.cli_result("location", "add", f"{company}/Twice")
    done = shared.cli_result(*command.split())
    assert done.returncode == 1
    assert word in done.stderr
    assert done.stderr.startswith("cirrus-cloudlet: ")
    assert len(done.stderr.splitlines()) == 1


def test_accounts(own: CloudletServer) -> None:
    """A password is made and printed once, or read from standard input."""
    made = own.cli("account", "add", "anna", "--company", "ACME")
    assert re.fullmatch(r"[A-Za-z0-9_-]{16}", made)
    taken = own.cli_result("account", "add", "anna", "--company", "ACME")
    assert (taken.returncode, "already" in taken.stderr) == (1, True)
    own.cli("location", "add", "ACME/Berta", "--browser")
    asked = ("account", "add", "berta", "--company", "ACME", "--location", "Berta", "--ask")
    assert "at least 8" in own.cli_result(*asked, text="seven77\n").stderr
    added = own.cli_result(*asked, text="eight888\n")
    assert (added.stdout, added.stderr) == ("", "")
    lines = [line.split("\t")[:3] for line in own.cli("account", "list").splitlines()]
    assert lines == [["anna", "ACME", "(all locations)"], ["berta", "ACME", "Berta"]]
    assert own.cli("account", "password", "anna") != made
    own.cli("account", "remove", "anna")
    assert own.cli("account", "list").startswith("berta\t")


@pytest.mark.parametrize("command", ["", "device add", "job", "nothing", "key role a boss"])
def test_wrong_usage(shared: CloudletServer, command: str) -> None:
    """Wrong usage has exit status 2 and prints a usage line."""
    done = shared.cli_result(*command.split())
    assert done.returncode == 2
    assert "usage: cirrus-cloudlet" in done.stderr
    assert "Role" not in done.stderr  # the value, not the name of its class


@pytest.mark.parametrize(
    "command",
    ["account list", "location add A/L", "location offline L", "device list", "company list",
     "key add", "key list", "job list", "job retry 1-1"],
)  # fmt: skip
def test_a_folder_that_is_not_there(tmp_path: Path, command: str) -> None:
    """A mistyped folder is not made; the error names it, and the command that makes a cloud."""
    folder = tmp_path / "ty po"
    done = run(folder, *command.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"cirrus-cloudlet: there is no folder {folder}; to make a cloud there, run: "
        f"cirrus-cloudlet device add --parents COMPANY/LOCATION/DEVICE --data '{folder}'\n"
    )
    assert not folder.exists()


def test_an_empty_cloud_is_served_with_a_hint(tmp_path: Path) -> None:
    """A company may be added while the server runs, so the log names the command."""
    server = CloudletServer()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cloudlet.toml").touch()
    server.start(tmp_path / "data")
    try:
        command = (
            f"cirrus-cloudlet device add --parents COMPANY/LOCATION/DEVICE --data {server.data}"
        )
        assert (
            f"the cloud in {server.data} is empty; to add a device, run: {command}"
            in server.log_text
        )
    finally:
        server.close()


def serving(folder: Path, *args: str) -> pexpect.spawn[str]:
    """Serve a folder at a terminal, on a free port."""
    program = str(Path(sys.executable).with_name("cirrus-cloudlet"))
    words = ["serve", "--allow-root", "--no-announce", "--listen", "127.0.0.1:0", *args]
    words += ["--data", str(folder)]
    return pexpect.spawn(program, words, encoding="utf-8", timeout=60, dimensions=(24, 200))


def test_a_new_cloud_at_a_terminal(tmp_path: Path) -> None:
    """`serve` asks before it makes a folder, adds the first account, and says how to sign in."""
    folder = tmp_path / "new"
    refused = serving(folder, "--admin", "anna")
    refused.expect_exact(f"There is no folder {folder}. Make a new cloud there? [y/N] ")
    refused.sendline("")
    refused.expect_exact("nothing was made")
    refused.expect(pexpect.EOF)
    assert not folder.exists()
    first = serving(folder, "--admin", "anna")
    first.expect_exact("[y/N] ")
    first.sendline("y")
    first.expect_exact("(sign in as anna)")
    said = str(first.before)
    password = re.findall(r"Password of anna, shown only now: (\S+)\s", said)[0]
    url = re.findall(r"Web page: (http://127\.0\.0\.1:\d+)/ ", said)[0]
    assert Visitor(url).sign_in("anna", password).status == 303
    first.terminate(force=True)
    again = serving(folder, "--admin", "berta")  # no question, because there is a folder
    again.expect_exact("there are accounts already, so --admin berta adds none")
    again.expect_exact("(sign in as anna)")
    again.terminate(force=True)
    assert not (folder / "first-password").exists()
    unasked = serving(tmp_path / "other", "--new")
    unasked.expect_exact(f"made the folder {tmp_path / 'other'} for a new cloud")
    assert "[y/N]" not in str(unasked.before)
    unasked.expect_exact("no account yet; to add one, run: cirrus-cloudlet account add NAME")
    unasked.terminate(force=True)


def test_a_missing_folder_without_a_terminal(tmp_path: Path) -> None:
    """Nothing is asked: the folder is made, and a line says so."""
    folder = tmp_path / "new"
    program = str(Path(sys.executable).with_name("cirrus-cloudlet"))
    command = [program, "serve", "--allow-root", "--listen", "127.0.0.1:0", "--no-announce"]
    command += ["--data", str(folder)]
    said = tmp_path / "said"
    with (
        said.open("w") as log,
        Program[str](command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                     text=True) as program_running,
    ):  # fmt: skip
        assert program_running.stdout is not None
        assert program_running.stdout.readline().startswith("Listening on http://127.0.0.1:")
        assert program_running.stdout.readline().startswith("Web page: http://127.0.0.1:")
    assert f"cirrus-cloudlet: made the folder {folder} for a new cloud\n" in said.read_text()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_new_cloud_without_a_terminal(tmp_path: Path) -> None:
    """Without a terminal nothing is asked, and the first password is in a private file."""
    server = CloudletServer()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cloudlet.toml").touch()
    server.start(tmp_path / "data", options=("--admin", "anna", "--company", "Acme"))
    try:
        path = server.data / "first-password"
        assert path.stat().st_mode & 0o777 == 0o600
        password = path.read_text().strip()
        assert str(path) in server.log_text and password not in server.log_text
        assert Visitor(server.url).sign_in("anna", password).status == 303
        assert server.cli("company", "list") == "Acme"
    finally:
        server.close()


def test_the_first_account_needs_one_company(tmp_path: Path) -> None:
    """With several companies, `--admin` needs `--company`."""
    for company in ("ACME", "Rival"):
        run(tmp_path, "company", "add", company)
    serve = ("serve", "--allow-root", "--listen", "127.0.0.1:0", "--admin", "anna")
    assert "--company, one of: ACME, Rival" in run(tmp_path, *serve).stderr
    assert "Nobody" in run(tmp_path, *serve, "--company", "Nobody").stderr
    assert run(tmp_path, "account", "list").stdout == ""


def test_a_cloud_with_devices_is_served_without_a_hint(own: CloudletServer) -> None:
    """The hint is for empty clouds only."""
    assert "empty" not in own.log_text


def test_version(tmp_path: Path) -> None:
    """--version needs no data folder."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cirrus_cloudlet.cli.main", "--version"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert re.fullmatch(r"cirrus-cloudlet \d+\.\d+\.\d+\n", done.stdout)


def test_without_the_extra(tmp_path: Path) -> None:
    """Without the extra `cloudlet`, one line names the command that installs it."""
    done = subprocess.run(
        # -S: the standard library alone, as if no other package were installed
        [
            sys.executable,
            "-S",
            "-m",
            "cirrus_cloudlet.cli.main",
            "company",
            "add",
            "X",
            "--data",
            "d",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPO / "backend")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"cirrus-cloudlet: .* (argon2|tomlkit) .*pip install '\.\[cloudlet\]'\n", done.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use(own: CloudletServer, tmp_path: Path) -> None:
    """The error names the address."""
    done = run(tmp_path / "other", "serve", "--allow-root", "--listen", f"127.0.0.1:{own.port}")
    assert done.returncode == 1
    assert f"127.0.0.1:{own.port}" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_serves_only_if_asked_to(tmp_path: Path) -> None:
    """The error names the service and the option."""
    done = run(tmp_path, "serve", "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "systemctl start cirrus-cloudlet" in done.stderr
    assert "--allow-root" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """The error says which file cannot be opened, and who may open it."""
    run(tmp_path, "company", "add", "ACME")
    code = "import sys, cirrus_cloudlet.cli.main as m; m.run(sys.argv[1:])"
    command = ("company", "list", "--data", str(tmp_path))
    done = subprocess.run(
        [*NOBODY, sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert str(tmp_path) in done.stderr and "Permission denied. Run the command as root" in (
        done.stderr
    )


def test_job_list(own: CloudletServer) -> None:
    """`job list` shows each job in one line, without control characters."""
    job_id = Curl(own.url, own.key).submit(title="Über\x1b[2J\nuns")
    own.wait_for_job(job_id, 2)
    line = own.cli("job", "list").split("\t")
    assert line[:3] == [job_id, "ACME/Office/Folder", "delivered"]
    assert line[4] == "Über?[2J?uns"


def test_tls(tmp_path: Path) -> None:
    """With a certificate the server speaks TLS only, and clients can verify the server."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, ca = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(certificate, append=number > 0)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    server = CloudletServer()
    server.start(tmp_path / "data", Tls(certificate, key))
    try:
        assert server.url.startswith("https://127.0.0.1:")
        curl = Curl(server.url, server.key, "--cacert", str(ca))
        server.wait_for_job(curl.submit(b"%PDF" + bytes(3_000_000)), 2)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"cirrus" not in connection.recv(1000)
        curl.get("/api/version")
    finally:
        server.close()
