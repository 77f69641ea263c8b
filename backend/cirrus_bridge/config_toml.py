"""TOML files of the configuration as tables; each mistake is an error that names file and place.

Knows what a table is and how a mistake is told, not what the configuration means. Shows no value.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cirrus_bridge.errors import BadConfiguration

FOR_THE_QUEUE = "Then cupsenable the queue."  # for a job's message; discovery knows of no queue
_KINDS: Mapping[type, str] = {
    str: "a text in quotes",
    int: "a whole number without quotes",
    float: "a number without quotes",
    bool: "true or false without quotes",
    list: 'a list, such as ["Paris", "Lyon"]',
}


class Table:
    """A TOML table of the file `source`; `where` names it in messages, if the file has several."""

    def __init__(self, content: Mapping[str, Any], source: Path, where: str = "") -> None:
        self.content = content
        self.source = source
        self.where = where

    def bad(self, reason: str) -> BadConfiguration:
        """The error for something in this table."""
        return bad(self.source, self.where + reason)

    def only(self, names: Iterable[str]) -> None:
        """Refuse any other name than these."""
        known = tuple(names)
        for name in self.content:
            if name not in known:
                raise self.bad(f"unknown name '{name}' (known: {', '.join(known)})")

    def take(self, name: str, kind: type, *default: Any) -> Any:
        """The value of `name`, of the type `kind`; `default` where it may be left out."""
        if name not in self.content:
            if default:
                return default[0]
            raise self.bad(f"'{name}' is missing")
        value = self.content[name]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.bad(f"'{name}' must be {_KINDS[kind]}")
        return value

    def table(self, name: str) -> Table:
        """The table `[name]`; an empty one if it is not there."""
        content = self.content.get(name, {})
        if not isinstance(content, dict):
            raise self.bad(f"write [{name}], in single brackets, above the settings of {name}")
        return Table(content, self.source, f"[{name}]: ")

    def entries(self, kind: str, names: Iterable[str]) -> list[Table]:
        """The tables `[[kind]]`, which may hold `names`; nothing else may be in the file."""
        known = tuple(names)
        for name in self.content:
            if name in known:
                raise self.bad(f"'{name}' stands above the first entry; write [[{kind}]] before it")
        self.only((kind,))
        found = self.content.get(kind, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise self.bad(f"write [[{kind}]], in double brackets, above each {kind}'s settings")
        number = "" if len(found) == 1 else " number {}"
        tables = [
            Table(entry, self.source, f"[[{kind}]]{number.format(at)}: ")
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
        raise bad(path, "it is not UTF-8") from None
    except RecursionError:
        raise bad(path, "its values are nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise bad(path, f"it is not TOML: {error}") from None


def text_of(value: object) -> str:
    """A value as the text that a queue's URI would have for it.

    Raises:
        ValueError: it is neither a text nor a number.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ValueError("a value must be a text or a number")


def bad(path: Path, reason: str) -> BadConfiguration:
    """The error for a file that says what has no meaning."""
    error = BadConfiguration(f"Configuration {path}: {reason}. Correct it.")
    error.consequence = FOR_THE_QUEUE
    return error


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> BadConfiguration:
    """The error for a file or folder that can not be read."""
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    hint = ""
    if isinstance(error, PermissionError):
        hint = (
            f" by user id {os.geteuid()}; CUPS runs the backend as root "
            "when its file belongs to root and has mode 0700"
        )
    return bad(path, f"can not be read{hint}: {reason}")
