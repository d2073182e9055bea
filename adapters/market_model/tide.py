"""Market-wide option premium by the second, and past net-premium minutes of the symbols.

The tide covers far more than the three symbols, so it is a process of its own that follows the
same tape: the pressure of SPY's price, with noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.flow import TOTALS
from adapters.market_model.randomness import stream
from adapters.market_model.tape import FlowMinute
from adapters.market_model.variance import variance_density

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TIDE_FIELDS = (
    "net_call_premium",
    "net_put_premium",
    "net_volume",
    "otm_net_call_premium",
    "otm_net_put_premium",
    "otm_net_volume",
)
PREMIUM_SCALE = 9_000.0
"""Dollars a second of one-sided premium at full pressure and mean activity."""


def tide_by_second(seed: int, day: str, lean: Floats) -> Integers:
    """Running totals since the open after each second, columns as TIDE_FIELDS, whole dollars.

    Row 0 is the open: zeros.
    """
    seconds = len(lean)
    chance = stream(seed, "tide", day)
    activity = variance_density(seconds) * seconds
    noise = chance.standard_normal((seconds, 3))
    calls = PREMIUM_SCALE * activity * (lean + 0.05 + 4.0 * noise[:, 0])
    puts = PREMIUM_SCALE * activity * (-0.8 * lean + 0.02 + 3.5 * noise[:, 1])
    volume = 60 * activity * (lean + 3.0 * noise[:, 2])
    columns = (calls, puts, volume, 0.45 * calls, 0.5 * puts, 0.55 * volume)
    steps = np.round(np.stack(columns, axis=1)).astype(np.int64)
    return np.concatenate((np.zeros((1, len(columns)), dtype=np.int64), np.cumsum(steps, axis=0)))


@dataclass(frozen=True, slots=True)
class FlowScale:
    """Size of a symbol's flow: mean trade, as measured on a drawn minute."""

    trades_per_minute: float
    contracts: float
    premium: float
    premium_square: float
    delta_shares: float
    alignment: float


def past_minutes(
    seed: int, symbol: str, day: str, lean: Sequence[float], scale: FlowScale
) -> list[FlowMinute]:
    """Net-premium minutes of an earlier session, with the size and noise of today's trades.

    `lean` is the mean direction of each minute.
    """
    chance = stream(seed, "past flow", symbol, day)
    activity = variance_density(len(lean) * 60).reshape(-1, 60).sum(axis=1) * len(lean)
    result = []
    for minute, direction in enumerate(lean):
        trades = max(1.0, scale.trades_per_minute * float(activity[minute]))
        half = trades / 2
        pull = scale.alignment * direction * 0.9
        spread = (half * scale.premium_square) ** 0.5
        calls = half * scale.premium * pull + spread * float(chance.standard_normal())
        puts = -half * scale.premium * pull + spread * float(chance.standard_normal())
        volume = half * scale.contracts
        lift = volume * 0.45
        values = {
            "call_volume": volume,
            "put_volume": volume,
            "call_volume_ask_side": lift * (1 + pull),
            "call_volume_bid_side": lift * (1 - pull),
            "put_volume_ask_side": lift * (1 - pull),
            "put_volume_bid_side": lift * (1 + pull),
            "net_call_premium": calls,
            "net_put_premium": puts,
        }
        noise = (2 * half) ** 0.5 * scale.delta_shares * float(chance.standard_normal())
        result.append(
            FlowMinute(
                tuple(round(values[name]) for name in TOTALS),
                2 * half * scale.delta_shares * pull + noise,
            )
        )
    return result
