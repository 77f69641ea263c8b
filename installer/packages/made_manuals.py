"""Manual pages that are made, of cirrusctl and of the codes, and cirrusctl's completions.

They are the programs' own words. The pages are scdoc(5), as those that are written by hand.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from typer import Context
from typer.core import TyperCommand

from cirrus_bridge.cirrusctl.main import app
from cirrus_bridge.cirrusctl.output.codes import explanations
from cirrus_bridge.cirrusctl.output.help_texts import program_of

# where each shell's file is to be, as nfpm finds it below build/cirrus-bridge/completions
COMPLETIONS = {"bash": "cirrusctl", "zsh": "_cirrusctl", "fish": "cirrusctl.fish"}
_INTRODUCTION = """\
Each message of trouble, in the job, at the queue, in CUPS's error log and from the other programs,
ends with a code; one that tells how a job goes on has none. _cirrusctl explain CODE_ says the same
as this page; _cirrusctl doctor_ looks for what is wrong; _cirrusctl job N_ and
_cirrusctl logs --job N_ show what has happened to one job. _lp -i JOB -H resume_ releases a held
job, _lp -i JOB -H restart_ prints a finished one again.

The number behind a code is the exit status with which the backend tells CUPS of it, see
*cirrus*(8)."""
_TYPE = re.compile(r" <\w+>$")  # which typer adds to an argument's name
_LITERAL = str.maketrans({letter: f"\\{letter}" for letter in "\\*_`#<>[]|~"})


def manuals() -> Mapping[str, str]:
    """The text of each page, by its name with the section."""
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
    yield "cirrus-bridge-codes - what the codes CB-nnn in messages mean, and what to do"
    yield from ("", "# DESCRIPTION", "", _INTRODUCTION, "", "# CODES", "")
    for each in explanations().values():
        do = f"To do: {each.do}." if each.do else ""
        title = f"*{each.code}* ({each.exit_code}): {_text(each.what)}"
        yield from (title, f"\t{_text(f'{each.more} {do}')}", "")
    yield from ("# SEE ALSO", "", "*cirrusctl*(8), *cirrus*(8), *cirrus-statusd*(8)")


def _cirrusctl() -> Iterator[str]:
    program = program_of(app)
    context = Context(program, info_name="cirrusctl")
    yield from ('cirrusctl(8) "" "Cirrus Bridge"', "", "# NAME", "")
    yield "cirrusctl - administer printing to cloud devices"
    yield from ("", "# SYNOPSIS", "", "*cirrusctl* _COMMAND_ [_ARGUMENT_...]", "")
    yield from ("# DESCRIPTION", "", _text(program.help), "", "# COMMANDS", "")
    for name, command in program.commands.items():
        if isinstance(command, TyperCommand):
            yield from _command(name, command, Context(command, info_name=name, parent=context))
    yield from ("# EXIT STATUS", "", _text(program.epilog).removeprefix("Exit status: "), "")
    yield from (
        "# FILES",
        "",
        "_/etc/cirrus-bridge/servers.d/\\*.toml_",
        "\tServers and their keys: *cirrus-bridge.toml*(5).",
        "",
        "_/etc/cirrus-bridge/queues.toml_",
        "\tQueues that *cirrusctl apply* makes: *cirrus-bridge.toml*(5), too.",
        "",
    )
    yield from (
        "_/usr/share/doc/cirrus-bridge/examples/queues.toml_",
        "\tan example with all that it can say",
        "",
        "# ENVIRONMENT",
        "",
        "*LANGUAGE*, *LC_ALL*, *LC_MESSAGES*, *LANG*",
        "\tThe language of texts for people: English, German, French, Spanish or Japanese. JSON",
        "\tis in English.",
        "",
    )
    yield from (
        "# SEE ALSO",
        "",
        "*cirrus*(8), *cirrus-statusd*(8), *cirrus-bridge.toml*(5), *cirrus-bridge-codes*(7)",
    )


def _command(name: str, command: TyperCommand, context: Context) -> Iterator[str]:
    words = [_text(piece) for piece in command.collect_usage_pieces(context)]
    yield from (f"## cirrusctl {name}", "", " ".join((f"*cirrusctl {name}*", *words)), "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (_text(" ".join(paragraph.split())), "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and "--help" not in record[0]:
            called = _TYPE.sub("", record[0])
            yield from (f"*{_text(called)}*", f"\t{_text(' '.join(record[1].split()))}", "")


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).translate(_LITERAL)
