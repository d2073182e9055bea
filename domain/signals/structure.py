"""Deterministic choice of strikes and structure: the parts that buckets compose (rules, 4.8).

Called by the rules of a bucket with the chain of the traded expiry. Candidates are listed strikes
with a volatility of their own that do not fail liquidity; whatever fails gives no structure and
the reason, never a near miss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.instruments import Leg, Right, Structure, StructureKind
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.signals.reading import Chain, ChainRow

LIMITS = "signals.liquidity"
"""Prefix of the spread limits where a bucket has none of its own."""


@dataclass(frozen=True, slots=True)
class Market:
    """What the choice rests on besides the chain."""

    spot: float
    deviation: float
    """Standard deviation of the log price over the bucket's distance unit, such as sqrt(V_rem)."""
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


def spread_is_tight(row: ChainRow, parameters: ParameterState, limits: str = LIMITS) -> bool:
    mid, spread = row.mid, row.spread
    if mid is None or spread is None:
        return False
    number = parameters.number
    least = Decimal(repr(number(f"{limits}.spread_min_usd")))
    share = Decimal(repr(number(f"{limits}.spread_share")))
    return spread <= max(least, share * mid)


def interest_is_enough(row: ChainRow, parameters: ParameterState) -> bool:
    least = parameters.number("signals.liquidity.interest_min")
    return (row.open_interest or 0) >= least or row.volume >= least


def bid_is_enough(row: ChainRow, parameters: ParameterState) -> bool:
    """What is bought must be sold later."""
    least = parameters.number("signals.liquidity.bid_min_usd")
    return row.bid is not None and float(row.bid) >= least


def size_hit(row: ChainRow, ratio: int) -> int | None:
    """Displayed size on the side that we hit; None where the source gives none."""
    return row.ask_size if ratio > 0 else row.bid_size


def size_is_enough(size: int, parameters: ParameterState) -> bool:
    return size >= parameters.number("signals.liquidity.size_min")


def may_carry(row: ChainRow, ratio: int, parameters: ParameterState) -> bool:
    """Not failing LIQUIDITY as a leg of this side. Sizes change with every tick, so only those of a
    broker line say anything."""
    size = size_hit(row, ratio) if row.on_line else None
    if size is not None and not size_is_enough(size, parameters):
        return False
    return ratio < 0 or bid_is_enough(row, parameters)


def may_be_liquid(row: ChainRow, parameters: ParameterState, limits: str = LIMITS) -> bool:
    """Not failing LIQUIDITY, on whichever side, as far as a quote from any source can tell."""
    return (
        row.is_two_sided
        and row.own_volatility
        and row.has_greeks
        and spread_is_tight(row, parameters, limits)
        and interest_is_enough(row, parameters)
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """Listed strikes of one right that may carry a leg, by its side."""

    long: list[ChainRow]
    short: list[ChainRow]


def candidates(
    chain: Chain, right: Right, parameters: ParameterState, limits: str = LIMITS
) -> Candidates:
    rows = [row for row in chain.of(right) if may_be_liquid(row, parameters, limits)]
    return Candidates(
        [row for row in rows if may_carry(row, 1, parameters)],
        [row for row in rows if may_carry(row, -1, parameters)],
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


def no_strike(reason: str) -> NoStructure:
    return NoStructure(DenialCode.NO_STRIKE, reason)


def single_long(
    chain: Chain, rows: Sequence[ChainRow], target: float, spot: float, off_max: float
) -> Choice | NoStructure:
    """One long option nearest a delta."""
    single = nearest_delta(rows, target, spot, off_max)
    if single is None:
        return no_strike(f"no liquid strike within {off_max} of delta {target}")
    return build(chain, StructureKind.LONG_OPTION, [(single, 1)])


@dataclass(frozen=True, slots=True)
class DebitLimits:
    """What a debit vertical must keep to. Width in dollars, debit as a share of the width."""

    width_min: float
    width_max: float
    debit_max: float


def debit_vertical(
    chain: Chain, long_row: ChainRow, short_row: ChainRow, limits: DebitLimits
) -> Choice | NoStructure:
    width = abs(short_row.strike - long_row.strike)
    low, high = limits.width_min, limits.width_max
    if not low <= float(width) <= high:
        return no_strike(f"width must be in [{low:.2f}, {high:.2f}], was {width}")
    choice = build(chain, StructureKind.DEBIT_VERTICAL, [(long_row, 1), (short_row, -1)])
    if isinstance(choice, NoStructure):
        return choice
    most = Decimal(repr(limits.debit_max)) * width
    if not Decimal(0) < choice.net_mid <= most:
        return no_strike(f"debit must be in (0, {most}], was {choice.net_mid}")
    return choice


def nearest_meeting(
    rows: Sequence[ChainRow], spot: float, meets: Callable[[ChainRow], bool]
) -> ChainRow | None:
    """The strike nearest S that meets the bounds."""
    allowed = [row for row in rows if meets(row)]
    return min(allowed, key=lambda row: (abs(float(row.strike) - spot), row.strike), default=None)


@dataclass(frozen=True, slots=True)
class CreditLimits:
    """Wing in dollars, credit as a share of the width (of a condor: of the wider wing)."""

    wing: float
    credit_min: float
    credit_max: float


def iron_condor(
    chain: Chain,
    puts: Candidates,
    calls: Candidates,
    short_put: ChainRow,
    short_call: ChainRow,
    limits: CreditLimits,
) -> Choice | NoStructure:
    """Wings nearest to the wanted width beyond both shorts."""
    long_call = at_distance(calls.long, short_call.strike, limits.wing, 1)
    long_put = at_distance(puts.long, short_put.strike, limits.wing, -1)
    if long_call is None or long_put is None:
        return no_strike("no liquid wing beyond a short strike")
    legs = [(long_put, 1), (short_put, -1), (short_call, -1), (long_call, 1)]
    width = max(short_put.strike - long_put.strike, long_call.strike - short_call.strike)
    return _credit(build(chain, StructureKind.IRON_CONDOR, legs), width, limits)


def credit_vertical(
    chain: Chain, longs: Sequence[ChainRow], short: ChainRow, limits: CreditLimits
) -> Choice | NoStructure:
    """The short with a wing farther out of the money of the same right."""
    sign = 1 if short.right is Right.CALL else -1
    wing = at_distance(longs, short.strike, limits.wing, sign)
    if wing is None:
        return no_strike("no liquid wing beyond the short strike")
    built = build(chain, StructureKind.CREDIT_VERTICAL, [(short, -1), (wing, 1)])
    return _credit(built, abs(wing.strike - short.strike), limits)


def _credit(
    choice: Choice | NoStructure, width: Decimal, limits: CreditLimits
) -> Choice | NoStructure:
    if isinstance(choice, NoStructure):
        return choice
    low = Decimal(repr(limits.credit_min)) * width
    high = Decimal(repr(limits.credit_max)) * width
    credit = -choice.net_mid
    if not low <= credit <= high:
        return no_strike(f"credit must be in [{low}, {high}], was {credit}")
    return choice
