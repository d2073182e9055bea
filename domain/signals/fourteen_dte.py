"""The 14D+ bucket: what is held for weeks, sold where premium is dear, bought where it is cheap.

IV rank and variance ratio of the chosen expiry say which (rules, 4.6): credit vertical or condor,
debit vertical, or between the two a vertical of the kind that the ratio favours. The exits that
come with later days are those of domain/execution. The stage is domain/signals/strategy.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from msgspec import structs

from domain.analytics.traded import ExpiryRole
from domain.events.signals import Gate
from domain.instruments import Direction, Right, Strategy, StructureKind
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.risk.max_loss import structure_width
from domain.session import Session
from domain.signals.bucket import Bucket, ExitTimes, Variant
from domain.signals.case import Case, Condition, gate, span
from domain.signals.evaluate import market_of
from domain.signals.fourteen_dte_parameters import WEIGHT_SOURCES
from domain.signals.plan import DAILY_CLOSE_RULE, credit_target_and_stop
from domain.signals.reading import Chain, ChainRow, Reading
from domain.signals.score import Score
from domain.signals.strategy import StrategyStage
from domain.signals.structure import (
    Candidates,
    Choice,
    CreditLimits,
    DebitLimits,
    Market,
    NoStructure,
    at_distance,
    candidates,
    credit_vertical,
    debit_vertical,
    iron_condor,
    nearest_delta,
    no_strike,
)

_LIQUIDITY = "signals.14d.liquidity"
_ENOUGH = 1_000_000_000
"""More open interest than any limit asks for."""


def _name(name: str) -> str:
    return f"signals.14d.{name}"


class Stance(Enum):
    """What the price of volatility says: one of the rule's cases, or none of them."""

    SELL = auto()
    BUY = auto()
    BETWEEN_CREDIT = auto()
    BETWEEN_DEBIT = auto()
    NEITHER = auto()


_VERTICALS = {
    Stance.SELL: Variant.CREDIT,
    Stance.BUY: Variant.DEBIT,
    Stance.BETWEEN_CREDIT: Variant.BETWEEN_CREDIT,
    Stance.BETWEEN_DEBIT: Variant.BETWEEN_DEBIT,
}
_STANCES = {
    **{variant: stance for stance, variant in _VERTICALS.items()},
    Variant.CONDOR: Stance.SELL,
}


def stance_of(rank: float | None, vrp: float | None, parameters: ParameterState) -> Stance | None:
    """None when it cannot be told. Without a rank the ratio alone decides, and nothing lies
    between."""
    number = parameters.number
    if rank is not None and rank >= number(_name("sell_rank_min")):
        return Stance.SELL
    if vrp is None:
        return None
    if vrp >= number(_name("sell_vrp_min")):
        return Stance.SELL
    if rank is None or rank < number(_name("buy_rank_below")):
        return Stance.BUY if vrp < number(_name("buy_vrp_below")) else Stance.NEITHER
    dear = vrp >= number(_name("between_vrp_credit"))
    return Stance.BETWEEN_CREDIT if dear else Stance.BETWEEN_DEBIT


def _stance(reading: Reading, parameters: ParameterState) -> Stance | None:
    return stance_of(reading.number("iv_rank"), reading.number("vrp_14d"), parameters)


def stance_condition(case: Case, parameters: ParameterState) -> Condition:
    """Volatility is still priced as the variant wants it."""
    found, reading = _stance(case.reading, parameters), case.reading
    return Condition(
        "stance",
        None if found is None else found is _STANCES[case.variant],
        f"iv rank {reading.number('iv_rank')}, vrp {reading.number('vrp_14d')}",
    )


def _direction_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    p, least = case.p_direction, parameters.number(FOURTEEN_DTE.of(case.variant, "p_min"))
    return [Condition("p", p >= least, f"p {p:.4f}")]


