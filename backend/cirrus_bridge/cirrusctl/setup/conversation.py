"""Questions at the terminal. Each question also has an option.

Questions go to standard error, so that standard output has only results. A key that is pasted at
a question for something else is refused, and nothing shows it.
"""

from __future__ import annotations

import shutil
import sys

import typer

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import joined, tr, translated
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer
from cirrus_bridge.cirrusctl.output.output import with_code
from cirrus_bridge.cirrusctl.output.table import shown, wrapped
from cirrus_bridge.cirrusctl.setup.key_shape import looks_like_key
from cirrus_bridge.cirrusctl.setup.unseen import clear, typed_secret, typed_word
from cirrus_bridge.config.servers import is_key

_LONGER_THAN_WORDS = 16
_A_KEY = tr(
    "! This looks like an API key, and was not used. Setup asks for the key later, and does not "
    "show it then. If anyone has seen the key, revoke it."
)


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
            return typed_secret(translated(question))
        while True:
            asked = translated(question)
            answer = str(typer.prompt(asked, default=default, err=True)).strip()
            if answer == default or not looks_like_key(answer):
                return answer
            line = f"{asked} [{default}]: {answer}" if default else f"{asked}: {answer}"
            clear(line)
            self.say(_A_KEY)

    def confirm(self, question: str, *, default: bool) -> bool:
        """Ask for yes or no, in English or the question's language; no without a terminal."""
        yes, no = translated(tr("yes")), translated(tr("no"))
        letters = [yes[0], no[0]] if (yes[0] + no[0]).isascii() else ["y", "n"]
        letters[not default] = letters[not default].upper()
        asked = f"{translated(question)} [{'/'.join(letters)}]"
        while self.may_ask:
            answer = typed_word(asked, (yes, no, "yes", "no"))
            if not answer:
                return default
            for meant, words in ((True, (yes, "yes")), (False, (no, "no"))):
                if answer in {*words, *(word[0] for word in words)}:
                    return meant
            if len(answer) >= _LONGER_THAN_WORDS and is_key(answer):
                self.say(_A_KEY)
            self.say(tr("! Answer {yes} or {no}.", yes=yes, no=no))
        return False

    def say(self, text: str) -> None:
        """Show a text before the next question."""
        if self.may_ask:
            width = shutil.get_terminal_size().columns
            for line in shown(translated(text)).split("\n"):
                typer.echo("\n".join(wrapped(line, width)), err=True)

    def or_end(self, trouble: CirrusError) -> None:
        """Show an error before the question is repeated; without a terminal, raise it."""
        if not self.may_ask:
            raise trouble
        self.say(joined(" ", ("!", with_code(trouble))))
