"""Deterministic choice of strikes and structure for the 0DTE bucket (rules, 4.4 and 4.8).

Called at an evaluation point with the chain of the day's expiry. Candidates are listed strikes
with a volatility of their own that do not fail liquidity; whatever fails gives no structure and
the reason, never a near miss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.instruments import Direction, Leg, Right, Structure, StructureKind
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.signals.reading import Chain, ChainRow


@dataclass(frozen=True, slots=True)
class Market:
    """What the choice rests on besides the chain."""

    spot: float
    deviation: float
    """sqrt(V_rem): standard deviation of the log price over the rest of the day."""
    vrp: float
    expected_move: float | None = None
    call_wall: float | None = None
    put_wall: float | None = None


@dataclass(frozen=True, slots=True)
class NoStructure:
    """No trade: the code and what was off."""

    code: DenialCode
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A structure with its rows in leg order and its net quote, as bought, dollars a share."""

    structure: Structure
    rows: tuple[ChainRow, ...]
    net_bid: Decimal
    net_ask: Decimal

    @property
    def net_mid(self) -> Decimal:
        return (self.net_bid + self.net_ask) / 2

    @property
    def spread(self) -> Decimal:
        return self.net_ask - self.net_bid


def spread_is_tight(row: ChainRow, parameters: ParameterState) -> bool:
    mid, spread = row.mid, row.spread
    if mid is None or spread is None:
        return False
    number = parameters.number
    least = Decimal(repr(number("signals.liquidity.spread_min_usd")))
    share = Decimal(repr(number("signals.liquidity.spread_share")))
    return spread <= max(least, share * mid)


def interest_is_enough(row: ChainRow, parameters: ParameterState) -> bool:
    least = parameters.number("signals.liquidity.interest_min")
    return row.open_interest >= least or row.volume >= least


def may_be_liquid(row: ChainRow, parameters: ParameterState) -> bool:
    """Not failing LIQUIDITY as far as a quote from any source can tell."""
    return (
        row.is_two_sided
        and row.own_volatility
        and row.has_greeks
        and spread_is_tight(row, parameters)
        and interest_is_enough(row, parameters)
    )


def net_quote(legs: Sequence[tuple[ChainRow, int]]) -> tuple[Decimal, Decimal] | None:
    """Net bid and ask as bought: long bid less short ask, long ask less short bid."""
    bid = ask = Decimal(0)
    for row, ratio in legs:
        if row.bid is None or row.ask is None:
            return None
        bid += row.bid if ratio > 0 else -row.ask
        ask += row.ask if ratio > 0 else -row.bid
    return bid, ask


def build(
    chain: Chain, kind: StructureKind, legs: Sequence[tuple[ChainRow, int]]
) -> Choice | NoStructure:
    quote = net_quote(legs)
    if quote is None:
        return NoStructure(DenialCode.NO_STRIKE, "a leg has no two-sided quote")
    structure = Structure(
        kind=kind,
        legs=tuple(Leg(contract=chain.contract(row), ratio=ratio) for row, ratio in legs),
    )
    return Choice(structure, tuple(row for row, _ in legs), *quote)


def nearest_delta(
    rows: Sequence[ChainRow], target: float, spot: float, off_max: float
) -> ChainRow | None:
    """Least |delta - target|; ties go to the strike farther out of the money."""

    def key(row: ChainRow) -> tuple[float, float]:
        off = abs(abs(row.delta or 0.0) - target)
        out = float(row.strike) - spot if row.right is Right.CALL else spot - float(row.strike)
        return round(off, 12), -out

    best = min(rows, key=key, default=None)
    if best is None or abs(abs(best.delta or 0.0) - target) > off_max + 1e-12:
        return None
    return best


def at_distance(
    rows: Sequence[ChainRow], origin: Decimal, distance: float, sign: int
) -> ChainRow | None:
    """The strike nearest to origin + sign * distance on that side; tie: the nearer; never 0."""
    side = [row for row in rows if (row.strike - origin) * sign > 0]

    def key(row: ChainRow) -> tuple[float, Decimal]:
        width = abs(row.strike - origin)
        return round(abs(float(width) - distance), 9), width

    return min(side, key=key, default=None)


def _no_strike(reason: str) -> NoStructure:
    return NoStructure(DenialCode.NO_STRIKE, reason)


