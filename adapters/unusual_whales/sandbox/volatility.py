"""Implied volatility of the simulated chain: by expiry, and so many trading days ahead."""

from __future__ import annotations

from datetime import date

import numpy as np

from adapters.market_model.market import SimulatedMarket

HORIZONS = (1, 5, 7, 14, 30, 60, 90, 180, 365)
"""Trading days ahead that the vendor tells."""
TRADING_DAYS = 252


def volatility_levels(market: SimulatedMarket, symbol: str) -> list[tuple[date, float, float]]:
    """Expiry, at-the-money volatility and years to it."""
    options = market.options[symbol]
    at = max(market.seconds_since_open, 0.0)
    years, variance = options.surface.years(at), options.surface.variance(at)
    return [
        (expiry, float(np.sqrt(variance[i] / years[i])), float(years[i]))
        for i, expiry in enumerate(options.chain.expiries)
        if years[i] > 0
    ]


def volatility_ahead(market: SimulatedMarket, symbol: str, days: float) -> float:
    """The volatility of the expiry nearest to so many days."""
    levels = volatility_levels(market, symbol)
    return min(levels, key=lambda one: abs(one[2] * 365 - days))[1] if levels else 0.15


def implied_move_share(level: float, days: float) -> float:
    """The move that a volatility implies over trading days, as a share of the price."""
    return level * float(np.sqrt(days / TRADING_DAYS))
