"""The settings of a queue: options of its URI, or else `[defaults]` of bridge.toml.

One table has every setting, for the URI and for the configuration file. An unknown name or value is
a ValueError that says what is allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.translation import tr

ENCRYPTION = ("required", "never")
AUTO_LEVEL = 0  # compression=auto: `deflate` chooses


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The settings of one queue. `level` is a zlib level, AUTO_LEVEL, or None (no compression)."""

    wait: str = "delivered"
    wait_timeout_s: int = 60
    handover: str = "hold"
    max_held: int = 50
    contimeout_s: int = 604_800
    level: int | None = AUTO_LEVEL
    encryption: str = "required"
    onambiguous: str = "hold"
    onfailure: str = "report"


def _choice(allowed: str, values: Mapping[str, Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(allowed)
        return values[text]

    return read


def _one_of(*values: str) -> Callable[[str], Any]:
    return _choice(
        tr("one of {values}", values=", ".join(values)), {value: value for value in values}
    )


def _number(allowed: str, most_digits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= most_digits):
            raise ValueError(allowed)
        return int(text)

    return read


_SECONDS = _number(tr("a whole number of seconds from 0 to 999999999"), 9)
_JOBS = _number(tr("a whole number of jobs from 0 to 999999"), 6)
_LEVEL = _choice(
    tr("auto, none or 1 to 9"),
    {"auto": AUTO_LEVEL, "none": None} | {str(level): level for level in range(1, 10)},
)
# the name and the values of CUPS's ipp backend
_WAIT_JOB = _choice(tr("true or false"), {"true": "delivered", "false": "submitted"})

# name in the URI and in [defaults] → (field of QueueSettings, reader)
TABLE: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "wait": ("wait", _one_of("submitted", "received", "delivered")),
    "waitjob": ("wait", _WAIT_JOB),
    "waittimeout": ("wait_timeout_s", _SECONDS),
    "handover": ("handover", _one_of("hold", "complete")),
    "maxheld": ("max_held", _JOBS),
    "contimeout": ("contimeout_s", _SECONDS),
    "compression": ("level", _LEVEL),
    "encryption": ("encryption", _one_of(*ENCRYPTION)),
    "onambiguous": ("onambiguous", _one_of("hold", "resubmit", "drop")),
    "onfailure": ("onfailure", _one_of("report", "reprint", "stop")),
}


def override(base: QueueSettings, texts: Mapping[str, str]) -> QueueSettings:
    """`base`, with the settings in `texts` (name → text) replaced. An unknown name or value raises
    ValueError, whose text says what is allowed."""
    changes: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in TABLE:
            known = ", ".join(TABLE)
            raise ValueError(tr("unknown option '{name}' (known: {known})", name=name, known=known))
        field_name, read = TABLE[name]
        if field_name in changes:
            raise ValueError(tr("'{name}' contradicts another option", name=name))
        try:
            changes[field_name] = read(text)
        except ValueError as error:
            raise ValueError(
                tr(
                    "option '{name}' is '{value}', but must be {allowed}",
                    name=name,
                    value=text,
                    allowed=error,
                )
            ) from None
    return dataclasses.replace(base, **changes)
