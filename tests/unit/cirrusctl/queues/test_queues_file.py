"""queues.toml: each mistake names the file, the table and the key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.model import Target
from cirrus_bridge.cirrusctl.queues import queues_file
from cirrus_bridge.cirrusctl.queues.names import queue_name
from cirrus_bridge.cirrusctl.queues.queues_file import QueueEntry, declared_printers, read_queues
from cirrus_bridge.config.servers import Secret, Server
from paths import REPO

ONE = [Server("print.example.com", Secret("k"), "Acme", ("Paris",))]
SEVERAL = [*ONE, Server("print.example.com", Secret("k"), "Other"), Server("b", Secret("k"))]
QUEUE = '[[queue]]\nname = "q"\n'


def read(folder: Path, text: str, servers: list[Server] = ONE) -> list[QueueEntry]:
    """The entries of a file with this text."""
    (folder / "queues.toml").write_text(text)
    return read_queues(folder, servers)


def test_the_only_server_need_not_be_named(tmp_path: Path) -> None:
    """Server and company of the only entry may be left out; all settings have safe defaults."""
    (entry,) = read(tmp_path, f'{QUEUE}targets = ["Paris:A", "Rue 5:é/b"]')
    assert (entry.server.name, entry.company) == ("print.example.com", "Acme")
    assert entry.targets == (Target("Paris", "A"), Target("Rue 5", "é/b"))
    assert not entry.shared and not entry.options and entry.driver == "generated"
    assert not entry.is_template


def test_the_example(tmp_path: Path) -> None:
    """The example is valid, also with its comments, which show all settings."""
    text = (REPO / "installer" / "examples" / "queues.toml").read_text()
    servers = [Server("print.example.com", Secret("k"), "Acme", ("Paris", "Lyon"))]
    (entry,) = read(tmp_path, text, servers)
    assert entry.name == "laser"
    all_of_it = re.sub(r"(?m)^# (?=\[|\w+ = )", "", text)
    entries = read(tmp_path, all_of_it, servers)
    assert [entry.is_template for entry in entries] == [False, True, False]
    said = {name for entry in entries for name in entry.table.content}
    assert said == set(queues_file.ENTRY_NAMES)
    assert declared_printers(tmp_path) == ["Paris:*", "Lyon:Mfp2"]


def test_printers_without_drivers(tmp_path: Path) -> None:
    """All tables together are one list. Without such a table, nothing is declared."""
    text = f'{QUEUE}targets = ["Paris:A"]\n'
    assert [entry.name for entry in read(tmp_path, text)] == ["q"]
    assert declared_printers(tmp_path) is None
    tables = '[[printer]]\ntargets = ["P:*", "P:A"]\n[[printer]]\ntargets = ["L:B", "P:*"]\n'
    assert [entry.name for entry in read(tmp_path, text + tables)] == ["q"]
    assert declared_printers(tmp_path) == ["P:*", "P:A", "L:B"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("printer = 3", "write [[printer]]"),
        ("[[printer]]\ntargets = []", "[[printer]]: 'targets' is empty"),
        ("[[printer]]\n", "[[printer]]: 'targets' is missing"),
        ('[[printer]]\ntargets = ["P"]', 'is not "LOCATION:DEVICE"'),
        ('[[printer]]\ntargets = ["P:A"]\nname = "q"', "name"),
    ],
)
def test_mistakes_of_printers(tmp_path: Path, text: str, complaint: str) -> None:
    """The message has the place and the reason."""
    (tmp_path / "queues.toml").write_text(text)
    with pytest.raises(BadConfiguration) as caught:
        declared_printers(tmp_path)
    assert complaint in str(caught.value)


def test_of_several_one_is_named(tmp_path: Path) -> None:
    """With several servers, host and company choose an entry in servers.d."""
    named = f'{QUEUE}targets = ["Paris:A"]\nserver = "B:443"\ncompany = "Any"\n'
    (entry,) = read(tmp_path, named, SEVERAL)
    assert (entry.server.name, entry.company) == ("b", "Any")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[queue]]\ntargets = ["Paris:A"]', "[[queue]]: 'name' is missing"),
        ("[queue]\n", "write [[queue]], in double brackets"),
        (f"{QUEUE}", "[[queue]]: 'targets' is missing"),
        (f'{QUEUE}targets = "Paris:A"', "'targets' must be a list"),
        (f"{QUEUE}targets = []", "'targets' is empty"),
        (f'{QUEUE}targets = ["Paris"]', "'targets': 'Paris' is not"),
        (f'{QUEUE}targets = ["Paris:A:B"]', "'targets': 'Paris:A:B' is not"),
        (f"{QUEUE}targets = [1]", "'targets': 1 is not"),
        (f'{QUEUE}targets = ["P:A", "P:A"]', "'targets' has the same target twice"),
        (f'{QUEUE}targets = ["P:A", "P:*"]', "write two [[queue]] tables"),
        (f'{QUEUE}targets = ["P:*"]', "'name' must contain {device}"),
        (f'{QUEUE}targets = ["P:A"]\ninfo = "{{device}}"', "'info' has {device}"),
        (f'{QUEUE}targets = ["P:*"]\ninfo = "{{foo}}"', "'info': unknown placeholder {foo}"),
        ('[[queue]]\nname = "{device"\ntargets = ["P:*"]', "'name' has a { or }"),
        ('[[queue]]\nname = "a b"\ntargets = ["P:A"]', "'name' must not be empty"),
        ('[[queue]]\nname = ""\ntargets = ["P:A"]', "'name' must not be empty"),
        (f'{QUEUE}targets = ["P:A"]\nserver = "c"', "'server': servers.d has no"),
        (f'{QUEUE}targets = ["P:A"]\nserver = "a b"', "'server' is not a host"),
        (f'{QUEUE}targets = ["P:A"]\ncompany = "B"', "'company': servers.d has no"),
        (
            f'{QUEUE}targets = ["P:A"]\nuri_options = {{ wait = "x" }}',
            "option 'wait'",
        ),
        (f'{QUEUE}targets = ["P:A"]\nuri_options = {{ foo = 1 }}', "unknown option 'foo'"),
        (f'{QUEUE}targets = ["P:A"]\noptions = {{ a = [1] }}', "'options.a' must be"),
        (f'{QUEUE}targets = ["P:A"]\noptions = {{ sides-default = "x" }}', "write sides"),
        (f'{QUEUE}targets = ["P:A"]\noptions = {{ cirrus-declared = "x" }}', "is not the name"),
        (
            f'{QUEUE}targets = ["P:A"]\noptions = {{ job-cancel-after = 0 }}',
            "would cancel each job",
        ),
        (f'{QUEUE}targets = ["P:A"]\nerror_policy = "x"', "'error_policy' must be one of"),
        (f'{QUEUE}targets = ["P:A"]\nshared = "yes"', "'shared' must be true or false"),
        (f'{QUEUE}targets = ["P:A"]\nfoo = 1', "unknown name 'foo'"),
        (f'{QUEUE}targets = ["P:A"]\n[[queue]]\nname = "Q"\ntargets = ["P:B"]', "number 2: 'name'"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, complaint: str) -> None:
    """The message has the place and the reason."""
    with pytest.raises(BadConfiguration) as caught:
        read(tmp_path, text)
    assert complaint in str(caught.value)
    assert str(tmp_path / "queues.toml") in str(caught.value)


def test_a_placeholder_is_guessed(tmp_path: Path) -> None:
    """A placeholder that is nearly right is guessed, and the known ones are told."""
    with pytest.raises(BadConfiguration) as caught:
        read(tmp_path, '[[queue]]\nname = "{device}"\ntargets = ["P:*"]\ninfo = "{devise}"')
    assert "unknown placeholder {devise} (known: {" in str(caught.value)
    assert "Did you mean device?" in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("", "'server' is missing, and servers.d has several"),
        ('server = "print.example.com"', "'company' is missing"),
        ('server = "b"', "'company' is missing"),
    ],
)
def test_which_server_is_meant(tmp_path: Path, lines: str, complaint: str) -> None:
    """An ambiguous server is an error, never a guess."""
    with pytest.raises(BadConfiguration, match=complaint.replace("[", r"\[")):
        read(tmp_path, f'{QUEUE}targets = ["Paris:A"]\n{lines}', SEVERAL)


def test_there_has_to_be_a_file(tmp_path: Path) -> None:
    """A missing file is an error, not an order to remove all queues; an empty file is."""
    with pytest.raises(BadConfiguration, match="There is no "):
        read_queues(tmp_path, ONE)
    assert read(tmp_path, "") == []


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("Laser 1", "p-Laser-1"),
        ("a/b#c", "p-a-b-c"),
        ("Büro", "p-Büro"),
        ("--x'", "p-x"),
        ("印", "p-印"),
    ],
)
def test_names(device: str, name: str) -> None:
    """Characters that CUPS does not allow become -."""
    assert queue_name("p-{device}", {"device": device}) == name


def test_a_name_that_is_too_long() -> None:
    """A long name is an error: if cut, two names might become one."""
    with pytest.raises(BadConfiguration, match="127 bytes"):
        queue_name("p-{device}", {"device": "x" * 126})