def _condor_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    """No direction in the score, nor a probability at which one side alone would be sold."""
    raw, up = case.score.raw, case.score.probability_up
    limit = parameters.number(_name("condor.score_below"))
    likelier = max(up, 1 - up)
    one_sided = parameters.number(_name("credit.p_min"))
    return [
        Condition("score", abs(raw) < limit, f"score {raw}"),
        Condition("no side", likelier < one_sided, f"p {likelier:.4f}"),
    ]


def entries_gate(case: Case, parameters: ParameterState) -> Gate:
    """So many entries of the symbol and direction a day."""
    entries, most = case.facts.entries_of_key, parameters.number(_name("entries_max"))
    return gate(
        DenialCode.ENTRIES_TODAY,
        entries < most,
        entries,
        f"fewer than {most:g} of the symbol and direction today",
    )


def interest_gate(case: Case, parameters: ParameterState) -> Gate:
    """Open interest at every chosen strike: what is held for weeks must be sold again."""
    least = parameters.number(_name("interest_min"))
    if not isinstance(case.chosen, Choice):
        return gate(DenialCode.OPEN_INTEREST, None, "-", f"{least:g}", "missing: structure")
    rows = case.chosen.rows
    holds: bool | None = not _thin(rows, least)
    unknown = ", ".join(f"{row.strike}{row.right.value}" for row in rows if _is_unknown(row))
    if holds and unknown:
        holds = None
    return gate(
        DenialCode.OPEN_INTEREST,
        holds,
        _told(rows),
        f"{least:g} contracts a leg",
        f"missing: open interest of {unknown}" if unknown else "",
    )


def _is_unknown(row: ChainRow) -> bool:
    return row.open_interest is None


def _thin(rows: Sequence[ChainRow], least: float) -> list[ChainRow]:
    return [row for row in rows if row.open_interest is not None and row.open_interest < least]


def _told(rows: Sequence[ChainRow]) -> str:
    return ", ".join(f"{row.strike}{row.right.value} {row.open_interest}" for row in rows)


def _rows(chain: Chain, right: Right, parameters: ParameterState) -> Candidates:
    return candidates(chain, right, parameters, _LIQUIDITY)


def _row_at(
    rows: list[ChainRow], delta: str, market: Market, parameters: ParameterState
) -> ChainRow | NoStructure:
    target, off = parameters.number(_name(delta)), parameters.number(_name("delta_off_max"))
    found = nearest_delta(rows, target, market.spot, off)
    return no_strike(f"no liquid strike within {off} of delta {target}") if found is None else found


def _credit_limits(market: Market, parameters: ParameterState) -> CreditLimits:
    number = parameters.number
    return CreditLimits(
        wing=number(_name("width")) * market.spot,
        credit_min=number(_name("credit_min")),
        credit_max=number(_name("credit_max")),
    )


def choose_credit(
    chain: Chain, direction: Direction, market: Market, parameters: ParameterState
) -> Choice | NoStructure:
    """The side away from the direction is sold."""
    rows = _rows(chain, Right.PUT if direction is Direction.BULLISH else Right.CALL, parameters)
    short = _row_at(rows.short, "short_delta_vertical", market, parameters)
    if isinstance(short, NoStructure):
        return short
    return credit_vertical(chain, rows.long, short, _credit_limits(market, parameters))


def choose_condor(chain: Chain, market: Market, parameters: ParameterState) -> Choice | NoStructure:
    calls, puts = (_rows(chain, right, parameters) for right in (Right.CALL, Right.PUT))
    short_call = _row_at(calls.short, "short_delta_condor", market, parameters)
    short_put = _row_at(puts.short, "short_delta_condor", market, parameters)
    if isinstance(short_call, NoStructure):
        return short_call
    if isinstance(short_put, NoStructure):
        return short_put
    limits = _credit_limits(market, parameters)
    return iron_condor(chain, puts, calls, short_put, short_call, limits)


