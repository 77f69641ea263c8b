"""A reader of queues.toml, the file that declares a machine's queues, and printers without drivers.
No server is asked.

An entry whose targets have `*` or `?` declares a queue for each matching device. The text of each
error names the file, the table and the key.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.globs import is_glob
from cirrus_bridge.base.model import Place, Target
from cirrus_bridge.base.spelling import did_you_mean
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.queues.names import NAME_BYTES, PLACEHOLDER, PLACEHOLDERS
from cirrus_bridge.config.queue_options import QueueSettings, override
from cirrus_bridge.config.queue_uri import check_id, parse_server, server_name
from cirrus_bridge.config.servers import Server
from cirrus_bridge.config.toml import Table, read_table, text_of
from cirrus_bridge.cups.queues import MARK, RAW

FILE = "queues.toml"
GENERATED = "generated"  # a driver made for the queue's first device
POLICIES = ("abort-job", "retry-current-job", "retry-job", "stop-printer")  # cupsd.conf(5)
ENTRY_NAMES = (
    *("name", "server", "company", "targets", "uri_options", "driver"),
    *("info", "location", "shared", "options", "error_policy"),
)
_PRINTER = "printer"  # the table of printers without drivers
_NOT_IN_NAMES = " \t/\\?'\"#"  # cups/dest.c and lpadmin(8)
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One `[[queue]]`.

    Attributes:
        server: its entry in servers.d, which may have another company.
        targets: each location and device is an id or a glob.
        info, location: None if the device's texts are used.
        options: options of CUPS and of the driver, by name.
        error_policy: None if CUPS's setting is kept.
        table: makes errors for mistakes that are found later.
    """

    name: str
    server: Server
    company: str
    targets: tuple[Target, ...]
    uri_options: Mapping[str, str]
    driver: str
    info: str | None
    location: str | None
    shared: bool
    options: Mapping[str, str]
    error_policy: str | None
    table: Table

    @property
    def is_template(self) -> bool:
        """Whether the entry declares a queue for each matching device."""
        return any(is_glob(str(target)) for target in self.targets)

    def place(self, location: str) -> Place:
        return Place(self.server.name, self.company, location)


def read_queues(folder: Path, servers: Sequence[Server]) -> list[QueueEntry]:
    """Read the entries of queues.toml in the configuration's folder.

    Raises:
        BadConfiguration: the file is missing, unreadable or invalid.
    """
    if not (folder / FILE).exists():
        hint = tr(
            "Declare the queues of this machine in this file. See the example in "
            "cirrus-bridge.toml(5) or in /usr/share/doc/cirrus-bridge/examples."
        )
        raise BadConfiguration(tr("There is no {file}.", file=folder / FILE), hint)
    tables = read_table(folder / FILE).without([_PRINTER]).entries("queue", ENTRY_NAMES)
    entries = [_entry(table, servers) for table in tables]
    seen: set[str] = set()
    for entry in entries:
        if entry.name.lower() in seen:
            reason = tr("'name': another entry also has the name '{name}'", name=entry.name)
            raise entry.table.bad(reason)
        seen.add(entry.name.lower())
    return entries


def declared_printers(folder: Path) -> list[str] | None:
    """The globs of LOCATION:DEVICE in all `[[printer]]` of queues.toml, which exists; None if there
    is no such table. Raises BadConfiguration if the file is unreadable or invalid."""
    tables = read_table(folder / FILE).without(["queue"]).entries(_PRINTER, ("targets",))
    if not tables:
        return None
    return list(dict.fromkeys(str(target) for table in tables for target in _targets(table)))


def _entry(table: Table, servers: Sequence[Server]) -> QueueEntry:
    targets = _targets(table)
    if len({is_glob(str(target)) for target in targets}) > 1:
        reason = tr(
            "'targets' mixes targets with * or ? (a queue for each device) with others "
            "(one queue); write two [[queue]] tables"
        )
        raise table.bad(reason)
    server, company = _server(table, servers)
    entry = QueueEntry(
        name=_name(table),
        server=server,
        company=company,
        targets=targets,
        uri_options=_texts(table, "uri_options"),
        driver=table.take("driver", str, GENERATED),
        info=table.take("info", str, None),
        location=table.take("location", str, None),
        shared=table.take("shared", bool, False),
        options=_texts(table, "options"),
        error_policy=table.take("error_policy", str, None),
        table=table,
    )
    for mistake in itertools.chain(_in_texts(entry), _in_settings(entry)):
        raise table.bad(mistake)
    return entry


def _name(table: Table) -> str:
    name: str = table.take("name", str)
    plain = PLACEHOLDER.sub("", name)
    if any(c in _NOT_IN_NAMES or not c.isprintable() for c in plain) or name[:1] in ("", "-"):
        raise table.bad(
            tr("'name' must not be empty, begin with -, or contain a space or one of / \\ ? ' \" #")
        )
    if len(name.encode()) > NAME_BYTES:
        raise table.bad(tr("'name' is longer than {name_bytes} bytes", name_bytes=NAME_BYTES))
    return name


