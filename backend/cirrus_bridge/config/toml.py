"""TOML files of the configuration as checked tables.

Each mistake is an error that names the file and the table or key. No error shows a value, because a
value may be a key.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.spelling import did_you_mean
from cirrus_bridge.base.translation import joined, tr

FOR_THE_QUEUE = tr("Then cupsenable the queue.")  # for the log of a job; discovery has no queue
_NOT_UTF8 = tr("it is not UTF-8")
_KINDS: Mapping[type, str] = {
    str: tr("a text in quotes"),
    int: tr("a whole number without quotes"),
    float: tr("a number without quotes"),
    bool: tr("true or false without quotes"),
    list: tr('a list, such as ["Paris", "Lyon"]'),
    dict: tr('a table, such as {{ draft = "Quality=1" }}'),
}
# the annotation of a dataclass's field → the type in TOML
_KIND_OF = {"int": int, "float": float, "bool": bool, "str": str, "tuple[str, ...]": list}


def number(default: float, least: float, most: float | None = None) -> Any:
    """Declare a field of a dataclass for `Table.settings`: a number within limits."""
    return dataclasses.field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Table:
    """A TOML table, as tomllib reads it. For messages: the file, and the table's name, or empty for
    the whole file. Every method but `without` raises BadConfiguration for a mistake."""

    content: Mapping[str, Any]
    source: Path
    where: str = ""

    def bad(self, reason: str, guess: str = "") -> BadConfiguration:
        """Make the error for a mistake in this table; `guess` says what may be meant."""
        return bad(self.source, joined("", (self.where, reason)), guess=guess)

    def only(self, names: Sequence[str]) -> None:
        """Refuse any name that is not in `names`."""
        for name in self.content:
            if name not in names:
                known = ", ".join(names)
                reason = tr("unknown name '{name}' (known: {known})", name=name, known=known)
                raise self.bad(reason, did_you_mean(name, names))

    def without(self, names: Sequence[str]) -> Table:
        """A copy of this table without `names`."""
        content = {name: value for name, value in self.content.items() if name not in names}
        return Table(content, self.source, self.where)

    def take(self, name: str, kind: type, *default: Any) -> Any:
        """The value of `name`, of the type `kind`; with a `default`, the name is optional."""
        if name not in self.content:
            if default:
                return default[0]
            raise self.bad(tr("'{name}' is missing", name=name))
        value = self.content[name]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.bad(tr("'{name}' must be {kind}", name=name, kind=_KINDS[kind]))
        return value

    def settings(self, kind: type, names: Sequence[str] = ()) -> dict[str, Any]:
        """The values of this table for the constructor of the dataclass `kind`, whose fields have
        the types and limits (`number`). Any name outside `names` (by default, all fields) is
        refused."""
        fields = dataclasses.fields(kind)
        self.only(names or [each.name for each in fields])
        return {each.name: self._setting(each) for each in fields if each.name in self.content}

    def _setting(self, field: dataclasses.Field[Any]) -> Any:
        value = self.take(field.name, _KIND_OF[str(field.type).removesuffix(" | None")])
        if isinstance(value, list):
            return tuple(value)
        name, least, most = field.name, field.metadata.get("least"), field.metadata.get("most")
        if most is not None and not least <= value <= most:
            raise self.bad(
                tr("'{name}' must be from {least} to {most}", name=name, least=least, most=most)
            )
        if least is not None and value < least:
            raise self.bad(tr("'{name}' must be {least} or more", name=name, least=least))
        return value

    def table(self, name: str) -> Table:
        """The table `[name]`; an empty table if it is missing."""
        content = self.content.get(name, {})
        if not isinstance(content, dict):
            raise self.bad(
                tr("write [{name}], in single brackets, above the settings of {name}", name=name)
            )
        return Table(content, self.source, f"[{name}]: ")

    def entries(self, kind: str, names: Sequence[str]) -> list[Table]:
        """The tables `[[kind]]`, with only `names` in them; anything else is refused."""
        tables = self.unchecked_entries(kind, names)
        for table in tables:
            table.only(names)
        return tables

    def unchecked_entries(self, kind: str, names: Sequence[str]) -> list[Table]:
        """The tables `[[kind]]`, whatever is in them. `names` may not stand above them."""
        for name in self.content:
            if name in names:
                raise self.bad(
                    tr(
                        "'{name}' stands above the first entry; write [[{kind}]] before it",
                        name=name,
                        kind=kind,
                    )
                )
        self.only((kind,))
        found = self.content.get(kind, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise self.bad(
                tr("write [[{kind}]], in double brackets, above each {kind}'s settings", kind=kind)
            )
        tables = []
        for at, entry in enumerate(found, 1):
            where: str = f"[[{kind}]]: "
            if len(found) > 1:
                where = tr("[[{kind}]] number {number}: ", kind=kind, number=at)
            tables.append(Table(entry, self.source, where))
        return tables


def read_table(path: Path, *, optional: bool = False, at: Path | None = None) -> Table:
    """Read the file at `at` (by default, `path`, which messages name) as a table. An `optional`
    file may be missing. Raises BadConfiguration if the file cannot be read, or is not TOML."""
    try:
        return Table(tomllib.loads((at or path).read_text("utf-8")), path)
    except OSError as error:
        if optional and isinstance(error, FileNotFoundError):
            return Table({}, path)
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise bad(path, _NOT_UTF8) from None
    except RecursionError:
        raise bad(path, tr("its values are nested too deeply")) from None
    except tomllib.TOMLDecodeError as error:
        raise bad(path, tr("it is not TOML: {error}", error=error)) from None


def text_of(value: object) -> str:
    """A text or number as the text for an option of a queue URI. Other values raise ValueError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ValueError(tr("a value must be a text or a number"))


def bad(path: Path, reason: str, hint: str = "", *, guess: str = "") -> BadConfiguration:
    """Make the error for a mistake in a file. By default, its hint is to correct the file; `guess`
    stands before the hint."""
    error = BadConfiguration(
        tr("Configuration {path}: {reason}.", path=path, reason=reason),
        joined(" ", filter(None, (guess, hint or tr("Correct the file.")))),
    )
    error.afterwards = FOR_THE_QUEUE
    return error


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> BadConfiguration:
    """Make the error for a file or folder that cannot be read."""
    reason = error.strerror if isinstance(error, OSError) else _NOT_UTF8
    if not isinstance(error, PermissionError):
        return bad(path, tr("cannot be read: {reason}", reason=reason))
    return bad(
        path,
        tr("cannot be read by user id {user} ({reason})", user=os.geteuid(), reason=reason),
        tr(
            "Run cirrusctl as root. CUPS runs the backend as root if the backend's file belongs to "
            "root and has mode 0700."
        ),
    )
