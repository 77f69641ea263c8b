"""A terminal with a shell; a test types keys and reads the screen."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from print_site import BACKEND, PATIENCE_S, eventually

PROMPT = "$ "
SHELL = ("env", f"PS1={PROMPT}", "bash", "--norc")


class Terminal:
    """A session of tmux(1) with a server of its own; a context manager."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        width: int,
        height: int,
        *,
        shell: Sequence[str] = SHELL,
    ) -> None:
        self._tmux = ("tmux", "-f", "/dev/null", "-S", str(folder / "tmux"))
        # none of the tmux around the tests
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TMUX")}
        own = {"PATH": f"{BACKEND.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        self._environ = {**kept, **own, **environ}
        self._begin = ("-x", str(width), "-y", str(height), "--", *shell)

    def __enter__(self) -> Self:
        self._do("new-session", "-d", *self._begin)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._do("kill-server")

    def type(self, text: str) -> None:
        """Type a text and the return key."""
        self._do("send-keys", "-l", "--", text)
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key, by tmux's name for it."""
        self._do("send-keys", key)

    def screen(self) -> str:
        """The visible screen without empty lines at the end."""
        return self._do("capture-pane", "-p").rstrip()

    def before(self) -> str:
        """The whole output since the start, including lines that left the screen."""
        return self._do("capture-pane", "-p", "-J", "-S", "-").rstrip()

    def says(self, name: str) -> str:
        """A value about the terminal, by tmux's name for it."""
        return self._do("display-message", "-p", f"#{{{name}}}").strip()

    def sees(self, text: str) -> None:
        """Wait until a text is at the end of the screen."""
        try:
            eventually(lambda: self.screen().endswith(text.rstrip()))
        except AssertionError:
            raise AssertionError(f"{text!r} is not at the end of:\n{self.screen()}") from None

    def _do(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
