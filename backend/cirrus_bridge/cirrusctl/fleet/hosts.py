"""The hosts of a fleet, from the command line and from an inventory file.

An inventory has a host on each line, or is in a format of Ansible: INI, which is read here, or
YAML, which Ansible's own program reads. Its variables `ansible_host`, `ansible_port`,
`ansible_user` and `ansible_become` count, others do not.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.subprocesses import ProgramFailed, output_of
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer

MOST_HOSTS = 10_000
_COMMENT = re.compile(r"(?:^|\s)[#;].*")
_RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")
_YAML = (".yml", ".yaml", ".json")
_ANSIBLE_S = 120.0
_TRUE = ("true", "yes", "1", "on")
# ssh takes a word with a hyphen at its beginning for an option
_NAME = re.compile(r"(?![-@])[\w.@:-]{1,300}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Host:
    """A host by its name for people. The other fields are for ssh; empty if ssh's own configuration
    decides."""

    name: str
    address: str = ""
    port: str = ""
    user: str = ""
    with_sudo: bool = False

    def __post_init__(self) -> None:
        """Raise WrongAnswer unless the values can be given to ssh."""
        for text in (self.name, self.address or self.name, self.user or "any"):
            if not _NAME.fullmatch(text):
                raise WrongAnswer(tr("{name} is not the name of a host.", name=repr(text)))
        if self.port and not (self.port.isdecimal() and 0 < int(self.port) < 65_536):
            raise WrongAnswer(tr("{port} is not a port.", port=repr(self.port)))


def hosts(listed: str | None, inventory: Path | None) -> list[Host]:
    """The hosts of `--host` (with commas) and of an inventory, each once.

    Raises:
        WrongAnswer: the inventory cannot be read or has no hosts, or a name is invalid.
    """
    found = [Host(name) for name in re.split(r"[,\s]+", listed or "") if name]
    if inventory is not None:
        found += _in_yaml(inventory) if inventory.suffix in _YAML else _in_file(inventory)
    by_name = {host.name: host for host in reversed(found)}
    if not by_name:
        raise WrongAnswer(tr("No hosts are given."), tr("Name hosts with --host or --inventory."))
    return [by_name[name] for name in dict.fromkeys(host.name for host in found)]


def _in_file(path: Path) -> list[Host]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        text = tr("Cannot read the inventory {path} ({reason}).", path=path, reason=reason)
        raise WrongAnswer(text) from None
    members: dict[str, list[str]] = {}  # of each group
    of_host: dict[str, dict[str, str]] = {}
    of_group: dict[str, dict[str, str]] = {}
    group, kind = "ungrouped", ""
    for line in lines:
        words = _words(_COMMENT.sub("", line))
        if not words:
            continue
        if heading := re.fullmatch(r"\[([^:\]]+)(?::(\w+))?\]", words[0]):
            group, kind = heading[1], heading[2] or ""
        elif kind == "vars":
            name, _, value = " ".join(words).partition("=")
            of_group.setdefault(group, {})[name.strip()] = value.strip()
        elif not kind:  # the hosts of the groups in [….children] stand elsewhere
            for name in _expanded(words[0]):
                members.setdefault(group, []).append(name)
                variables = dict(word.split("=", 1) for word in words[1:] if "=" in word)
                of_host.setdefault(name, {}).update(variables)
            _check_count(len(of_host), str(path))
    return [
        _host(name, [variables, *_of_groups(name, members, of_group)])
        for name, variables in of_host.items()
    ]


def _in_yaml(path: Path) -> list[Host]:
    try:
        status, out, complaint = output_of(
            ["ansible-inventory", "--inventory", str(path), "--list"], limit_s=_ANSIBLE_S
        )
        document = json.loads(out) if status == 0 else None
    except (ProgramFailed, TimeoutError, ValueError) as error:
        document, complaint = None, str(error)
    if not isinstance(document, dict):
        said = complaint.strip().splitlines()
        text = tr(
            "Cannot read the inventory {path} with ansible-inventory ({reason}).",
            path=path,
            reason=said[-1] if said else tr("no reason given"),
        )
        raise WrongAnswer(text, tr("Install Ansible, or write a list with a host on each line."))
    variables = document.get("_meta", {}).get("hostvars", {})
    names = {
        name: None
        for group in document.values()
        for name in (group.get("hosts", ()) if isinstance(group, dict) else ())
    }
    texts = ({key: str(value) for key, value in variables.get(name, {}).items()} for name in names)
    return [_host(name, [text]) for name, text in zip(names, texts, strict=True)]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        wrong = tr("The inventory has a line with an open quotation mark: {line}", line=repr(line))
        raise WrongAnswer(wrong) from None


def _of_groups(
    name: str, members: Mapping[str, Sequence[str]], of_group: Mapping[str, dict[str, str]]
) -> Iterator[dict[str, str]]:
    yield from (of_group.get(group, {}) for group, names in members.items() if name in names)
    yield of_group.get("all", {})


def _host(name: str, variables: Sequence[Mapping[str, str]]) -> Host:
    """A host with its variables; the first value of each counts."""

    def value(key: str) -> str:
        return next((each[key] for each in variables if key in each), "")

    return Host(
        name,
        value("ansible_host"),
        value("ansible_port"),
        value("ansible_user"),
        value("ansible_become").lower() in _TRUE,
    )


def _expanded(pattern: str) -> list[str]:
    """The names of a pattern with ranges, such as web[01:20].example.com or db-[a:f]."""
    found = _RANGE.search(pattern)
    if found is None:
        return [pattern]
    first, last, step = found[1], found[2], int(found[3] or 1) or 1
    if first.isdecimal() and last.isdecimal():
        width = len(first) if first.startswith("0") else 0
        numbers = range(int(first), min(int(last), int(first) + MOST_HOSTS * step) + 1, step)
        middle = [f"{number:0{width}}" for number in numbers]
    else:
        middle = [chr(code) for code in range(ord(first[0]), ord(last[0]) + 1, step)]
    before, rests = pattern[: found.start()], _expanded(pattern[found.end() :])
    _check_count(len(middle) * len(rests), pattern)
    return [f"{before}{each}{rest}" for each in middle for rest in rests]


def _check_count(count: int, where: str) -> None:
    if count > MOST_HOSTS:
        raise WrongAnswer(tr("{path} has more than {count} hosts.", path=where, count=MOST_HOSTS))
