"""Write the file of a frozen program's modules, which kept_modules.py reads.

The file has the code of the modules, an index, and the size of the index in four bytes. Places are
counted backwards from the index.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from types import CodeType

from PyInstaller.building.utils import (  # type: ignore[import-untyped]
    replace_filename_in_code_object,
)


def module_file(modules: Mapping[str, CodeType]) -> bytes:
    """The file for these modules, by name. Their code loses the paths of this machine."""
    parts: list[bytes] = []
    index: dict[str, tuple[bool, int, int]] = {}  # whether it is a package, place, size
    before_index = 0
    for name, code in sorted(modules.items()):
        is_package = code.co_filename.endswith("/__init__.py")
        path = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
        part = marshal.dumps(replace_filename_in_code_object(code, path))
        before_index += len(part)
        parts.insert(0, part)
        index[name] = (is_package, before_index, len(part))
    listed = marshal.dumps(index)
    return b"".join((*parts, listed, len(listed).to_bytes(4, "little")))
