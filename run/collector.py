"""Python's collector of garbage, set for processes that hold much and make little of it cyclic.

Called first thing by every daemon and by the long commands.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 50_000
"""Objects made and not yet let go at which the young are looked through. Python's 700 is passed
many times within one page of the log: a fold of a day spent an eighth of its time looking."""
YOUNG_ROUNDS = 20
MIDDLE_ROUNDS = 100


def collect_seldom() -> None:
    """What stands now (modules, types, tables) is looked at no more, and what comes only seldom.

    Events are structs without cycles and go when nobody holds them; the collector is for tasks,
    exceptions and frames, which are few. So decisions do not wait for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
