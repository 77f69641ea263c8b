"""Questions at the terminal. Each question also has an option.

Questions go to standard error, so that standard output has only results.
"""

from __future__ import annotations

import getpass
import sys

import typer

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import joined, tr, translated
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer
from cirrus_bridge.cirrusctl.output.output import with_code
from cirrus_bridge.cirrusctl.output.table import shown


class Conversation:
    """Questions to the user, if there is a terminal."""

    def __init__(self) -> None:
        self.may_ask = sys.stdin.isatty()

    def text(
        self, question: str, option: str, *, default: str | None = None, is_secret: bool = False
    ) -> str:
        """Ask for a text, and return it stripped; an empty answer gives the default.

        Raises:
            WrongAnswer: there is no terminal, so `option` is needed.
        """
        if not self.may_ask:
            raise WrongAnswer(
                tr("{option} is missing, and there is no terminal for questions.", option=option)
            )
        if is_secret:
            return _typed_secret(translated(question))
        return str(typer.prompt(translated(question), default=default, err=True)).strip()

    def confirm(self, question: str, *, default: bool) -> bool:
        """Ask for yes or no, in English or the question's language; no without a terminal."""
        yes, no = translated(tr("yes")), translated(tr("no"))
        letters = [yes[0], no[0]] if (yes[0] + no[0]).isascii() else ["y", "n"]
        letters[not default] = letters[not default].upper()
        asked = f"{translated(question)} [{'/'.join(letters)}]"
        while self.may_ask:
            answer = typer.prompt(asked, default="", show_default=False, err=True).strip().lower()
            if not answer:
                return default
            for meant, words in ((True, (yes, "yes")), (False, (no, "no"))):
                if answer in {*words, *(word[0] for word in words)}:
                    return meant
            self.say(tr("! Answer {yes} or {no}.", yes=yes, no=no))
        return False

    def say(self, text: str) -> None:
        """Show a text before the next question."""
        if self.may_ask:
            typer.echo(shown(translated(text)), err=True)

    def or_end(self, trouble: CirrusError) -> None:
        """Show an error before the question is repeated; without a terminal, raise it."""
        if not self.may_ask:
            raise trouble
        self.say(joined(" ", ("!", with_code(trouble))))


def _typed_secret(question: str) -> str:
    # typer shows the prompt before it stops the echo, so early keys would be visible and lost
    try:
        while not (answer := getpass.getpass(f"{question}: ").strip()):
            pass
    except (KeyboardInterrupt, EOFError):
        raise typer.Abort from None
    return answer
