"""A reader of queues.toml, the file that declares a machine's queues. It asks no server.

An entry whose targets have `*` or `?` declares a queue for each matching device. The text of each
error names the file, the table and the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.queues.names import (
    NAME_BYTES,
    NOT_IN_NAMES,
    PLACEHOLDERS,
    placeholders,
    without_placeholders,
)
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
_CANCEL_AFTER = "job-cancel-after"
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A target LOCATION:DEVICE; each part is an id or a glob."""

    location: str
    device: str

    @property
    def is_glob(self) -> bool:
        """Whether the pattern may match several devices."""
        return is_glob(self.location) or is_glob(self.device)


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One `[[queue]]`.

    Attributes:
        info, location: None if the device's texts are used.
        options: options of CUPS and of the driver, by name.
        error_policy: None if CUPS's setting is kept.
        table: makes errors for mistakes that are found later.
    """

    name: str
    server: str
    company: str
    patterns: tuple[Pattern, ...]
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
        return any(pattern.is_glob for pattern in self.patterns)


def is_glob(text: str) -> bool:
    """Whether a text contains a wildcard."""
    return "*" in text or "?" in text


def read_queues(folder: Path, servers: Iterable[Server]) -> list[QueueEntry]:
    """Read the entries of queues.toml in the configuration's folder.

    Args:
        servers: the servers that entries may name.

    Raises:
        BadConfiguration: the file is missing, unreadable or invalid.
    """
    known = list(servers)
    if not (folder / FILE).exists():
        raise BadConfiguration(
            tr("There is no {file}.", file=folder / FILE),
            tr(
                "Declare the queues of this machine in this file. See the example in "
                "cirrusctl(8) or in /usr/share/doc/cirrus-bridge/examples."
            ),
        )
    entries = [
        _entry(table, known) for table in read_table(folder / FILE).entries("queue", ENTRY_NAMES)
    ]
    seen: set[str] = set()
    for entry in entries:
        if entry.name.lower() in seen:
            raise entry.table.bad(
                tr("'name': another entry also has the name '{name}'", name=entry.name)
            )
        seen.add(entry.name.lower())
    return entries


def _entry(table: Table, servers: list[Server]) -> QueueEntry:
    patterns = _patterns(table)
    server, company = _place(table, servers)
    entry = QueueEntry(
        name=_name(table),
        server=server,
        company=company,
        patterns=patterns,
        uri_options=_texts(table, "uri_options"),
        driver=table.take("driver", str, GENERATED),
        info=table.take("info", str, None),
        location=table.take("location", str, None),
        shared=table.take("shared", bool, False),
        options=_texts(table, "options"),
        error_policy=table.take("error_policy", str, None),
        table=table,
    )
    _check_placeholders(entry)
    _check_options(entry)
    if entry.error_policy not in (None, *POLICIES):
        raise table.bad(
            tr("'error_policy' must be one of {policies}", policies=", ".join(POLICIES))
        )
    if not entry.driver:
        raise table.bad(
            tr(
                '\'driver\' must be "{generated}", "{raw}", or a name that lpinfo -m lists',
                generated=GENERATED,
                raw=RAW,
            )
        )
    return entry


def _name(table: Table) -> str:
    name: str = table.take("name", str)
    plain = without_placeholders(name)
    if any(c in NOT_IN_NAMES or not c.isprintable() for c in plain) or name[:1] in ("", "-"):
        raise table.bad(
            tr("'name' must not be empty, begin with -, or contain a space or one of / \\ ? ' \" #")
        )
    if len(name.encode()) > NAME_BYTES:
        raise table.bad(tr("'name' is longer than {name_bytes} bytes", name_bytes=NAME_BYTES))
    return name


def _patterns(table: Table) -> tuple[Pattern, ...]:
    targets = table.take("targets", list)
    if not targets:
        raise table.bad(tr("'targets' is empty"))
    patterns = []
    for target in targets:
        location, _, device = target.partition(":") if isinstance(target, str) else ("",) * 3
        try:
            check_id(location)
            check_id(device)
        except ValueError:
            raise table.bad(
                tr(
                    '\'targets\': {target} is not "LOCATION:DEVICE", such as "Paris:Laser1", or '
                    '"Paris:*" for a queue for each device',
                    target=repr(target),
                )
            ) from None
        patterns.append(Pattern(location, device))
    if len(set(patterns)) != len(patterns):
        raise table.bad(tr("'targets' has the same target twice"))
    if len({pattern.is_glob for pattern in patterns}) > 1:
        raise table.bad(
            tr(
                "'targets' mixes targets with * or ? (a queue for each device) with others "
                "(one queue); write two [[queue]] tables"
            )
        )
    return tuple(patterns)


def _place(table: Table, servers: list[Server]) -> tuple[str, str]:
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
        where = tr("servers.d has no [[server]] entry")
        if name:
            where = tr("servers.d has no [[server]] entry for {server}", server=name)
        raise table.bad(
            tr("'server': {where}; add one with its host, company and api_key", where=where)
        )
    if len({each.name for each in here}) > 1:
        raise table.bad(
            tr("'server' is missing, and servers.d has several servers; name one of their hosts")
        )
    companies = [each.company for each in here]
    if company is None:
        if len(companies) != 1 or companies[0] is None:
            raise table.bad(tr("'company' is missing, and servers.d does not name exactly one"))
        return here[0].name, companies[0]
    if company not in companies and None not in companies:
        raise table.bad(
            tr(
                "'company': servers.d has no entry of {name} for '{company}'",
                name=here[0].name,
                company=company,
            )
        )
    try:
        check_id(company)
    except ValueError as error:
        raise table.bad(tr("'company' {error}", error=error)) from None
    return here[0].name, company


def _texts(table: Table, name: str) -> dict[str, str]:
    """A table with its values in CUPS's text form."""
    content = table.content.get(name, {})
    if not isinstance(content, dict):
        raise table.bad(tr("'{name}' must be a table, such as {{ NAME = \"VALUE\" }}", name=name))
    texts = {}
    for key, value in content.items():
        try:
            texts[key] = text_of(value)
        except ValueError:
            texts[key] = ""
        if not texts[key]:
            raise table.bad(
                tr("'{name}.{key}' must be a text, a number, or true or false", name=name, key=key)
            )
    return texts


