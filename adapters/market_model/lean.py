"""Reads recorded market data in LEAN's folder layout: second and daily bars of US equities.

Files: equity/usa/second/<symbol>/<YYYYMMDD>_{trade,quote}.zip and equity/usa/daily/<symbol>.zip.
Prices are in 1/10,000 dollar; times are milliseconds of the day in New York, the bar's start.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
PRICE_UNIT = 10_000


class RecordingMissing(LookupError):
    """The folder does not hold what was asked for."""


@dataclass(frozen=True, slots=True)
class DailyRow:
    session_date: date
    open: float
    high: float
    low: float
    close: float
    volume: int


def _member(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(archive.namelist()[0])
    except FileNotFoundError:
        raise RecordingMissing(
            f"recording must hold {path.name}, was not in {path.parent}"
        ) from None


def _second_folder(folder: Path, symbol: str) -> Path:
    return folder / "equity/usa/second" / symbol.lower()


def recorded_days(folder: Path, symbol: str = "SPY") -> Sequence[date]:
    """Days with trades and quotes by the second, oldest first.

    Raises:
        RecordingMissing: the folder is not there, or holds no such day.
    """
    place = _second_folder(folder, symbol)
    kinds: dict[date, set[str]] = {}
    for path in place.glob("*_*.zip"):
        stamp, _, kind = path.stem.partition("_")
        if len(stamp) == 8 and stamp.isdigit():
            kinds.setdefault(datetime.strptime(stamp, "%Y%m%d").date(), set()).add(kind)
    days = sorted(day for day, found in kinds.items() if found >= {"trade", "quote"})
    if not days:
        what = "no such day" if place.is_dir() else "no such folder"
        raise RecordingMissing(
            f"recording must hold {place}/YYYYMMDD_trade.zip and YYYYMMDD_quote.zip, was {what}"
        )
    return days


def require_day(folder: Path, day: date, symbol: str = "SPY") -> None:
    """
    Raises:
        RecordingMissing: the folder has not that day; the text names those that it has.
    """
    days = recorded_days(folder, symbol)
    if day not in days:
        listed = ", ".join(str(known) for known in days)
        raise RecordingMissing(f"recorded day must be one of {listed} in {folder}, was {day}")


def second_rows(folder: Path, symbol: str, day: date, kind: str) -> Integers:
    """Rows of a second file, `kind` trade or quote, all columns as whole numbers.

    Raises:
        RecordingMissing: there is no such file.
    """
    path = _second_folder(folder, symbol) / f"{day:%Y%m%d}_{kind}.zip"
    rows: Integers = np.loadtxt(
        io.BytesIO(_member(path)), delimiter=",", dtype=np.float64, ndmin=2
    ).astype(np.int64)
    return rows


def daily_rows(folder: Path, symbol: str) -> list[DailyRow]:
    """Daily bars in dollars, oldest first.

    Raises:
        RecordingMissing: there is no such file.
    """
    path = folder / "equity/usa/daily" / f"{symbol.lower()}.zip"
    result = []
    for line in _member(path).decode().splitlines():
        stamp, *columns = line.split(",")
        opening, high, low, close = (float(value) / PRICE_UNIT for value in columns[:4])
        day = datetime.strptime(stamp[:8], "%Y%m%d").date()
        result.append(DailyRow(day, opening, high, low, close, int(float(columns[4]))))
    return result
