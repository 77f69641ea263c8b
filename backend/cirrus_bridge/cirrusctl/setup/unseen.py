"""Answers at the terminal that stay unseen, and lines that disappear from the screen again."""

from __future__ import annotations

import codecs
import contextlib
import getpass
import os
import shutil
import sys
import termios
import tty
from collections.abc import Collection, Iterator

import typer
from rich.cells import cell_len

_END, _ERASE, _END_OF_INPUT, _ALL = "\r\n", "\x7f\b", "\x04", "\x15"  # Ctrl-D, Ctrl-U


def typed_secret(question: str) -> str:
    """Ask until there is an answer, which is never shown. Raises typer.Abort."""
    # typer shows the prompt before it stops the echo, so early keys would be visible and lost
    try:
        while not (answer := getpass.getpass(f"{question}: ").strip()):
            pass
    except (KeyboardInterrupt, EOFError):
        raise typer.Abort from None
    return answer


def typed_word(question: str, words: Collection[str]) -> str:
    """Ask for one of some words, and show only letters that begin one: a pasted text stays unseen.

    Returns:
        The answer in lower case, which may be another text.

    Raises:
        typer.Abort: the user has typed Ctrl-C or Ctrl-D.
    """
    typed = ""
    with _unechoed() as fd:
        _write(f"{question}: ")
        try:
            for letter in _letters(fd):
                seen = _beginning(typed, words)
                if letter in _END:
                    break
                if letter == _END_OF_INPUT:
                    raise typer.Abort
                typed = _after(typed, letter)
                if (shows := _beginning(typed, words)) != seen:
                    _write("\b \b" * cell_len(seen) + shows)
        except KeyboardInterrupt:
            raise typer.Abort from None
        finally:
            _write("\n")
    return typed.strip().lower()


def clear(shown: str) -> None:
    """Remove a question with its answer, which the terminal has shown, from the screen."""
    if sys.stderr.isatty():
        width = max(shutil.get_terminal_size().columns, 1)
        lines = max(-(-cell_len(shown) // width), 1)
        _write(f"\x1b[{lines}A\r\x1b[J")


def _beginning(typed: str, words: Collection[str]) -> str:
    """What is typed, if a word begins so."""
    return typed if any(word.startswith(typed.lower()) for word in words) else ""


def _after(typed: str, letter: str) -> str:
    if letter in _ERASE:
        return typed[:-1]
    return "" if letter == _ALL else typed + letter


def _letters(fd: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    # one byte at a time: what is typed ahead belongs to the next question
    while byte := os.read(fd, 1):
        yield from decoder.decode(byte)
    yield _END_OF_INPUT


@contextlib.contextmanager
def _unechoed() -> Iterator[int]:
    """Standard input as a terminal that gives each key at once and shows none."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd, termios.TCSADRAIN)
    try:
        yield fd
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
