"""The collector is set, and still takes away what is cyclic."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc, weakref
from run.collector import collect_seldom
collect_seldom()
class Node: pass
first, seen = Node(), []
first.itself = first
gone = weakref.ref(first)
del first
while gone() is not None and len(seen) < 10_000_000:
    seen.append([])
print(gc.get_freeze_count() > 1_000, gone() is None, len(seen) > 10_000)
"""


def test_what_is_cyclic_goes_and_is_not_looked_for_at_each_step() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["True"] * 3
