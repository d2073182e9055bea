"""Recorded market data for the tests that need some: a folder outside the project, or none.

`make test SAMPLES=folder` names it; without it those tests are skipped by name (tests/skips.py).
"""

from __future__ import annotations

import os
import zipfile
from datetime import date
from pathlib import Path

import pytest

SAMPLES = os.environ.get("SAMPLES", "")
OPEN_SECOND = 9 * 3600 + 1800
SESSION_SECONDS = 23_400
needs_samples = pytest.mark.skipif(
    not SAMPLES, reason="SAMPLES must name a folder with recorded market data, was not set"
)

Second = tuple[int, int, int, int, int]
"""Open, high, low, close in 1/10,000 dollar, and volume."""


def folder() -> Path:
    """The folder in LEAN's layout, given itself or the one above it."""
    root = Path(SAMPLES).resolve()
    return root / "lean" if (root / "lean").is_dir() else root


def lines(path: str) -> list[str]:
    """Lines of the one file in a zip of the folder."""
    with zipfile.ZipFile(folder() / path) as archive:
        return archive.read(archive.namelist()[0]).decode().splitlines()


def session_seconds(symbol: str, day: date) -> dict[int, Second]:
    """Seconds of the regular session that had a trade, counted from the open.

    Read here once more, so that a reader of the project is not held against itself.
    """
    rows: dict[int, Second] = {}
    for line in lines(f"equity/usa/second/{symbol.lower()}/{day:%Y%m%d}_trade.zip"):
        at, opening, high, low, close, volume = (int(float(part)) for part in line.split(","))
        second = at // 1000 - OPEN_SECOND
        if 0 <= second < SESSION_SECONDS:
            rows[second] = (opening, high, low, close, volume)
    return rows
