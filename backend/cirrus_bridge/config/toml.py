"""TOML files of the configuration as tables; each mistake is an error that names file and place.

Knows what a table is and how a mistake is told, not what the configuration means. Shows no value.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import joined, tr

FOR_THE_QUEUE = tr("Then cupsenable the queue.")  # for a job's message; discovery knows of no queue
_NOT_UTF8 = tr("it is not UTF-8")
_KINDS: Mapping[type, str] = {
    str: tr("a text in quotes"),
    int: tr("a whole number without quotes"),
    float: tr("a number without quotes"),
    bool: tr("true or false without quotes"),
    list: tr('a list, such as ["Paris", "Lyon"]'),
}
# how a field of a dataclass is written → what TOML has for it
_KIND_OF = {"int": int, "float": float, "tuple[str, ...]": list}


def number(default: float, least: float, most: float | None = None) -> Any:
    """A field of a dataclass for `Table.settings`: a number within limits."""
    return dataclasses.field(default=default, metadata={"least": least, "most": most})


class Table:
    """A TOML table of the file `source`; `where` names it in messages, if the file has several."""

    def __init__(self, content: Mapping[str, Any], source: Path, where: str = "") -> None:
        self.content = content
        self.source = source
        self.where = where

    def bad(self, reason: str) -> BadConfiguration:
        """The error for something in this table."""
        return bad(self.source, joined("", (self.where, reason)))

    def only(self, names: Iterable[str]) -> None:
        """Refuse any other name than these."""
        known = tuple(names)
        for name in self.content:
            if name not in known:
                raise self.bad(
                    tr("unknown name '{name}' (known: {known})", name=name, known=", ".join(known))
                )

    def without(self, names: Iterable[str]) -> Table:
        """This table without these names."""
        content = {name: value for name, value in self.content.items() if name not in names}
        return Table(content, self.source, self.where)

    def take(self, name: str, kind: type, *default: Any) -> Any:
        """The value of `name`, of the type `kind`; `default` where it may be left out."""
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

    def settings(self, kind: type, names: Iterable[str]) -> dict[str, Any]:
        """What the table says of these fields of the dataclass `kind`, for its constructor. Types,
        limits and defaults are those of the fields; no other name may be in the table."""
        fields = {field.name: field for field in dataclasses.fields(kind)}
        known = tuple(names)
        self.only(known)
        return {name: self._setting(fields[name]) for name in known if name in self.content}

    def _setting(self, field: dataclasses.Field[Any]) -> Any:
        value = self.take(field.name, _KIND_OF[str(field.type)])
        if isinstance(value, list):
            return tuple(value)
        least, most = field.metadata.get("least"), field.metadata.get("most")
        if most is not None and not least <= value <= most:
            raise self.bad(
                tr("'{name}' is from {least} to {most}", name=field.name, least=least, most=most)
            )
        if least is not None and value < least:
            raise self.bad(tr("'{name}' is {least} or more", name=field.name, least=least))
        return value

    def table(self, name: str) -> Table:
        """The table `[name]`; an empty one if it is not there."""
        content = self.content.get(name, {})
        if not isinstance(content, dict):
            raise self.bad(
                tr("write [{name}], in single brackets, above the settings of {name}", name=name)
            )
        return Table(content, self.source, f"[{name}]: ")

    def entries(self, kind: str, names: Iterable[str]) -> list[Table]:
        """The tables `[[kind]]`, which may hold `names`; nothing else may be in the file."""
        known = tuple(names)
        for name in self.content:
            if name in known:
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
        tables = [
            Table(
                entry,
                self.source,
                f"[[{kind}]]: "
                if len(found) == 1
                else tr("[[{kind}]] number {number}: ", kind=kind, number=at),
            )
            for at, entry in enumerate(found, 1)
        ]
        for table in tables:
            table.only(known)
        return tables


def read_table(path: Path, *, optional: bool = False, at: Path | None = None) -> Table:
    """The whole file as a table, an empty one if it is `optional` and not there.

    Args:
        at: where it is read, if that is not the place that people know.

    Raises:
        BadConfiguration: it can not be read, or is not TOML.
    """
    try:
        return Table(tomllib.loads((at or path).read_text("utf-8")), path)
    except FileNotFoundError as error:
        if optional:
            return Table({}, path)
        raise unreadable(path, error) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise bad(path, _NOT_UTF8) from None
    except RecursionError:
        raise bad(path, tr("its values are nested too deeply")) from None
    except tomllib.TOMLDecodeError as error:
        raise bad(path, tr("it is not TOML: {error}", error=error)) from None


def text_of(value: object) -> str:
    """A value as the text that a queue's URI would have for it.

    Raises:
        ValueError: it is neither a text nor a number.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ValueError(tr("a value must be a text or a number"))


def bad(path: Path, reason: str) -> BadConfiguration:
    """The error for a file that says what has no meaning."""
    error = BadConfiguration(
        tr("Configuration {path}: {reason}.", path=path, reason=reason), tr("Correct it.")
    )
    error.consequence = FOR_THE_QUEUE
    return error


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> BadConfiguration:
    """The error for a file or folder that can not be read."""
    reason = error.strerror if isinstance(error, OSError) else _NOT_UTF8
    if isinstance(error, PermissionError):
        text = tr(
            "cannot be read by user id {user} ({reason}); CUPS runs the backend as root if the "
            "backend's file belongs to root and has mode 0700",
            user=os.geteuid(),
            reason=reason,
        )
    else:
        text = tr("cannot be read: {reason}", reason=reason)
    return bad(path, text)
