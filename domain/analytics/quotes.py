"""When a two-sided quote may be used, for single quotes and for columns of a chain.

Called by the chain's evaluation and by the signal stage for its legs. Ages are seconds of market
time.
"""

from __future__ import annotations

import numpy as np

from domain.pricing.black_scholes import Bools, Floats

BID_MIN = 0.01
WIDE_USD = 0.50
WIDE_FRACTION = 0.25
QUIET_MOVE_MAX = 0.0005


def two_sided(bid: Floats, ask: Floats, bid_size: Floats, ask_size: Floats) -> Bools:
    """bid >= 0.01, neither locked nor crossed, sizes above 0 where the source gives sizes.

    NaN is a missing price, or a size that the source does not give.
    """
    found: Bools = (bid >= BID_MIN) & (ask > bid) & ~(bid_size <= 0) & ~(ask_size <= 0)
    return found


def is_wide(bid: Floats, ask: Floats) -> Bools:
    """Wider than max(0.50, 25 % of mid): degraded, gives no implied volatility."""
    wide: Bools = ask - bid > np.maximum(WIDE_USD, WIDE_FRACTION * (bid + ask) / 2) + 1e-9
    return wide


def effective_age(
    age: Floats,
    on_line: Bools,
    spot_at: Floats,
    spot: float,
    quiet_max: float,
    *,
    underlying_fresh: bool,
) -> Floats:
    """Age of quotes: a broker sends nothing while nothing changes.

    A line without ticks counts as 0 s old for up to `quiet_max` while the underlying's quote is
    fresh and the spot has moved no more than 0.05 % since the line's last tick.
    """
    if not underlying_fresh:
        return age
    with np.errstate(invalid="ignore", divide="ignore"):
        still = np.abs(spot / spot_at - 1) <= QUIET_MOVE_MAX
    quiet = on_line & (age <= quiet_max) & still
    return np.where(quiet, 0.0, age)
