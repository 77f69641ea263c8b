"""Give child processes of a frozen program the environment that the program got.

Every frozen program runs this first. The boot loader puts the program's own libraries into
LD_LIBRARY_PATH. Python no longer needs that, and children such as lp or a device's command must not
use it.
"""

import os

_original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if _original is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = _original
