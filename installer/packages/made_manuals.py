"""Generate cirrusctl(8), cirrus-bridge-codes(7) and the shell completions of cirrusctl.

Their texts are those of `cirrusctl --help` and of the error codes. The pages are in scdoc(5).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from typer import Context
from typer.core import TyperCommand

from cirrus_bridge.cirrusctl.main import app
from cirrus_bridge.cirrusctl.output.codes import explanations
from cirrus_bridge.cirrusctl.output.help_texts import program_of

# shell → its file below build/cirrus-bridge/completions, where nfpm expects it
COMPLETIONS = {"bash": "cirrusctl", "zsh": "_cirrusctl", "fish": "cirrusctl.fish"}
_INTRODUCTION = """\
Each error message ends with a code. The number after the code is the exit status of the backend,
see *cirrus*(8). _cirrusctl explain CODE_ says the same as this page. _cirrusctl doctor_ looks for
what is wrong. _cirrusctl job N_ shows one job. _lp -i JOB -H resume_
releases a held job, and _lp -i JOB -H restart_ prints a finished job again."""
_LOGS = """\
The poller logs to the journal of systemd. CUPS logs to _/var/log/cups/error_log_, or to *ErrorLog*
in *cups-files.conf*(5). To follow both logs:

```
journalctl -t cirrus-statusd --follow
tail -F /var/log/cups/error_log
```

To see the lines of job 57:

```
journalctl -t cirrus-statusd --grep 'job=57 '
grep 'Job 57]' /var/log/cups/error_log
```
"""
_COMMON_OPTIONS = ("--json", "--help")
_STATUS = re.compile(r"(\d) (.+?)(?:; (?=\d )|\.?$)")  # in the program's epilog
_TYPE = re.compile(r" <\w+>$")  # typer adds it to the name of an argument
_LITERAL = str.maketrans({letter: f"\\{letter}" for letter in "\\*_`#<>[]|~"})


def manuals() -> Mapping[str, str]:
    """The text of each page, by name with section."""
    return {
        "cirrusctl.8": "\n".join(_cirrusctl()) + "\n",
        "cirrus-bridge-codes.7": "\n".join(_codes()) + "\n",
    }


def completions() -> Mapping[str, bytes]:
    """The text of each file of COMPLETIONS."""
    program = Path(sys.executable).with_name("cirrusctl")
    return {
        file: subprocess.run(
            [program],
            env={**os.environ, "_CIRRUSCTL_COMPLETE": f"source_{shell}"},
            capture_output=True,
            check=True,
        ).stdout
        for shell, file in COMPLETIONS.items()
    }


def _codes() -> Iterator[str]:
    yield from ('cirrus-bridge-codes(7) "" "Cirrus Bridge"', "", "# NAME", "")
    yield "cirrus-bridge-codes - meaning of the codes CB-nnn in messages"
    yield from ("", "# DESCRIPTION", "", _INTRODUCTION, "", "# CODES", "")
    for each in explanations().values():
        do = f"To do: {each.do}." if each.do else ""
        title = f"*{each.code}* ({each.exit_code}): {_text(each.what)}"
        yield from (title, f"\t{_text(f'{each.more} {do}')}", "")
    yield from ("# SEE ALSO", "", "*cirrusctl*(8), *cirrus*(8), *cirrus-statusd*(8)")


def _cirrusctl() -> Iterator[str]:
    program = program_of(app)
    context = Context(program, info_name="cirrusctl")
    commands = [
        command for command in program.commands.values() if isinstance(command, TyperCommand)
    ]
    yield from ('cirrusctl(8) "" "Cirrus Bridge"', "", "# NAME", "")
    yield "cirrusctl - administer printing to cloud devices"
    yield from ("", "# SYNOPSIS", "", "*cirrusctl* _COMMAND_ [_ARGUMENT_...]", "")
    yield from ("# DESCRIPTION", "", _text(program.help), "")
    yield from (
        "All commands take *--help*, and *--json* for JSON, in English, instead of text.",
        "",
    )
    yield from ("# COMMANDS", "")
    for command in commands:
        yield from _command(command, Context(command, info_name=command.name, parent=context))
    yield from ("# LOGS", "", _LOGS)
    yield from ("# EXIT STATUS", "", *_table(_STATUS.findall(program.epilog or "")))
    yield from (
        "# FILES",
        "",
        "_/etc/cirrus-bridge/_",
        "\tservers.d and queues.toml: *cirrus-bridge.toml*(5).",
        "",
        "_/usr/share/doc/cirrus-bridge/examples/queues.toml_",
        "\tA commented example.",
        "",
        "# ENVIRONMENT",
        "",
        "*LANGUAGE*, *LC_ALL*, *LC_MESSAGES*, *LANG*",
        "\tThe language: English, German, French, Spanish or Japanese.",
        "",
        "# SEE ALSO",
        "",
        "*cirrus*(8), *cirrus-statusd*(8), *cirrus-bridge.toml*(5), *cirrus-bridge-codes*(7)",
    )


def _command(command: TyperCommand, context: Context) -> Iterator[str]:
    yield from (f"## cirrusctl {command.name}", "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (_text(paragraph), "")
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    yield from _table(
        (_TYPE.sub("", record[0]), record[1])
        for record in records
        if record and record[0] not in _COMMON_OPTIONS
    )


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Render terms and their texts as a table, with an empty line after it."""
    marks = ("|[", ":<")
    for term, text in rows:
        yield from (f"{marks[0]} *{_text(term)}*", f"{marks[1]} {_text(text)}")
        marks = ("| ", ": ")
    yield ""


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).translate(_LITERAL)
