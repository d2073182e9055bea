"""The 0DTE bucket: TREND (debit vertical or single long) and RANGE (iron condor), rules, 4.4.

Entry rows, regime, structures and exits of today's expiry. The stage is domain/signals/strategy.py.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from domain.analytics.traded import ExpiryRole
from domain.events.signals import Gate
from domain.instruments import Direction, Right, Strategy, StructureKind
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.session import Session
from domain.signals.bucket import Bucket, ExitTimes, Variant
from domain.signals.case import Case, Condition, gate, span
from domain.signals.entry import at_most
from domain.signals.plan import (
    RANGE_RULE,
    TREND_RULE,
    credit_target_and_stop,
    debit_target_and_stop,
)
from domain.signals.rationale import HONEST_NOTE
from domain.signals.reading import Chain, Reading
from domain.signals.score import Score, opening_break
from domain.signals.strategy import StrategyStage
from domain.signals.structure import (
    Choice,
    CreditLimits,
    DebitLimits,
    Market,
    NoStructure,
    at_distance,
    candidates,
    debit_vertical,
    iron_condor,
    nearest_delta,
    nearest_meeting,
    no_strike,
    single_long,
)
from domain.signals.zero_dte_parameters import WEIGHT_SOURCES


def trend_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    """p, position in the noise area or opening break, side of VWAP, variance ratio."""
    reading = case.reading
    sign = 1 if case.direction is Direction.BULLISH else -1
    noise, broken = reading.number("noise_x"), opening_break(reading)
    spot, vwap = reading.number("spot_mid"), reading.number("vwap")
    beyond = noise is not None and noise * sign > 1
    agrees = broken is not None and broken * sign > 0
    known = noise is not None or broken is not None
    side = None if spot is None or vwap is None else (spot - vwap) * sign > 0
    least = parameters.number("signals.0dte.trend.p_min")
    return [
        Condition("p", case.p_side >= least, f"p {case.p_side:.4f}"),
        Condition("out", beyond or agrees if known else None, f"noise {noise}, break {broken}"),
        Condition("vwap", side, f"spot {spot}, vwap {vwap}"),
        at_most("vrp", reading.number("vrp_0dte"), parameters.number("signals.0dte.trend.vrp_max")),
    ]


def range_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    """Variance ratio, no direction, term structure, probability of the target."""
    reading, number = case.reading, parameters.number
    vrp, p_win = reading.number("vrp_0dte"), case.p_win
    dear = None if vrp is None else vrp >= number("signals.0dte.range.vrp_min")
    likely = None if p_win is None else p_win >= number("signals.0dte.range.p_min")
    return [
        Condition("vrp", dear, f"vrp {vrp}"),
        at_most("score", abs(case.score.raw), number("signals.0dte.range.score_max")),
        at_most("term", reading.number("term_slope"), number("signals.0dte.range.term_max")),
        Condition("p_win", likely, f"p_win {p_win}"),
    ]


def regime_gate(case: Case, parameters: ParameterState) -> Gate:
    """Assumed dealer gamma: calm between the walls for RANGE, none that damps for TREND."""
    reading = case.reading
    regime = reading.text("gex_regime")
    if regime is None:
        return gate(DenialCode.REGIME, None, "-", "known", "missing: gex_regime")
    if case.variant is Variant.RANGE:
        spot = reading.number("spot_mid")
        put, call = reading.number("put_wall"), reading.number("call_wall")
        if spot is None or put is None or call is None:
            return gate(DenialCode.REGIME, None, regime, "POS between walls", "missing: walls")
        return gate(
            DenialCode.REGIME,
            regime == "POS" and put < spot < call,
            f"{regime}, put wall {put}, spot {spot}, call wall {call}",
            "POS between walls",
            "assumed dealer gamma",
        )
    least = parameters.number("signals.0dte.trend.p_min_positive_gamma")
    noise = reading.number("noise_x")
    outside = noise is not None and abs(noise) > 1 and case.p_side >= least
    return gate(
        DenialCode.REGIME,
        regime in ("NEG", "NEUTRAL") or outside,
        f"{regime}, noise {noise}, p {case.p_side:.4f}",
        f"NEG or NEUTRAL, or outside the noise area with p >= {least}",
        "assumed dealer gamma",
    )


def choose_trend(
    chain: Chain, direction: Direction, market: Market, parameters: ParameterState
) -> Choice | NoStructure:
    """A debit vertical in the direction, or a single long option when options are cheap."""
    number = parameters.number
    right = Right.CALL if direction is Direction.BULLISH else Right.PUT
    rows = candidates(chain, right, parameters)
    off_max = number("signals.0dte.delta_off_max")
    if market.vrp <= number("signals.0dte.trend.vrp_single"):
        target = number("signals.0dte.trend.delta_single")
        return single_long(chain, rows.long, target, market.spot, off_max)
    target = number("signals.0dte.trend.delta")
    long_row = nearest_delta(rows.long, target, market.spot, off_max)
    if long_row is None:
        return no_strike(f"no liquid strike within {off_max} of delta {target}")
    delta = abs(long_row.delta or 0.0)
    low, high = number("signals.0dte.trend.delta_low"), number("signals.0dte.trend.delta_high")
    if not low <= delta <= high:
        return no_strike(f"long delta must be in [{low}, {high}], was {delta:.4f}")
    sign = 1 if right is Right.CALL else -1
    away = number("signals.0dte.trend.short_sd") * market.deviation * market.spot
    goal = market.spot + sign * away
    distance = max(0.0, (goal - float(long_row.strike)) * sign)
    short_row = at_distance(rows.short, long_row.strike, distance, sign)
    if short_row is None:
        return no_strike("no liquid strike beyond the long leg")
    limits = DebitLimits(
        width_min=number("signals.0dte.trend.width_min") * market.spot,
        width_max=number("signals.0dte.trend.width_max") * market.spot,
        debit_max=number("signals.0dte.trend.debit_max"),
    )
    return debit_vertical(chain, long_row, short_row, limits)


def choose_range(chain: Chain, market: Market, parameters: ParameterState) -> Choice | NoStructure:
    """An iron condor outside the expected move, its shorts not inside their walls."""
    number = parameters.number
    if market.expected_move is None or market.call_wall is None or market.put_wall is None:
        return no_strike("expected move and walls must be known, one was missing")
    reach = max(market.spot * market.deviation, market.expected_move)
    away = number("signals.0dte.range.distance_sd") * reach
    delta_max = number("signals.0dte.range.delta_max")
    call_floor = max(market.spot + away, market.call_wall)
    put_ceiling = min(market.spot - away, market.put_wall)
    calls = candidates(chain, Right.CALL, parameters)
    puts = candidates(chain, Right.PUT, parameters)
    short_call = nearest_meeting(
        calls.short,
        market.spot,
        lambda row: float(row.strike) >= call_floor and abs(row.delta or 1.0) <= delta_max,
    )
    short_put = nearest_meeting(
        puts.short,
        market.spot,
        lambda row: float(row.strike) <= put_ceiling and abs(row.delta or 1.0) <= delta_max,
    )
    if short_call is None or short_put is None:
        side = "call" if short_call is None else "put"
        bound = call_floor if short_call is None else put_ceiling
        return no_strike(f"no liquid {side} short beyond {bound:.2f} with delta <= {delta_max}")
    limits = CreditLimits(
        wing=number("signals.0dte.range.wing") * market.spot,
        credit_min=number("signals.0dte.range.credit_min"),
        credit_max=number("signals.0dte.range.credit_max"),
    )
    return iron_condor(chain, puts, calls, short_put, short_call, limits)


class ZeroDteRules:
    """Rules of domain/signals/bucket.py."""

    def variant(
        self,
        direction: Direction,
        reading: Reading,
        session: Session,
        score: Score,
        parameters: ParameterState,
    ) -> Variant:
        return Variant.RANGE if direction is Direction.NEUTRAL else Variant.TREND

    def window(
        self, variant: Variant, session: Session, parameters: ParameterState
    ) -> tuple[datetime, datetime] | None:
        number = parameters.number
        return span(
            session.after_open(minutes=number(ZERO_DTE.of(variant, "start_min"))),
            session.before_close(minutes=number(ZERO_DTE.of(variant, "end_min"))),
            number("signals.0dte.window_min"),
        )

    def conditions(self, case: Case, parameters: ParameterState) -> list[Condition]:
        if case.variant is Variant.TREND:
            return trend_conditions(case, parameters)
        return range_conditions(case, parameters)

    def threshold_text(self, variant: Variant, parameters: ParameterState) -> str:
        number = parameters.number
        if variant is Variant.TREND:
            return (
                f"p >= {number('signals.0dte.trend.p_min')}, beyond the noise area or a break on"
                f" our side, right side of VWAP, vrp <= {number('signals.0dte.trend.vrp_max')}"
            )
        return (
            f"vrp >= {number('signals.0dte.range.vrp_min')},"
            f" |score| <= {number('signals.0dte.range.score_max')},"
            f" term <= {number('signals.0dte.range.term_max')},"
            f" p_win >= {number('signals.0dte.range.p_min')}"
        )

    def own_gates(self, case: Case, parameters: ParameterState) -> list[Gate]:
        return [regime_gate(case, parameters)]

    def unfit_expiry(self, case: Case, parameters: ParameterState) -> str:
        return ""

    def choose(
        self, case: Case, chain: Chain, market: Market, parameters: ParameterState
    ) -> Choice | NoStructure:
        if case.variant is Variant.RANGE:
            return choose_range(chain, market, parameters)
        return choose_trend(chain, case.direction, market, parameters)

    def target_and_stop(
        self, choice: Choice, variant: Variant, parameters: ParameterState
    ) -> tuple[Decimal, Decimal]:
        number = parameters.number
        if choice.structure.kind is StructureKind.IRON_CONDOR:
            return credit_target_and_stop(
                choice,
                number("signals.0dte.range.target_credit"),
                number("signals.0dte.range.stop_cost"),
            )
        return debit_target_and_stop(
            choice,
            number("signals.0dte.trend.target_debit"),
            number("signals.0dte.trend.target_profit"),
            number("signals.0dte.trend.stop_debit"),
        )

    def exit_times(
        self,
        variant: Variant,
        session: Session,
        now: datetime,
        expiry: date,
        parameters: ParameterState,
    ) -> ExitTimes:
        number = parameters.number
        minutes = number(ZERO_DTE.of(variant, "time_stop_min"))
        if variant is Variant.RANGE:
            time_stop = session.before_close(minutes=minutes)
        else:
            time_stop = now + timedelta(minutes=minutes)
        flat = session.before_close(minutes=number("signals.0dte.forced_flat_min"))
        return ExitTimes(time_stop, flat)


ZERO_DTE = Bucket(
    strategy=Strategy.ZERO_DTE,
    expiry=ExpiryRole.TODAY,
    features=tuple(WEIGHT_SOURCES),
    directions=(Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL),
    variants=(Variant.TREND, Variant.RANGE),
    premium=frozenset({Variant.RANGE}),
    invalidations={Variant.TREND: TREND_RULE, Variant.RANGE: RANGE_RULE},
    notes={Variant.RANGE: HONEST_NOTE},
    deviation="v_rem",
    rules=ZeroDteRules(),
    p_min_in_regime={(Variant.TREND, "POS"): "p_min_positive_gamma"},
)


class ZeroDteStage(StrategyStage):
    def __init__(self) -> None:
        super().__init__(ZERO_DTE)
