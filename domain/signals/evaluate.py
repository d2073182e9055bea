"""One key at one evaluation point: score, structure, odds and probability, put into a case.

Called by the stage of a bucket for every symbol and direction. What cannot be computed stays None
and is named by the gates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from domain.instruments import Direction, Strategy, Structure
from domain.parameter import ParameterState
from domain.risk.blackout import is_expiration_day
from domain.risk.codes import DenialCode
from domain.session import Session
from domain.signals.bucket import Bucket
from domain.signals.case import Case
from domain.signals.entry import conditions
from domain.signals.life import Key, Live
from domain.signals.neutral import NeutralInputs, NeutralScore, neutral_score
from domain.signals.plan import Odds, odds
from domain.signals.reading import Chain, Reading, chain_of
from domain.signals.score import Inputs, Score, logistic, rounded, score
from domain.signals.strategy_state import StrategyState
from domain.signals.structure import Choice, Market, NoStructure


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A case with the parts that a validated signal embeds."""

    case: Case
    neutral: NeutralScore | None
    row_fails: bool = False
    """The entry row fails whatever structure would be chosen, so that none was."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """A score with all that it was made of."""

    bucket: Bucket
    reading: Reading
    session: Session
    parameters: ParameterState
    version: int
    a: float
    b: float
    score: Score

    def is_of(self, state: StrategyState, reading: Reading) -> bool:
        now = state.direction_record.recalibration
        return (
            self.bucket is state.bucket
            and self.reading is reading
            and self.session is state.session
            and self.parameters is state.parameters
            and (self.version, self.a, self.b) == (state.parameters.version, now.a, now.b)
        )


_scored: dict[tuple[Strategy, str], _Scored] = {}


def direction_score(state: StrategyState, reading: Reading) -> Score:
    """Asked for every direction and prediction of an evaluation point, made once: the newest of a
    bucket and symbol is kept, and taken only for the very same reading."""
    key = state.bucket.strategy, reading.symbol
    kept = _scored.get(key)
    if kept is not None and kept.is_of(state, reading):
        return kept.score
    session, parameters = state.session, state.parameters
    assert session is not None, "a score is computed inside a session"
    now, bucket = state.direction_record.recalibration, state.bucket
    expiration = is_expiration_day(session, parameters)
    inputs = Inputs(reading, session, bucket.metrics.em_1sd, expiration)
    found = score(bucket, inputs, now.a, now.b, parameters)
    version = parameters.version
    _scored[key] = _Scored(bucket, reading, session, parameters, version, now.a, now.b, found)
    return found


def market_of(bucket: Bucket, reading: Reading) -> Market | NoStructure:
    values = {name: reading.number(name) for name in bucket.required}
    absent = [name for name, value in values.items() if value is None]
    spot, variance, vrp = values["spot_mid"], values[bucket.deviation], values[bucket.metrics.vrp]
    if spot is None or variance is None or vrp is None or absent:
        return NoStructure(DenialCode.NO_STRIKE, f"missing: {', '.join(absent)}")
    return Market(
        spot=spot,
        deviation=math.sqrt(max(0.0, variance)),
        vrp=vrp,
        expected_move=reading.number(bucket.metrics.em_1sd),
        call_wall=reading.number("call_wall"),
        put_wall=reading.number("put_wall"),
    )


def _choose(state: StrategyState, bare: Case, chain: Chain) -> Choice | NoStructure:
    market = market_of(state.bucket, bare.reading)
    if isinstance(market, NoStructure):
        return market
    return state.bucket.rules.choose(bare, chain, market, state.parameters)


def _sign(direction: Direction) -> int:
    return -1 if direction is Direction.BEARISH else 1


def _neutral(
    state: StrategyState, bare: Case, structure: Structure, fair_log_odds: float, chain: Chain
) -> NeutralScore | None:
    now, found = state.neutral_record.recalibration, bare.score
    one_sided = bare.direction is not Direction.NEUTRAL
    inputs = NeutralInputs(
        bare.reading,
        state.bucket.metrics,
        found.raw,
        chain.years,
        fair_log_odds,
        _sign(bare.direction) * found.log_odds if one_sided else 0.0,
    )
    return neutral_score(structure, inputs, now.a, now.b)


def _worth_choosing(case: Case, state: StrategyState) -> bool:
    """False when the entry row fails whatever structure would be chosen."""
    return all(c.holds is not False for c in conditions(case, state.parameters))


def evaluate_key(
    state: StrategyState, key: Key, now: datetime, *, always_choose: bool = False
) -> Evaluated | None:
    """The case of a key; None before there is a session or a reading.

    A structure is chosen when the entry row may hold, and always for a signal that lives, which
    keeps the variant that it was raised with.
    """
    bare = _bare(state, key, now)
    body = state.chains.get(key[0])
    if bare is None:
        return None
    if not always_choose and not _worth_choosing(bare, state):
        return Evaluated(bare, None, row_fails=True)
    if body is None:
        return Evaluated(bare, None)
    return _with_structure(state, bare, chain_of(body))


def valid_case(state: StrategyState, live: Live, now: datetime) -> Case | None:
    """The case of a valid signal, whose odds are those of the structure that it became valid with,
    at the target and stop planned then. None as for any key; `p_win` None: an input is missing."""
    bare, signal = _bare(state, live.key, now), live.validated
    body = state.chains.get(live.symbol)
    if bare is None or signal is None or not bare.sells_premium:
        return bare
    if body is None or body.expiry != signal.structure.expiry:
        return bare
    planned = signal.risk_inputs
    fair = math.log(planned.stop_usd / planned.target_usd)
    found = _neutral(state, bare, signal.structure, fair, chain_of(body))
    p_win = None if found is None else rounded(logistic(fair + found.edge))
    return replace(bare, p_win=p_win)


def _bare(state: StrategyState, key: Key, now: datetime) -> Case | None:
    """A case before a structure is chosen."""
    symbol, direction = key
    reading = state.readings.get(symbol)
    if reading is None or state.session is None:
        return None
    found = direction_score(state, reading)
    live, rules = state.lives.get(key), state.bucket.rules
    if live is None:
        variant = rules.variant(direction, reading, state.session, found, state.parameters)
    else:
        variant = live.variant
    sells_premium = variant in state.bucket.premium
    return Case(
        bucket=state.bucket,
        variant=variant,
        direction=direction,
        session=state.session,
        now=now,
        reading=reading,
        score=found,
        record=state.neutral_record if sells_premium else state.direction_record,
        chain=None,
        chosen=None,
        odds=None,
        p_win=None,
        facts=state.facts(key, now),
    )


def _with_structure(state: StrategyState, bare: Case, chain: Chain) -> Evaluated:
    chosen = _choose(state, bare, chain)
    fair: Odds | None = None
    p_win: float | None = None
    neutral: NeutralScore | None = None
    if isinstance(chosen, Choice):
        fair = odds(chosen, state.bucket, bare.variant, state.parameters, state.slippage)
        if bare.sells_premium:
            neutral = _neutral(state, bare, chosen.structure, fair.fair_log_odds, chain)
            p_win = None if neutral is None else fair.p_win(neutral.edge)
        else:
            p_win = fair.p_win(_sign(bare.direction) * bare.score.log_odds)
    return Evaluated(replace(bare, chain=chain, chosen=chosen, odds=fair, p_win=p_win), neutral)
