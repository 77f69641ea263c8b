"""Progress of a job: one line that changes on a terminal, otherwise a line for each change."""

from __future__ import annotations

import shutil
import sys

BAR_CELLS = 20


class Progress:
    """A progress display on standard output."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._shown = ""

    def show(self, percent: int, state: str, message: str) -> None:
        """Show a new state."""
        full = percent * BAR_CELLS // 100
        bar = "#" * full + "." * (BAR_CELLS - full)
        line = f"    [{bar}] {percent:3d} %  {state:<10}  {message}".rstrip()
        if line == self._shown:
            return
        self._shown = line
        if self._is_terminal:
            # one column less than the terminal, because a full last column may wrap the line
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"\r{line[:width]}\x1b[K")
            sys.stdout.flush()
        else:
            print(line, flush=True)

    def end(self) -> None:
        """Keep the last line."""
        if self._is_terminal and self._shown:
            print()
