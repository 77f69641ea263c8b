"""Wrong command lines: each is refused in the reader's language, with the next step."""

from __future__ import annotations

import pytest
import typer

from cirrus_bridge.base.errors import UsageError
from cirrus_bridge.base.translation import translated
from cirrus_bridge.cirrusctl.main import program
from cirrus_bridge.cirrusctl.output.command_line import mistake

HELP = "Try: cirrusctl {} --help"


def refusal(*words: str) -> UsageError:
    """The error for a command line that no command may run."""
    try:
        program()(args=words, prog_name="cirrusctl", standalone_mode=False)
    except typer.TyperException as error:
        return mistake(error)
    except UsageError as error:
        return error
    raise AssertionError(words)


# each kind of complaint that typer has for the options and arguments of our commands
CASES = [
    (["tst", "q"], "There is no command tst. Did you mean test? Try: cirrusctl --help"),
    (["jobs", "--quue", "x"], f"There is no option --quue. Did you mean --queue? {HELP}"),
    (["jobs", "--queue"], "--queue needs a value."),
    (["jobs", "--watch=1"], "--watch takes no value."),
    (["jobs", "--ended", "x"], f"--ended: this must be a whole number. {HELP}"),
    (["jobs", "--ended", "-1"], f"--ended: this must be 0 or more. {HELP}"),
    (["job", "abc"], f"JOB: this must be a whole number. {HELP}"),
    (["job"], f"JOB is missing. {HELP}"),
    (["job", "1", "2", "3"], f"Too many arguments: 2 3. {HELP}"),
    (["test", "q", "--timeout", "soon"], f"--timeout: this must be a number. {HELP}"),
    (["jobs", "--state", "hold"], "There is no state hold. Did you mean held? The states are"),
    (["explain", "CB-40"], "There is no code CB-40. Did you mean"),
    (["doctor", "--submit", "Paris:Laser1"], "--submit needs --server HOST."),
]


@pytest.mark.parametrize(("words", "says"), CASES, ids=lambda each: str(each)[:30])
def test_wrong_command_lines(words: list[str], says: str) -> None:
    """The text says what is wrong, guesses, and names the help; no text of typer is left."""
    error = refusal(*words)
    assert str(error).startswith(says.format(words[0]))
    for language in ("de", "es", "fr", "ja"):
        text = translated(error.text, language)
        assert text != str(error)
        assert not [part for part in ("Did you", "Try", "There is", "must be") if part in text]
