"""What every part of the benchmark gets and returns. A part is a module with a function `table`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """How to measure.

    Attributes:
        folder: an empty folder of the part's own, which users without rights may enter.
        is_quick: small sizes and few rounds, to see that the part works.
        has_all: all combinations, which take hours.
    """

    folder: Path
    is_quick: bool = False
    has_all: bool = False

    def size(self, full: int, quick: int) -> int:
        """A size or a number of rounds."""
        return quick if self.is_quick else full


@dataclass
class Table:
    """Rows of text, printed at once and kept as Markdown, and the goals that they show."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    goals: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        print("\n".join(_lines(self.title, self.columns, [])), flush=True)

    def row(self, *cells: str) -> None:
        """Add and print a row."""
        self.rows.append(cells)
        print(_line(cells), flush=True)

    def goal(self, what: str, goal: str, figure: str, *, is_met: bool) -> None:
        """Add a row to the short table of the whole run."""
        self.goals.append((what, goal, figure, "yes" if is_met else "no"))

    @property
    def markdown(self) -> str:
        """The whole table."""
        return "\n".join(_lines(self.title, self.columns, self.rows))


def _lines(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    head = [f"### {title}", "", _line(columns), "|" + " --- |" * len(columns)]
    return head + [_line(cells) for cells in rows]


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
