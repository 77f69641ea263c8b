"""Documents to print, made from a seed, so that every run prints the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

MB = 1_000_000
_WORDS = ("moveto", "lineto", "stroke", "setgray", "show", "newpath", "closepath", "gsave", "fill")


def make(path: Path, kind: str, size: int) -> Path:
    """Make a file of `size` bytes.

    "pdf" and "noise" are already compressed; deflate reduces "ps", which is text, to about a third.
    """
    if not path.exists():
        with path.open("wb") as file:
            left = size
            for block in _blocks(kind):
                file.write(block[:left])
                left -= len(block)
                if left <= 0:
                    break
    return path


def _blocks(kind: str) -> Iterator[bytes]:
    rng = random.Random(kind)
    if kind == "ps":
        yield b"%!PS-Adobe-3.0\n"
        # 10 MB of text without repetitions beyond deflate's window; then once more
        lines = [
            f"{rng.uniform(0, 600):.2f} {rng.uniform(0, 800):.2f} {rng.choice(_WORDS)}"
            for _ in range(400_000)
        ]
        text = "\n".join(lines).encode()
        while True:
            yield text
    if kind == "pdf":
        yield b"%PDF-1.4\n"
    block = rng.randbytes(8 * MB)
    while True:
        yield block
