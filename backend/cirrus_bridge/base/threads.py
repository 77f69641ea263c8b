"""Threads that a job leaves behind in a process that does several jobs."""

from __future__ import annotations

import threading

END_S = 0.1


def has_left_threads() -> bool:
    """Whether a thread goes on besides the main one, apart from daemon threads, which serve all
    jobs. Waits END_S for each: the threads of an upload end soon after the job."""
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    left = [each for each in others if not each.daemon]
    for each in left:
        each.join(END_S)
    return any(each.is_alive() for each in left)