def choose_roll_side(
    chain: Chain, right: Right, market: Market, parameters: ParameterState
) -> tuple[ChainRow, ChainRow] | NoStructure:
    """Short and wing of a condor's new side: as at its entry, but for the delta."""
    rows = _rows(chain, right, parameters)
    short = _row_at(rows.short, "roll.short_delta", market, parameters)
    if isinstance(short, NoStructure):
        return short
    sign = 1 if right is Right.CALL else -1
    limits = _credit_limits(market, parameters)
    wing = at_distance(rows.long, short.strike, limits.wing, sign)
    if wing is None:
        return no_strike("no liquid wing beyond the short strike")
    least = parameters.number(_name("interest_min"))
    poor = [row for row in (short, wing) if _is_unknown(row) or _thin([row], least)]
    if poor:
        reason = f"open interest of {_told(poor)}, least {least:g}"
        return NoStructure(DenialCode.OPEN_INTEREST, reason)
    return short, wing


def choose_debit(
    chain: Chain, direction: Direction, market: Market, parameters: ParameterState
) -> Choice | NoStructure:
    """From a delta of a half or more to the strike that few expect to be passed."""
    rows = _rows(chain, Right.CALL if direction is Direction.BULLISH else Right.PUT, parameters)
    long_row = _row_at(rows.long, "debit_long_delta", market, parameters)
    if isinstance(long_row, NoStructure):
        return long_row
    short_row = _row_at(rows.short, "debit_short_delta", market, parameters)
    if isinstance(short_row, NoStructure):
        return short_row
    if long_row.strike == short_row.strike:
        return no_strike("one strike is nearest to both deltas")
    limits = DebitLimits(0.0, math.inf, parameters.number(_name("debit_max")))
    return debit_vertical(chain, long_row, short_row, limits)


def time_stop_at(
    session: Session, expiry: date, last: datetime, parameters: ParameterState
) -> datetime:
    """Of the first session with as few days left as the rule allows; `last` where none is
    planned."""
    number = parameters.number
    entered = session.days_to_expiry(expiry)
    days = max(number(_name("time_stop_days")), number(_name("time_stop_share")) * entered)
    minutes = number(_name("time_stop_min"))
    for day in session.plan.later:
        if (expiry - day.session_date).days <= days:
            return day.open_at + timedelta(minutes=minutes)
    return last


