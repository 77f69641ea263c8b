"""The hosts of a fleet, and the command line of ssh."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cirrus_bridge.cirrusctl.commands.jobs import ENDED, _arguments
from cirrus_bridge.cirrusctl.fleet.hosts import Host, hosts
from cirrus_bridge.cirrusctl.fleet.ssh import SshSettings, command
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer

LIST = """\
# the first floor
paris.example.com
admin@lyon.example.com   ; in the hall

paris.example.com
"""
INI = """\
gateway ansible_host=192.0.2.1 ansible_port=2222 color="light blue"

[web]
web[08:11].example.com
db-[a:c]

[web:vars]
ansible_user=admin
[all:vars]
ansible_become=yes
[france:children]
web
"""


def test_names(tmp_path: Path) -> None:
    """Hosts come in their order, each once, from the command line and from a plain list."""
    path = tmp_path / "list"
    path.write_text(LIST)
    found = hosts("a, b,a", path)
    assert [host.name for host in found] == [
        "a",
        "b",
        "paris.example.com",
        "admin@lyon.example.com",
    ]


def test_an_inventory_of_ansible(tmp_path: Path) -> None:
    """Groups, ranges and the variables of hosts and groups count; other variables do not."""
    path = tmp_path / "hosts.ini"
    path.write_text(INI)
    gateway, *web = hosts(None, path)
    assert gateway == Host("gateway", "192.0.2.1", "2222", "", with_sudo=True)
    assert [host.name for host in web] == [
        *(f"web{number}.example.com" for number in ("08", "09", "10", "11")),
        *("db-a", "db-b", "db-c"),
    ]
    assert {(host.user, host.with_sudo) for host in web} == {("admin", True)}


@pytest.mark.parametrize(
    "name",
    [
        "-oProxyCommand=id",
        "a;id",
        "$(id)",
        "`id`",
        "a b",
        "a\nb",
        "@a",
        "a|b",
        "a'b",
        "ä",
        "%h",
        "a" * 400,
    ],
)
def test_hosts_that_would_be_commands(tmp_path: Path, name: str) -> None:
    """Nothing that ssh or a shell could take for anything but a name gets through."""
    with pytest.raises(WrongAnswer):
        Host(name)
    for line in (f"h ansible_host={shlex.quote(name)}", f"h ansible_user={shlex.quote(name)}"):
        (tmp_path / "list").write_text(line)
        with pytest.raises(WrongAnswer):
            hosts(None, tmp_path / "list")


@pytest.mark.parametrize("text", ["", "# nothing\n", "h ansible_port=0", "h ansible_port=x", "h '"])
def test_wrong_inventories(tmp_path: Path, text: str) -> None:
    """An inventory without hosts, or with wrong values, is a mistake of the user."""
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(WrongAnswer):
        hosts(None, path)
    with pytest.raises(WrongAnswer, match="No such file"):
        hosts(None, tmp_path / "none")


@pytest.mark.parametrize("text", ["h[1:300][1:300]", "h[1:9999]\ni[1:9999]", "h[1:20000]"])
def test_very_many_hosts(tmp_path: Path, text: str) -> None:
    """A typing error in ranges does not make millions of names."""
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(WrongAnswer, match="has more than 10000 hosts"):
        hosts(None, path)
    path.write_text("h[1:100]-[1:100]")
    assert len(hosts(None, path)) == 10_000


def test_the_command_line() -> None:
    """The host stands behind --, and the host's shell gets each argument as one word."""
    host = Host("h", "192.0.2.1", "2222", "admin", with_sudo=True)
    words = command(host, ["jobs", "--queue=a b;id"], SshSettings(Path("/c")))
    assert words[:5] == ["ssh", "-T", "-n", "-F", "/c"] and "BatchMode=yes" in words
    assert words[-6:-1] == ["2222", "-l", "admin", "--", "192.0.2.1"]
    assert shlex.split(words[-1]) == ["sudo", "-n", "cirrusctl", "jobs", "--queue=a b;id", "--json"]
    assert command(Host("h"), ["jobs"], SshSettings())[-2:] == ["h", "cirrusctl jobs --json"]


def test_arguments_of_jobs() -> None:
    """Without filters there is no argument, so that a rule of sudo can be exact."""
    assert _arguments(None, None, None, [], None, ENDED) == []
    assert _arguments("a b", None, None, ["held", "pending"], None, 5) == [
        *("--queue=a b", "--state=held", "--state=pending", "--ended=5")
    ]
