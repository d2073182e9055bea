"""The 1DTE bucket: NIGHT_PREMIUM (condor or one credit vertical) and NIGHT_DIRECTION, rules, 4.5.

Held over one night, which is what is sold or bought: premium is sold unless that night's conditions
speak against it, and only then may a direction be taken. The next day's stops are those of
domain/execution. The stage is domain/signals/strategy.py.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal

from domain.analytics.traded import ExpiryRole
from domain.events.signals import Gate
from domain.instruments import Direction, Right, Strategy
from domain.parameter import ParameterState
from domain.risk.blackout import events_ahead
from domain.risk.codes import DenialCode
from domain.session import Session
from domain.signals.bucket import Bucket, ExitTimes, Variant
from domain.signals.case import Case, Condition, gate, span
from domain.signals.entry import at_least, at_most
from domain.signals.one_dte_parameters import WEIGHT_SOURCES
from domain.signals.plan import (
    LAST_DAY_RANGE_RULE,
    credit_target_and_stop,
    debit_target_and_stop,
)
from domain.signals.reading import Chain, ChainRow, Reading
from domain.signals.score import Score
from domain.signals.strategy import StrategyStage
from domain.signals.structure import (
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
    nearest_meeting,
    no_strike,
)

NIGHT_NOTE = (
    "Published evidence finds that delta-hedged options lose over the night on average; one night"
    " may lose far more than the credit gains."
)
_PREMIUM = "signals.1dte.night_premium"
_DIRECTION = "signals.1dte.night_direction"


def premium_conditions(
    reading: Reading, session: Session, parameters: ParameterState
) -> list[Condition]:
    """What lets a night be sold, whatever the structure: dear, calm, nothing due, gamma not NEG."""
    number = parameters.number
    codes, regime = reading.text("calendar_next"), reading.text("gex_regime")
    due: str | None = None
    if codes is not None:
        named = tuple(code for code in codes.split(",") if code)
        minutes = number(f"{_PREMIUM}.event_free_min")
        due = ",".join(events_ahead(session, named, minutes))
    return [
        at_least("vrp", reading.number("vrp_1dte"), number(f"{_PREMIUM}.vrp_min")),
        at_most("term", reading.number("term_slope"), number(f"{_PREMIUM}.term_max")),
        Condition(
            "events", None if due is None else not due, f"events {'-' if due is None else due}"
        ),
        Condition("regime", None if regime is None else regime != "NEG", f"regime {regime}"),
    ]


def _side(score: float, direction: Direction, least: float) -> Condition:
    signed = -score if direction is Direction.BEARISH else score
    return Condition("score", signed >= least, f"score {score}")


def _spread_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    """A condor without a direction, one credit vertical on the side away from the score."""
    limit = parameters.number(f"{_PREMIUM}.score_max")
    raw = case.score.raw
    if case.direction is Direction.NEUTRAL:
        side = Condition("score", abs(raw) < limit, f"score {raw}")
    else:
        side = _side(raw, case.direction, limit)
    p_win, least = case.p_win, parameters.number(f"{_PREMIUM}.p_min")
    likely = None if p_win is None else p_win >= least
    return [side, Condition("p_win", likely, f"p_win {p_win}")]


def _direction_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    """A clear direction, in a night whose premium is not to be sold."""
    number = parameters.number
    least = number(f"{_DIRECTION}.p_min")
    found = premium_conditions(case.reading, case.session, parameters)
    spared: bool | None = any(c.holds is False for c in found)
    if not spared and any(c.holds is None for c in found):
        spared = None
    failing = ", ".join(c.measured for c in found if c.holds is not True)
    return [
        Condition("p", case.p_side >= least, f"p {case.p_side:.4f}"),
        _side(case.score.raw, case.direction, number(f"{_DIRECTION}.score_min")),
        Condition("no premium", spared, failing or "premium conditions hold"),
    ]


def choose_premium(
    chain: Chain, direction: Direction, market: Market, parameters: ParameterState
) -> Choice | NoStructure:
    """Both sides for a neutral night, else the one away from the direction."""
    number = parameters.number
    limits = CreditLimits(
        wing=number(f"{_PREMIUM}.wing") * market.spot,
        credit_min=number(f"{_PREMIUM}.credit_min"),
        credit_max=number(f"{_PREMIUM}.credit_max"),
    )
    if direction is not Direction.NEUTRAL:
        right = Right.PUT if direction is Direction.BULLISH else Right.CALL
        rows = candidates(chain, right, parameters)
        short = _short(rows.short, right, market, parameters)
        if isinstance(short, NoStructure):
            return short
        return credit_vertical(chain, rows.long, short, limits)
    calls = candidates(chain, Right.CALL, parameters)
    puts = candidates(chain, Right.PUT, parameters)
    short_call = _short(calls.short, Right.CALL, market, parameters)
    short_put = _short(puts.short, Right.PUT, market, parameters)
    if isinstance(short_call, NoStructure):
        return short_call
    if isinstance(short_put, NoStructure):
        return short_put
    return iron_condor(chain, puts, calls, short_put, short_call, limits)


def _short(
    rows: list[ChainRow], right: Right, market: Market, parameters: ParameterState
) -> ChainRow | NoStructure:
    """The strike nearest S far enough away and of small delta; of too small a delta none."""
    number = parameters.number
    low, high = number(f"{_PREMIUM}.delta_min"), number(f"{_PREMIUM}.delta_max")
    away = number(f"{_PREMIUM}.distance_sd") * market.deviation * market.spot
    sign = 1 if right is Right.CALL else -1
    bound = market.spot + sign * away
    short = nearest_meeting(
        rows,
        market.spot,
        lambda row: (float(row.strike) - bound) * sign >= 0 and abs(row.delta or 1.0) <= high,
    )
    side = "call" if right is Right.CALL else "put"
    if short is None:
        return no_strike(f"no liquid {side} short beyond {bound:.2f} with delta <= {high}")
    if abs(short.delta or 0.0) < low:
        return no_strike(f"delta of the {side} short must be >= {low}, was {short.delta}")
    return short


def choose_direction(
    chain: Chain, direction: Direction, market: Market, parameters: ParameterState
) -> Choice | NoStructure:
    """A debit vertical from delta half to eight tenths of a deviation to the expiry."""
    number = parameters.number
    right = Right.CALL if direction is Direction.BULLISH else Right.PUT
    rows = candidates(chain, right, parameters)
    target, off_max = number(f"{_DIRECTION}.delta"), number("signals.1dte.delta_off_max")
    long_row = nearest_delta(rows.long, target, market.spot, off_max)
    if long_row is None:
        return no_strike(f"no liquid strike within {off_max} of delta {target}")
    sign = 1 if right is Right.CALL else -1
    goal = market.spot * (1 + sign * number(f"{_DIRECTION}.short_sd") * market.deviation)
    distance = max(0.0, (goal - float(long_row.strike)) * sign)
    short_row = at_distance(rows.short, long_row.strike, distance, sign)
    if short_row is None:
        return no_strike("no liquid strike beyond the long leg")
    limits = DebitLimits(0.0, math.inf, number(f"{_DIRECTION}.debit_max"))
    return debit_vertical(chain, long_row, short_row, limits)


class OneDteRules:
    """Rules of domain/signals/bucket.py."""

    def variant(
        self,
        direction: Direction,
        reading: Reading,
        session: Session,
        score: Score,
        parameters: ParameterState,
    ) -> Variant:
        """A direction is taken only where the night's premium is known to be none to sell."""
        if direction is Direction.NEUTRAL:
            return Variant.NIGHT_PREMIUM
        found = premium_conditions(reading, session, parameters)
        spared = any(c.holds is False for c in found)
        return Variant.NIGHT_DIRECTION if spared else Variant.NIGHT_PREMIUM

    def window(
        self, variant: Variant, session: Session, parameters: ParameterState
    ) -> tuple[datetime, datetime] | None:
        number = parameters.number
        return span(
            max(session.open_at, session.before_close(minutes=number("signals.1dte.start_min"))),
            session.before_close(minutes=number("signals.1dte.end_min")),
            number("signals.1dte.window_min"),
        )

    def conditions(self, case: Case, parameters: ParameterState) -> list[Condition]:
        if case.variant is Variant.NIGHT_DIRECTION:
            return _direction_conditions(case, parameters)
        found = premium_conditions(case.reading, case.session, parameters)
        return [*found, *_spread_conditions(case, parameters)]

    def threshold_text(self, variant: Variant, parameters: ParameterState) -> str:
        number = parameters.number
        if variant is Variant.NIGHT_DIRECTION:
            return (
                f"p >= {number(f'{_DIRECTION}.p_min')},"
                f" |score| >= {number(f'{_DIRECTION}.score_min')} on our side,"
                " the conditions to sell the night's premium do not hold"
            )
        return (
            f"vrp >= {number(f'{_PREMIUM}.vrp_min')}, term <= {number(f'{_PREMIUM}.term_max')},"
            f" no event until {number(f'{_PREMIUM}.event_free_min'):g} min after the next open,"
            " regime not NEG, |score| <"
            f" {number(f'{_PREMIUM}.score_max')} for both sides, else on one side,"
            f" p_win >= {number(f'{_PREMIUM}.p_min')}"
        )

    def own_gates(self, case: Case, parameters: ParameterState) -> list[Gate]:
        regime = case.reading.text("gex_regime")
        holds: bool | None = None
        if regime is not None:
            holds = regime != "NEG" or not case.sells_premium
        threshold = "not NEG" if case.sells_premium else "known"
        reason = "missing: gex_regime" if regime is None else "assumed dealer gamma"
        return [gate(DenialCode.REGIME, holds, regime or "-", threshold, reason)]

    def unfit_expiry(self, case: Case, parameters: ParameterState) -> str:
        return ""

    def choose(
        self, case: Case, chain: Chain, market: Market, parameters: ParameterState
    ) -> Choice | NoStructure:
        if case.variant is Variant.NIGHT_DIRECTION:
            return choose_direction(chain, case.direction, market, parameters)
        return choose_premium(chain, case.direction, market, parameters)

    def target_and_stop(
        self, choice: Choice, variant: Variant, parameters: ParameterState
    ) -> tuple[Decimal, Decimal]:
        number = parameters.number
        if variant is Variant.NIGHT_DIRECTION:
            return debit_target_and_stop(
                choice,
                number(f"{_DIRECTION}.target_debit"),
                None,
                number(f"{_DIRECTION}.stop_debit"),
            )
        return credit_target_and_stop(
            choice, number(f"{_PREMIUM}.target_credit"), number(f"{_PREMIUM}.stop_cost")
        )

    def exit_times(
        self,
        variant: Variant,
        session: Session,
        now: datetime,
        expiry: date,
        parameters: ParameterState,
    ) -> ExitTimes:
        """Those of a 0DTE, but of the next session: it is one then."""
        number, later = parameters.number, session.plan.later
        assert later, "the chain of a planned session was chosen from"
        following = Session(session.plan.model_copy(update={"day": later[0]}))
        return ExitTimes(
            following.before_close(minutes=number("signals.1dte.time_stop_min")),
            following.before_close(minutes=number("signals.1dte.forced_flat_min")),
        )


ONE_DTE = Bucket(
    strategy=Strategy.ONE_DTE,
    expiry=ExpiryRole.NEXT_SESSION,
    features=tuple(WEIGHT_SOURCES),
    directions=(Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL),
    variants=(Variant.NIGHT_PREMIUM, Variant.NIGHT_DIRECTION),
    premium=frozenset({Variant.NIGHT_PREMIUM}),
    invalidations={Variant.NIGHT_PREMIUM: LAST_DAY_RANGE_RULE},
    notes={Variant.NIGHT_PREMIUM: NIGHT_NOTE},
    deviation="v_to_expiry_1dte",
    rules=OneDteRules(),
)


class OneDteStage(StrategyStage):
    def __init__(self) -> None:
        super().__init__(ONE_DTE)
