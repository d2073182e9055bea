"""Independent streams of chance, each named by what it is for.

A stream depends on the seed and its name alone, so that asking for one thing more or less, or in
another order, changes nothing else: the root of the model's determinism.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """The generator of one named purpose, such as stream(7, "trades", "SPY", 31)."""
    words = [part if isinstance(part, int) else crc32(part.encode()) for part in name]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