class FourteenDteRules:
    """Rules of domain/signals/bucket.py."""

    def variant(
        self,
        direction: Direction,
        reading: Reading,
        session: Session,
        score: Score,
        parameters: ParameterState,
    ) -> Variant:
        """Where none of the cases holds, one whose conditions say so."""
        if direction is Direction.NEUTRAL:
            return Variant.CONDOR
        found = _stance(reading, parameters)
        return Variant.DEBIT if found is None else _VERTICALS.get(found, Variant.DEBIT)

    def window(
        self, variant: Variant, session: Session, parameters: ParameterState
    ) -> tuple[datetime, datetime] | None:
        number = parameters.number
        return span(
            session.after_open(minutes=number(_name("start_min"))),
            session.before_close(minutes=number(_name("end_min"))),
            number(_name("window_min")),
        )

    def conditions(self, case: Case, parameters: ParameterState) -> list[Condition]:
        own = _condor_conditions if case.variant is Variant.CONDOR else _direction_conditions
        return [stance_condition(case, parameters), *own(case, parameters)]

    def threshold_text(self, variant: Variant, parameters: ParameterState) -> str:
        number = parameters.number
        rank, vrp = number(_name("sell_rank_min")), number(_name("sell_vrp_min"))
        low, cheap = number(_name("buy_rank_below")), number(_name("buy_vrp_below"))
        between, dear = f"{low:g} <= iv rank < {rank:g}", number(_name("between_vrp_credit"))
        price = {
            Variant.DEBIT: f"iv rank < {low:g} and vrp < {cheap}",
            Variant.BETWEEN_CREDIT: f"{between} and {dear} <= vrp < {vrp}",
            Variant.BETWEEN_DEBIT: f"{between} and vrp < {dear}",
        }.get(variant, f"iv rank >= {rank:g} or vrp >= {vrp}")
        if variant is Variant.CONDOR:
            limit, side = number(_name("condor.score_below")), number(_name("credit.p_min"))
            return f"{price}; |score| < {limit}, p < {side} either way"
        return f"{price}; p >= {number(FOURTEEN_DTE.of(variant, 'p_min'))}"

    def own_gates(self, case: Case, parameters: ParameterState) -> list[Gate]:
        return [entries_gate(case, parameters), interest_gate(case, parameters)]

    def unfit_expiry(self, case: Case, parameters: ParameterState) -> str:
        """Its strikes, chosen as if there were interest in all of them, have too little."""
        chain, market = case.chain, market_of(FOURTEEN_DTE, case.reading)
        if chain is None or isinstance(market, NoStructure):
            return ""
        least = parameters.number(_name("interest_min"))
        chosen = case.chosen
        if not isinstance(chosen, Choice):
            full = tuple(structs.replace(row, open_interest=_ENOUGH) for row in chain.rows)
            chosen = self.choose(case, replace(chain, rows=full), market, parameters)
        if not isinstance(chosen, Choice):
            return ""
        ids = {row.con_id for row in chosen.rows}
        rows = [row for row in chain.rows if row.con_id in ids]
        thin = _thin(rows, least)
        if not thin or any(_is_unknown(row) for row in rows):
            return ""
        return f"open interest of {_told(thin)}, least {least:g}"

    def choose(
        self, case: Case, chain: Chain, market: Market, parameters: ParameterState
    ) -> Choice | NoStructure:
        if case.session.closing(chain.expiry) is None:
            return NoStructure(DenialCode.NO_EXPIRY, f"{chain.expiry} is no planned session")
        if case.variant is Variant.CONDOR:
            return choose_condor(chain, market, parameters)
        if case.sells_premium:
            return choose_credit(chain, case.direction, market, parameters)
        return choose_debit(chain, case.direction, market, parameters)

    def target_and_stop(
        self, choice: Choice, variant: Variant, parameters: ParameterState
    ) -> tuple[Decimal, Decimal]:
        number, mid = parameters.number, choice.net_mid
        if choice.structure.kind is not StructureKind.DEBIT_VERTICAL:
            shares = number(_name("target_credit")), number(_name("stop_cost"))
            return credit_target_and_stop(choice, *shares)
        width = structure_width(choice.structure)
        assert width is not None, "a vertical has a width"
        gain = Decimal(repr(number(_name("target_profit")))) * (width - mid)
        return mid + gain, mid - Decimal(repr(number(_name("stop_debit")))) * mid

    def exit_times(
        self,
        variant: Variant,
        session: Session,
        now: datetime,
        expiry: date,
        parameters: ParameterState,
    ) -> ExitTimes:
        """Flat at the last close for whatever the time stop, weeks before, did not end."""
        closing = session.closing(expiry)
        assert closing is not None, "a structure of a planned session was chosen"
        flat = closing - timedelta(minutes=parameters.number(_name("forced_flat_min")))
        return ExitTimes(time_stop_at(session, expiry, flat, parameters), flat)


_SOLD = (Variant.CREDIT, Variant.CONDOR, Variant.BETWEEN_CREDIT)
FOURTEEN_DTE = Bucket(
    strategy=Strategy.FOURTEEN_DTE,
    expiry=ExpiryRole.SWING,
    features=tuple(WEIGHT_SOURCES),
    directions=(Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL),
    variants=(*_SOLD, Variant.DEBIT, Variant.BETWEEN_DEBIT),
    premium=frozenset(_SOLD),
    by_direction=frozenset({Variant.CREDIT, Variant.BETWEEN_CREDIT}),
    invalidations=dict.fromkeys(_SOLD, DAILY_CLOSE_RULE),
    notes={},
    deviation="v_to_expiry_14d",
    rules=FourteenDteRules(),
    liquidity=_LIQUIDITY,
)


class FourteenDteStage(StrategyStage):
    def __init__(self) -> None:
        super().__init__(FOURTEEN_DTE)
