"""Questions to who sits at the terminal; each is an option, too, for who does not sit there.

Questions go to standard error, so that standard output has results only.
"""

from __future__ import annotations

import getpass
import sys

import typer

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import joined, tr, translated
from cirrus_bridge.cirrusctl.output.output import with_code
from cirrus_bridge.cirrusctl.output.table import shown


class Conversation:
    """Asks, if there is a terminal."""

    def __init__(self) -> None:
        self.may_ask = sys.stdin.isatty()

    def text(
        self, question: str, option: str, *, default: str | None = None, is_secret: bool = False
    ) -> str:
        """An answer, without blanks around it; the default if nothing is typed.

        Raises:
            typer.BadParameter: there is no terminal, so the option is needed.
        """
        if not self.may_ask:
            missing = translated(tr("it is missing, and there is no terminal for questions"))
            raise typer.BadParameter(missing, None, None, option)
        if is_secret:
            return _typed_secret(translated(question))
        return str(typer.prompt(translated(question), default=default, err=True)).strip()

    def confirm(self, question: str, *, default: bool) -> bool:
        """Yes or no, in English or in the language asked in; no where nobody can be asked."""
        yes, no = translated(tr("yes")), translated(tr("no"))
        first = (yes[0], no[0]) if (yes[0] + no[0]).isascii() else ("y", "n")
        letters = (first[0].upper(), first[1]) if default else (first[0], first[1].upper())
        while self.may_ask:
            answer = typer.prompt(
                f"{translated(question)} [{'/'.join(letters)}]",
                default="",
                show_default=False,
                err=True,
            )
            said = str(answer).strip().lower()
            if not said:
                return default
            for meant, words in ((True, (yes, "yes")), (False, (no, "no"))):
                if said in {*words, *(word[0] for word in words)}:
                    return meant
            self.say(tr("! Answer {yes} or {no}.", yes=yes, no=no))
        return False

    def say(self, text: str) -> None:
        """Something to know before the next question."""
        if self.may_ask:
            typer.echo(shown(translated(text)), err=True)

    def or_end(self, trouble: CirrusError) -> None:
        """Tell of trouble, and go on to ask anew; where nobody can be asked, it is the end."""
        if not self.may_ask:
            raise trouble
        self.say(joined(" ", ("!", with_code(trouble))))


def _typed_secret(question: str) -> str:
    # typer asks before it hides what is typed: who is quick would see it, and it would be lost
    try:
        while not (answer := getpass.getpass(f"{question}: ").strip()):
            pass
    except (KeyboardInterrupt, EOFError):
        raise typer.Abort from None
    return answer