def _targets(table: Table) -> tuple[Target, ...]:
    listed = table.take("targets", list)
    if not listed:
        raise table.bad(tr("'targets' is empty"))
    targets = []
    for text in listed:
        location, _, device = text.partition(":") if isinstance(text, str) else ("",) * 3
        try:
            check_id(location)
            check_id(device)
        except ValueError:
            reason = tr(
                '\'targets\': {target} is not "LOCATION:DEVICE", such as "Paris:Laser1", or '
                '"Paris:*" for a queue for each device',
                target=repr(text),
            )
            raise table.bad(reason) from None
        targets.append(Target(location, device))
    if len(set(targets)) != len(targets):
        raise table.bad(tr("'targets' has the same target twice"))
    return tuple(targets)


def _server(table: Table, servers: Sequence[Server]) -> tuple[Server, str]:
    """The entry's server and company; optional if servers.d has only one."""
    text = table.take("server", str, None)
    company = table.take("company", str, None)
    name = None
    if text is not None:
        try:
            name = server_name(*parse_server(text))
        except ValueError:
            raise table.bad(tr("'server' is not a host name, or host name and port")) from None
    here = [each for each in servers if name in (None, each.name)]
    if not here:
        lacks = tr("servers.d has no [[server]] entry")
        if name:
            lacks = tr("servers.d has no [[server]] entry for {server}", server=name)
        raise table.bad(
            tr("'server': {where}; add one with its host, company and api_key", where=lacks),
            did_you_mean(name or "", (each.name for each in servers)),
        )
    if len({each.name for each in here}) > 1:
        raise table.bad(
            tr("'server' is missing, and servers.d has several servers; name one of their hosts")
        )
    if company is None:
        if len(here) != 1 or here[0].company is None:
            raise table.bad(tr("'company' is missing, and servers.d does not name exactly one"))
        return here[0], here[0].company
    known = {each.company: each for each in here}
    if company not in known and None not in known:
        reason = tr(
            "'company': servers.d has no entry of {name} for '{company}'",
            name=here[0].name,
            company=company,
        )
        raise table.bad(reason, did_you_mean(company, filter(None, known)))
    try:
        check_id(company)
    except ValueError as error:
        raise table.bad(tr("'company' {error}", error=error)) from None
    return known.get(company, here[0]), company


def _texts(table: Table, name: str) -> dict[str, str]:
    """A table with its values in CUPS's text form."""
    content = table.content.get(name, {})
    if not isinstance(content, dict):
        raise table.bad(tr("'{name}' must be a table, such as {{ NAME = \"VALUE\" }}", name=name))
    for key, value in content.items():
        if not isinstance(value, str | int) or value == "":
            raise table.bad(
                tr("'{name}.{key}' must be a text, a number, or true or false", name=name, key=key)
            )
    return {key: text_of(value) for key, value in content.items()}


def _in_texts(entry: QueueEntry) -> Iterator[str]:
    """The mistakes in the texts with placeholders."""
    for key, text in (("name", entry.name), ("info", entry.info), ("location", entry.location)):
        found = PLACEHOLDER.findall(text or "")
        for word in found:
            if word not in PLACEHOLDERS:
                reason = tr(
                    "'{key}': unknown placeholder {{{word}}} (known: {known})",
                    key=key,
                    word=word,
                    known=", ".join(f"{{{each}}}" for each in PLACEHOLDERS),
                )
                raise entry.table.bad(reason, did_you_mean(word, PLACEHOLDERS))
        if {"{", "}"} & {*PLACEHOLDER.sub("", text or "")}:
            yield tr("'{key}' has a {{ or }} that belongs to no placeholder", key=key)
        if found and not entry.is_template:
            yield tr("'{key}' has {{{found}}}, but no target has * or ?", key=key, found=found[0])
    if entry.is_template and "{device}" not in entry.name:
        yield tr(
            "'name' must contain {{device}}, such as \"{{location}}-{{device}}\", because "
            "each device has its own queue"
        )


def _in_settings(entry: QueueEntry) -> Iterator[str]:
    """The mistakes in the other settings."""
    try:
        override(QueueSettings(), entry.uri_options)
    except ValueError as error:
        yield tr("'uri_options': {error}", error=error)
    for name, text in entry.options.items():
        if not _OPTION.fullmatch(name) or name == MARK:
            yield tr("'options.{name}' is not the name of an option", name=name)
        if (name, text) == ("job-cancel-after", "0"):
            yield tr(
                "'options.{name}' must not be 0 (CUPS would cancel each job within "
                "seconds); omit it, or give a number of seconds",
                name=name,
            )
        if name.endswith("-default"):
            plain = name.removesuffix("-default")
            yield tr("'options.{name}': leave out -default, write {plain}", name=name, plain=plain)
    if entry.error_policy not in (None, *POLICIES):
        yield tr("'error_policy' must be one of {policies}", policies=", ".join(POLICIES))
    if not entry.driver:
        yield tr(
            '\'driver\' must be "{generated}", "{raw}", or a name that lpinfo -m lists',
            generated=GENERATED,
            raw=RAW,
        )
