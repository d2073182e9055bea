"""`python -m tests.run.replay.by_hand`: the replay tool for the small log.

Its signals are written by hand, which on every other log is a forgery.
"""

from __future__ import annotations

import sys

from run.deciders import DECIDED_BY
from run.replay.__main__ import main

WRITTEN = ("SignalRaised", "SignalValidated")

if __name__ == "__main__":
    for name in WRITTEN:
        del DECIDED_BY[name]
    sys.exit(main())
