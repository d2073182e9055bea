"""Where a position's profit came from, by leg and greek, minute by minute (rules 4.9).

dV = delta dS + gamma dS^2 / 2 + vega d(iv) + theta dt + slippage + residual, with the greeks of
the entry, for the contracts held in each minute. The delta moves with the entry's gamma as the
underlying does, else every trend would be residual. Pure; called by positions.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain.events.positions import LegPnl, PnlExplained
from domain.events.signals import LegQuote
from domain.execution.ledger import LegFill
from domain.execution.quotes import Line, Quotes
from domain.instruments import MULTIPLIER, Leg, Side
from domain.numbers import significant

EVERY = timedelta(minutes=1)
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class LegShare:
    """What one leg has brought so far, dollars, and where its market stood at the last look."""

    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    slippage: float = 0.0
    volatility: float | None = None
    mid: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A position's profit as explained up to `at`."""

    greeks: Mapping[int, LegQuote]
    """Of the entry, by contract."""
    at: datetime
    first_underlying: float | None = None
    underlying: float | None = None
    shares: Mapping[int, LegShare] = field(default_factory=dict)


def started(legs: Iterable[LegQuote], at: datetime) -> Explanation:
    greeks = {leg.con_id: leg for leg in legs}
    shares = {con_id: LegShare(volatility=leg.implied_volatility) for con_id, leg in greeks.items()}
    return Explanation(greeks, at, shares=shares)


def advanced(
    so_far: Explanation, symbol: str, held: Mapping[int, int], quotes: Quotes, now: datetime
) -> Explanation:
    """The same with what happened since its last look; `held` are the contracts held meanwhile."""
    price = quotes.underlying_price(symbol, now)
    if price is None:
        price = so_far.underlying
    first = price if so_far.first_underlying is None else so_far.first_underlying
    moves = _Moves(days=(now - so_far.at).total_seconds() / _DAY_SECONDS)
    if price is not None and so_far.underlying is not None and first is not None:
        moves = replace(moves, step=price - so_far.underlying, before=so_far.underlying - first)
    shares: dict[int, LegShare] = {}
    for con_id, share in so_far.shares.items():
        seen = _looked_at(share, quotes.lines.get(con_id))
        shares[con_id] = _moved(share, seen, so_far.greeks.get(con_id), held.get(con_id, 0), moves)
    return Explanation(so_far.greeks, now, first, price, shares)


@dataclass(frozen=True, slots=True)
class _Moves:
    """Of the underlying and of time since the last look."""

    days: float
    step: float = 0.0
    before: float = 0.0
    """What the underlying had moved from the first fill to the last look."""


def _looked_at(share: LegShare, line: Line | None) -> LegShare:
    """The leg's market now; what the line does not say stays as it was."""
    if line is None:
        return share
    volatility, mid = share.volatility, share.mid
    if line.implied_volatility is not None:
        volatility = line.implied_volatility
    if line.bid is not None and line.ask is not None:
        mid = (line.bid + line.ask) / 2
    return replace(share, volatility=volatility, mid=mid)


def _moved(
    before: LegShare, now: LegShare, greeks: LegQuote | None, held: int, moves: _Moves
) -> LegShare:
    if greeks is None or held == 0:
        return now
    scale = held * MULTIPLIER
    points = 0.0
    if now.volatility is not None and before.volatility is not None:
        points = 100.0 * (now.volatility - before.volatility)
    curve = moves.before * moves.step + moves.step * moves.step / 2
    return replace(
        now,
        delta=now.delta + scale * greeks.delta * moves.step,
        gamma=now.gamma + scale * greeks.gamma * curve,
        vega=now.vega + scale * greeks.vega * points,
        theta=now.theta + scale * greeks.theta * moves.days,
    )


def joined(so_far: Explanation, legs: Iterable[LegQuote]) -> Explanation:
    """The same with legs that may be opened later. Deltas are told of the first fill, so theirs are
    moved back to it by their gamma."""
    greeks, shares = dict(so_far.greeks), dict(so_far.shares)
    moved = 0.0
    if so_far.underlying is not None and so_far.first_underlying is not None:
        moved = so_far.underlying - so_far.first_underlying
    for leg in legs:
        if leg.con_id not in greeks:
            back = {"delta": leg.delta - leg.gamma * moved}
            greeks[leg.con_id] = leg.model_copy(update=back)
            shares[leg.con_id] = LegShare(volatility=leg.implied_volatility)
    return replace(so_far, greeks=greeks, shares=shares)


def with_fill(so_far: Explanation, fill: LegFill, before: LegFill | None) -> Explanation:
    """The same with the slippage of a fill against the leg's mid; a correction moves it along."""
    share = so_far.shares.get(fill.con_id, LegShare())
    against = share.mid if before is None else before.price
    if against is None:
        return so_far
    worse = (fill.price - against) * (1 if fill.side is Side.BUY else -1)
    slippage = share.slippage - float(worse * fill.quantity * MULTIPLIER)
    shares = {**so_far.shares, fill.con_id: replace(share, slippage=slippage)}
    return replace(so_far, shares=shares)


def restored(so_far: Explanation, body: PnlExplained, at: datetime) -> Explanation:
    """As it was when the event was written."""
    shares = {
        leg.con_id: LegShare(
            leg.delta_pnl,
            leg.gamma_pnl,
            leg.vega_pnl,
            leg.theta_pnl,
            leg.slippage,
            leg.volatility,
            leg.mid,
        )
        for leg in body.legs
    }
    return Explanation(
        so_far.greeks, at, body.first_underlying_price, body.underlying_price, shares
    )


def leg_results(
    legs: Iterable[Leg], fills: Iterable[LegFill], so_far: Explanation
) -> tuple[LegPnl, ...]:
    """Each leg's result before fees: cash of its fills, and what is held at its mid."""
    cash: dict[int, Decimal] = {}
    held: dict[int, int] = {}
    last: dict[int, Decimal] = {}
    for fill in fills:
        sign = 1 if fill.side is Side.BUY else -1
        cash[fill.con_id] = cash.get(fill.con_id, Decimal(0)) - sign * fill.quantity * fill.price
        held[fill.con_id] = held.get(fill.con_id, 0) + sign * fill.quantity
        last[fill.con_id] = fill.price
    found: list[LegPnl] = []
    for leg in legs:
        con_id = leg.contract.con_id
        share = so_far.shares.get(con_id, LegShare())
        value = share.mid if share.mid is not None else last.get(con_id, Decimal(0))
        gross = (cash.get(con_id, Decimal(0)) + held.get(con_id, 0) * value) * MULTIPLIER
        told = share.delta + share.gamma + share.vega + share.theta + share.slippage
        found.append(
            LegPnl(
                con_id=con_id,
                delta_pnl=_number(share.delta),
                gamma_pnl=_number(share.gamma),
                vega_pnl=_number(share.vega),
                theta_pnl=_number(share.theta),
                slippage=_number(share.slippage),
                residual=_number(float(gross) - told),
                total=float(gross),
                volatility=share.volatility,
                mid=share.mid,
            )
        )
    return tuple(found)


def _number(value: float) -> float:
    return significant(value) or 0.0
