"""What the import of requests costs, and what it leaves in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cirrus_bridge.api.absent_modules import absent


def test_absent() -> None:
    """A module cannot be imported in the context, and is as before afterwards."""
    import json

    with absent("json", "no_such_module"), pytest.raises(ImportError):
        import json
    assert sys.modules["json"] is json
    assert "no_such_module" not in sys.modules


def test_no_detector_of_charsets() -> None:
    """A process imports requests without a detector or a warning, and may import one later."""
    code = (
        "import cirrus_bridge.api.session, sys\n"
        "assert not {'chardet', 'charset_normalizer'} & set(sys.modules)\n"
        "import charset_normalizer"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60)
    assert done.returncode == 0
