"""First thing in a frozen program: what it starts gets the environment that it got itself.

The boot loader puts the programs' own libraries into LD_LIBRARY_PATH. That has done its work when
Python runs, and is wrong for children such as lp or a device's command.
"""

import os

_original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if _original is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = _original