def choose_trend(
    chain: Chain, direction: Direction, market: Market, parameters: ParameterState
) -> Choice | NoStructure:
    """A debit vertical in the direction, or a single long option when options are cheap."""
    number = parameters.number
    right = Right.CALL if direction is Direction.BULLISH else Right.PUT
    rows = [row for row in chain.of(right) if may_be_liquid(row, parameters)]
    off_max = number("signals.0dte.delta_off_max")
    if market.vrp <= number("signals.0dte.trend.vrp_single"):
        target = number("signals.0dte.trend.delta_single")
        single = nearest_delta(rows, target, market.spot, off_max)
        if single is None:
            return _no_strike(f"no liquid strike within {off_max} of delta {target}")
        return build(chain, StructureKind.LONG_OPTION, [(single, 1)])
    target = number("signals.0dte.trend.delta")
    long_row = nearest_delta(rows, target, market.spot, off_max)
    if long_row is None:
        return _no_strike(f"no liquid strike within {off_max} of delta {target}")
    delta = abs(long_row.delta or 0.0)
    low, high = number("signals.0dte.trend.delta_low"), number("signals.0dte.trend.delta_high")
    if not low <= delta <= high:
        return _no_strike(f"long delta must be in [{low}, {high}], was {delta:.4f}")
    sign = 1 if right is Right.CALL else -1
    away = number("signals.0dte.trend.short_sd") * market.deviation * market.spot
    goal = market.spot + sign * away
    distance = max(0.0, (goal - float(long_row.strike)) * sign)
    short_row = at_distance(rows, long_row.strike, distance, sign)
    if short_row is None:
        return _no_strike("no liquid strike beyond the long leg")
    return _vertical(chain, long_row, short_row, market, parameters)


def _vertical(
    chain: Chain,
    long_row: ChainRow,
    short_row: ChainRow,
    market: Market,
    parameters: ParameterState,
) -> Choice | NoStructure:
    number = parameters.number
    width = abs(short_row.strike - long_row.strike)
    low = number("signals.0dte.trend.width_min") * market.spot
    high = number("signals.0dte.trend.width_max") * market.spot
    if not low <= float(width) <= high:
        return _no_strike(f"width must be in [{low:.2f}, {high:.2f}], was {width}")
    choice = build(chain, StructureKind.DEBIT_VERTICAL, [(long_row, 1), (short_row, -1)])
    if isinstance(choice, NoStructure):
        return choice
    most = Decimal(repr(number("signals.0dte.trend.debit_max"))) * width
    if not Decimal(0) < choice.net_mid <= most:
        return _no_strike(f"debit must be in (0, {most}], was {choice.net_mid}")
    return choice


def _short_strike(
    rows: Sequence[ChainRow], spot: float, meets: Callable[[ChainRow], bool]
) -> ChainRow | None:
    """The strike nearest S that meets the bounds."""
    allowed = [row for row in rows if meets(row)]
    return min(allowed, key=lambda row: (abs(float(row.strike) - spot), row.strike), default=None)


def choose_range(chain: Chain, market: Market, parameters: ParameterState) -> Choice | NoStructure:
    """An iron condor outside the expected move, its shorts not inside their walls."""
    number = parameters.number
    if market.expected_move is None or market.call_wall is None or market.put_wall is None:
        return _no_strike("expected move and walls must be known, one was missing")
    reach = max(market.spot * market.deviation, market.expected_move)
    away = number("signals.0dte.range.distance_sd") * reach
    delta_max = number("signals.0dte.range.delta_max")
    call_floor = max(market.spot + away, market.call_wall)
    put_ceiling = min(market.spot - away, market.put_wall)
    calls = [row for row in chain.of(Right.CALL) if may_be_liquid(row, parameters)]
    puts = [row for row in chain.of(Right.PUT) if may_be_liquid(row, parameters)]
    short_call = _short_strike(
        calls,
        market.spot,
        lambda row: float(row.strike) >= call_floor and abs(row.delta or 1.0) <= delta_max,
    )
    short_put = _short_strike(
        puts,
        market.spot,
        lambda row: float(row.strike) <= put_ceiling and abs(row.delta or 1.0) <= delta_max,
    )
    if short_call is None or short_put is None:
        side = "call" if short_call is None else "put"
        bound = call_floor if short_call is None else put_ceiling
        return _no_strike(f"no liquid {side} short beyond {bound:.2f} with delta <= {delta_max}")
    wing = number("signals.0dte.range.wing") * market.spot
    long_call = at_distance(calls, short_call.strike, wing, 1)
    long_put = at_distance(puts, short_put.strike, wing, -1)
    if long_call is None or long_put is None:
        return _no_strike("no liquid wing beyond a short strike")
    legs = [(long_put, 1), (short_put, -1), (short_call, -1), (long_call, 1)]
    return _condor(chain, legs, parameters)


def _condor(
    chain: Chain, legs: Sequence[tuple[ChainRow, int]], parameters: ParameterState
) -> Choice | NoStructure:
    number = parameters.number
    choice = build(chain, StructureKind.IRON_CONDOR, legs)
    if isinstance(choice, NoStructure):
        return choice
    long_put, short_put, short_call, long_call = choice.rows
    width = max(short_put.strike - long_put.strike, long_call.strike - short_call.strike)
    low = Decimal(repr(number("signals.0dte.range.credit_min"))) * width
    high = Decimal(repr(number("signals.0dte.range.credit_max"))) * width
    credit = -choice.net_mid
    if not low <= credit <= high:
        return _no_strike(f"credit must be in [{low}, {high}], was {credit}")
    return choice
