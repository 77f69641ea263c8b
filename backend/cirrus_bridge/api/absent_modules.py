"""Modules that an import must do without."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def absent(*names: str) -> Iterator[None]:
    """Make imports of these modules fail in the context, as if they were not installed.

    None in sys.modules stops an import (The Python Language Reference, 5.3.1). Modules that were
    imported before are back afterwards.
    """
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type] # as the reference says
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)