def _check_placeholders(entry: QueueEntry) -> None:
    for key, text in (("name", entry.name), ("info", entry.info), ("location", entry.location)):
        found = placeholders(text or "")
        for word in found:
            if word not in PLACEHOLDERS:
                known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
                raise entry.table.bad(
                    tr(
                        "'{key}': unknown placeholder {{{word}}} (known: {known})",
                        key=key,
                        word=word,
                        known=known,
                    )
                )
        if not {"{", "}"}.isdisjoint(without_placeholders(text or "")):
            raise entry.table.bad(
                tr("'{key}' has a {{ or }} that belongs to no placeholder", key=key)
            )
        if found and not entry.is_template:
            raise entry.table.bad(
                tr(
                    "'{key}' has {{{found}}}, but no target has * or ?",
                    key=key,
                    found=found[0],
                )
            )
    if entry.is_template and "{device}" not in entry.name:
        raise entry.table.bad(
            tr(
                "'name' must contain {{device}}, such as \"{{location}}-{{device}}\", because "
                "each device has its own queue"
            )
        )


def _check_options(entry: QueueEntry) -> None:
    try:
        override(QueueSettings(), entry.uri_options)
    except ValueError as error:
        raise entry.table.bad(tr("'uri_options': {error}", error=error)) from None
    for name in entry.options:
        if not _OPTION.fullmatch(name) or name == MARK:
            raise entry.table.bad(tr("'options.{name}' is not the name of an option", name=name))
        if name == _CANCEL_AFTER and entry.options[name] == "0":
            raise entry.table.bad(
                tr(
                    "'options.{name}' must not be 0 (CUPS would cancel each job within "
                    "seconds); omit it, or give a number of seconds",
                    name=name,
                )
            )
        if name.endswith("-default"):
            plain = name.removesuffix("-default")
            raise entry.table.bad(
                tr("'options.{name}': leave out -default, write {plain}", name=name, plain=plain)
            )
