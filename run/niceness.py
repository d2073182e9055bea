"""Who goes first when the processor is short: what decides and sends, before what is derived.

`nice` alone does not say it on Linux. There each session is a scheduling group of its own
(autogroup), a service begins a session, and a niceness counts among the members of a group only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from contextlib import suppress
from pathlib import Path

DERIVED = 10
"""Niceness of what is derived: projections, the store of hot state. It may be late."""

TURN_NANOSECONDS = 200_000
"""Of what decides, and of the log. Linux gives 3 ms by itself, and allows 0.1 to 100."""

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Number of the call, by machine: no library has a name for it (sched_setattr(2))."""
_ATTRIBUTES = struct.Struct("=IIQiIQQQII")
"""Size, policy, flags, niceness, priority, runtime (the turn), deadline, period, bounds of use."""
_SCHED_OTHER = 0


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


def take_short_turns(pid: int = 0) -> bool:
    """Let a process, or this one, have the processor more often and for less long, at the same
    share of it: when it is woken it comes before who computes in longer turns. What it starts
    later does the same.

    Returns whether the system took it. Linux heeds it from 6.12 on; where it is unknown or
    forbidden all stays as it is, and a wake-up waits for the end of another's turn.
    """
    number = _SCHED_SETATTR.get(platform.machine()) if platform.system() == "Linux" else None
    if number is None:
        return False
    niceness = os.getpriority(os.PRIO_PROCESS, pid)
    wanted = (_SCHED_OTHER, 0, niceness, 0, TURN_NANOSECONDS, 0, 0, 0, 0)
    given = ctypes.create_string_buffer(_ATTRIBUTES.pack(_ATTRIBUTES.size, *wanted))
    return bool(ctypes.CDLL(None).syscall(number, pid, given, 0) == 0)
