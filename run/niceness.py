"""Who goes first when the processor is short: what decides and sends, before what is derived.

`nice` alone does not say it on Linux. There each session is a scheduling group of its own
(autogroup), a service begins a session, and a niceness counts among the members of a group only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

DERIVED = 10
"""Niceness of what is derived: projections, the store of hot state. It may be late."""


def let_others_first(niceness: int, pid: int = 0) -> None:
    """Give a process, or this one, and its session a niceness, as of nice(1).

    Raises:
        OSError: there is no such process, or it may not be changed.
    """
    os.setpriority(os.PRIO_PROCESS, pid, niceness)
    # Not there on other systems, and not to be written where the kernel was built without.
    with suppress(OSError):
        Path(f"/proc/{pid or 'self'}/autogroup").write_text(str(niceness))
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
