"""Contracts, legs and structures: what is traded, named the same way in every module."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

SYMBOLS = ("SPY", "QQQ", "IWM")
MULTIPLIER = 100
TICK = Decimal("0.01")
"""Minimum increment of all SPY, QQQ and IWM options, at every price (Penny Interval Program)."""


class Value(BaseModel):
    """A frozen value that is part of a desk event."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Right(StrEnum):
    CALL = "C"
    PUT = "P"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class Direction(StrEnum):
    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"


class Strategy(StrEnum):
    ZERO_DTE = "0DTE"
    ONE_DTE = "1DTE"
    FOURTEEN_DTE = "14D+"
    CLOSING = "MOC"

    @property
    def slug(self) -> str:
        """The middle of its parameters' names: signals.<slug>."""
        return {"0DTE": "0dte", "1DTE": "1dte", "14D+": "14d", "MOC": "moc"}[self.value]


class StructureKind(StrEnum):
    LONG_OPTION = "long_option"
    DEBIT_VERTICAL = "debit_vertical"
    CREDIT_VERTICAL = "credit_vertical"
    IRON_CONDOR = "iron_condor"
    ROLL = "roll"
    """One side of a condor closed and another one opened, in one order (domain/rolling.py)."""


class OptionContract(Value):
    """One listed option as the broker names it. `con_id` is the broker's contract id."""

    con_id: int
    symbol: str
    expiry: date
    strike: Decimal
    right: Right

    @property
    def occ_symbol(self) -> str:
        return occ_symbol(self.symbol, self.expiry, self.right, self.strike)


class Leg(Value):
    """One leg. `ratio` is +1 bought, -1 sold, as seen when the structure is opened."""

    contract: OptionContract
    ratio: int


class Structure(Value):
    """Legs of one expiry, ratio 1, always described as bought: a credit has a negative price."""

    kind: StructureKind
    legs: tuple[Leg, ...]

    @property
    def symbol(self) -> str:
        return self.legs[0].contract.symbol

    @property
    def expiry(self) -> date:
        return self.legs[0].contract.expiry

    @property
    def is_single(self) -> bool:
        return len(self.legs) == 1

    @property
    def has_short_leg(self) -> bool:
        return any(leg.ratio < 0 for leg in self.legs)


_OCC = re.compile(r"^([A-Z]{1,6})\s*(\d{2})(\d{2})(\d{2})([CP])(\d{8})$")


def occ_symbol(symbol: str, expiry: date, right: Right, strike: Decimal) -> str:
    """The OCC option symbol without padding, such as SPY261006C00770000."""
    return f"{symbol}{expiry:%y%m%d}{right.value}{int(strike * 1000):08d}"


@lru_cache(maxsize=16_384)  # a session has fewer contracts, and each of them many prints
def parse_occ_symbol(text: str) -> tuple[str, date, Right, Decimal]:
    """Symbol, expiry, right and strike of an OCC option symbol, padded or not.

    Raises:
        ValueError: the text is no OCC option symbol.
    """
    match = _OCC.match(text)
    if match is None:
        raise ValueError(f"option symbol must look like SPY261006C00770000, was {text!r}")
    root, year, month, day, right, strike = match.groups()
    expiry = date(2000 + int(year), int(month), int(day))
    return root, expiry, Right(right), Decimal(strike) / 1000
