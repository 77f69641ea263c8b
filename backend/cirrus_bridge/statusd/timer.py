"""When something is due that is to be done every so many seconds. Pure: the time is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Timer:
    """What is to be done every so many seconds."""

    every_s: float
    due_s: float = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Whether it is time; the next time begins then."""
        if now_s < self.due_s:
            return False
        self.due_s = now_s + self.every_s
        return True
