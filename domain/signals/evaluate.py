"""One key at one evaluation point: score, structure, odds and probability, put into a case.

Called by the 0DTE stage for every symbol and direction. What cannot be computed stays None and
is named by the gates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from domain.instruments import Direction
from domain.risk.blackout import is_expiration_day
from domain.risk.codes import DenialCode
from domain.signals.case import Case, Variant
from domain.signals.entry import conditions
from domain.signals.life import Key
from domain.signals.neutral import NeutralScore, neutral_score
from domain.signals.plan import Odds, odds
from domain.signals.reading import Chain, Reading, chain_of
from domain.signals.score import Score, measure, score
from domain.signals.strategy_state import StrategyState
from domain.signals.structure import (
    Choice,
    Market,
    NoStructure,
    choose_range,
    choose_trend,
)

REQUIRED = ("spot_mid", "spot_bid", "spot_ask", "v_rem", "vrp_0dte", "rv_hat_day")
"""Metrics without which there is no structure: strikes and size rest on them."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A case with the parts that a validated signal embeds."""

    case: Case
    neutral: NeutralScore | None


def variant_of(direction: Direction) -> Variant:
    return Variant.RANGE if direction is Direction.NEUTRAL else Variant.TREND


def direction_score(state: StrategyState, reading: Reading) -> Score:
    assert state.session is not None, "a score is computed inside a session"
    now = state.direction_record.recalibration
    expiration = is_expiration_day(state.session, state.parameters)
    measured = measure(reading, state.session, expiration=expiration)
    return score(measured, now.a, now.b, state.parameters)


def market_of(reading: Reading) -> Market | NoStructure:
    values = {name: reading.number(name) for name in REQUIRED}
    absent = [name for name, value in values.items() if value is None]
    spot, rest, vrp = values["spot_mid"], values["v_rem"], values["vrp_0dte"]
    if spot is None or rest is None or vrp is None or absent:
        return NoStructure(DenialCode.NO_STRIKE, f"missing: {', '.join(absent)}")
    return Market(
        spot=spot,
        deviation=math.sqrt(max(0.0, rest)),
        vrp=vrp,
        expected_move=reading.number("em_1sd_0dte"),
        call_wall=reading.number("call_wall"),
        put_wall=reading.number("put_wall"),
    )


def _choose(
    state: StrategyState, direction: Direction, reading: Reading, chain: Chain | None
) -> Choice | NoStructure | None:
    if chain is None:
        return None
    market = market_of(reading)
    if isinstance(market, NoStructure):
        return market
    if direction is Direction.NEUTRAL:
        return choose_range(chain, market, state.parameters)
    return choose_trend(chain, direction, market, state.parameters)


def _neutral(
    state: StrategyState, reading: Reading, chosen: Choice, found: Score, fair: Odds, chain: Chain
) -> NeutralScore | None:
    now = state.neutral_record.recalibration
    return neutral_score(chosen, reading, found.raw, chain.years, fair.fair_log_odds, now.a, now.b)


def _worth_choosing(case: Case, state: StrategyState) -> bool:
    """False when the entry row fails whatever structure would be chosen."""
    return all(c.holds is not False for c in conditions(case, state.parameters))


def evaluate_key(
    state: StrategyState, key: Key, now: datetime, *, always_choose: bool = False
) -> Evaluated | None:
    """The case of a key; None before there is a session or a reading.

    A structure is chosen when the entry row may hold, and always for a signal that lives.
    """
    symbol, direction = key
    reading = state.readings.get(symbol)
    if reading is None or state.session is None:
        return None
    neutral = direction is Direction.NEUTRAL
    record = state.neutral_record if neutral else state.direction_record
    found = direction_score(state, reading)
    body = state.chains.get(symbol)
    bare = Case(
        variant=variant_of(direction),
        direction=direction,
        session=state.session,
        now=now,
        reading=reading,
        score=found,
        record=record,
        chain=None,
        chosen=None,
        odds=None,
        p_win=None,
        facts=state.facts(key, now),
    )
    if body is None or not (always_choose or _worth_choosing(bare, state)):
        return Evaluated(bare, None)
    return _with_structure(state, bare, chain_of(body))


def _with_structure(state: StrategyState, bare: Case, chain: Chain) -> Evaluated:
    chosen = _choose(state, bare.direction, bare.reading, chain)
    fair: Odds | None = None
    p_win: float | None = None
    neutral: NeutralScore | None = None
    if isinstance(chosen, Choice):
        fair = odds(chosen, state.parameters, state.slippage)
        if bare.direction is Direction.NEUTRAL:
            neutral = _neutral(state, bare.reading, chosen, bare.score, fair, chain)
            p_win = None if neutral is None else fair.p_win(neutral.edge)
        else:
            sign = 1 if bare.direction is Direction.BULLISH else -1
            p_win = fair.p_win(sign * bare.score.log_odds)
    case = Case(
        variant=bare.variant,
        direction=bare.direction,
        session=bare.session,
        now=bare.now,
        reading=bare.reading,
        score=bare.score,
        record=bare.record,
        chain=chain,
        chosen=chosen,
        odds=fair,
        p_win=p_win,
        facts=bare.facts,
    )
    return Evaluated(case, neutral)
