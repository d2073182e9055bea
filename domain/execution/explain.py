"""Where a position's profit came from, in the greeks of its entry (rules 4.9).

dV = delta dS + gamma dS^2 / 2 + vega d(iv) + theta dt + residual. Coarse: entry greeks over the
whole life; what they do not explain is the residual, and shown. Called by positions.py.
"""

from __future__ import annotations

from decimal import Decimal

from domain.events.positions import PnlExplained
from domain.events.signals import LegQuote
from domain.instruments import MULTIPLIER, Structure
from domain.numbers import significant


def explain(
    position_id: str,
    structure: Structure,
    units: int,
    entry_legs: tuple[LegQuote, ...],
    underlying_move: float,
    volatilities_now: dict[int, float],
    days: float,
    total: Decimal,
    fees: Decimal,
) -> PnlExplained:
    """Dollars; vega per vol point, theta per calendar day. An unknown volatility did not move."""
    delta = gamma = vega = theta = 0.0
    quotes = {quote.con_id: quote for quote in entry_legs}
    for leg in structure.legs:
        quote = quotes.get(leg.contract.con_id)
        if quote is None:
            continue
        scale = leg.ratio * units * MULTIPLIER
        volatility = volatilities_now.get(quote.con_id, quote.implied_volatility)
        points = 100.0 * (volatility - quote.implied_volatility)
        delta += scale * quote.delta * underlying_move
        gamma += scale * 0.5 * quote.gamma * underlying_move * underlying_move
        vega += scale * quote.vega * points
        theta += scale * quote.theta * days
    residual = float(total) + float(fees) - (delta + gamma + vega + theta)
    return PnlExplained(
        position_id=position_id,
        delta_pnl=significant(delta) or 0.0,
        gamma_pnl=significant(gamma) or 0.0,
        vega_pnl=significant(vega) or 0.0,
        theta_pnl=significant(theta) or 0.0,
        fees=float(fees),
        residual=significant(residual) or 0.0,
        total=float(total),
    )
