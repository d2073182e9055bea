"""The roll stage: it proposes to roll the untested side of a condor that is held for weeks (4.6).

Runs in the worker "signals" behind the strategies. At each evaluation of a held expiry it looks at
the condors of that expiry; what keeps a tested one from being rolled is told once for each reason
and session. It asks risk by RollProposed and never sends an order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.event import Recorded, derived_id
from domain.events.analytics import ChainEvaluated, Quality
from domain.events.feeds import LinesWanted, WantedLine
from domain.events.positions import PositionClosed
from domain.events.rolls import PositionRolled, RollPassedOver, RollProposed
from domain.events.signals import Result
from domain.instruments import MULTIPLIER, Leg, Right, StructureKind
from domain.numbers import cents
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.risk.max_loss import execution_fees_usd
from domain.rolling import ROLL_LEGS, roll_of, units_of
from domain.session import Session
from domain.signals.bucket import Variant
from domain.signals.fourteen_dte import FOURTEEN_DTE, choose_roll_side
from domain.signals.gates import greeks_gate, leg_liquidity
from domain.signals.plan import slippage_budget
from domain.signals.reading import Chain, ChainRow, chain_of
from domain.signals.roll_state import REQUESTER, TYPES, Condor, RollState, fold
from domain.signals.score import rounded
from domain.signals.structure import Choice, Market, NoStructure, build
from domain.signals.validated import leg_quote, model_mid
from domain.stage import Emission

_C = DenialCode


def _name(name: str) -> str:
    return f"signals.14d.{name}"


@dataclass(frozen=True, slots=True)
class _Passed:
    """Why nothing is rolled; `wants` are legs that need a line before it can be told."""

    code: DenialCode
    reason: str
    wants: Choice | None = None


@dataclass(frozen=True, slots=True)
class _Tested:
    """The short leg that reached its delta."""

    leg: Leg
    delta: float


class RollStage:
    """Stage protocol over RollState."""

    name = REQUESTER
    types = TYPES

    def initial(self) -> RollState:
        return RollState()

    def evolve(self, state: RollState, event: Recorded) -> RollState:
        fold(state, event)
        if isinstance(event.body, ChainEvaluated) and state.condors:
            _want(state, event.body, event.market_time)
        return state

    def react(self, state: RollState, event: Recorded) -> Sequence[Emission]:
        if state.session is None or not state.parameters.values:
            return ()
        match event.body:
            case ChainEvaluated() as body if state.condors:
                return [*_evaluated(state, body, event.market_time), *_lines(state)]
            case PositionClosed() | PositionRolled():
                return _lines(state)
            case _:
                return ()


def _of_expiry(state: RollState, body: ChainEvaluated) -> list[Condor]:
    return [
        condor
        for condor in state.condors.values()
        if (condor.structure.symbol, condor.structure.expiry) == (body.symbol, body.expiry)
    ]


def _want(state: RollState, body: ChainEvaluated, now: datetime) -> None:
    """Lines are kept while a roll is looked for, waits or works."""
    if state.session is None or not state.parameters.values:
        return
    for condor in _of_expiry(state, body):
        found, waiting = _judge(state, state.session, condor, body, now), condor.proposed
        if isinstance(found, RollProposed):
            condor.wanted = tuple(leg.contract for leg in found.roll.legs)
        elif found is not None and found.wants is not None:
            condor.wanted = tuple(leg.contract for leg in found.wants.structure.legs)
        elif not condor.working and (waiting is None or now > waiting.valid_until):
            condor.wanted = ()


def _evaluated(state: RollState, body: ChainEvaluated, now: datetime) -> Iterator[Emission]:
    assert state.session is not None
    for condor in _of_expiry(state, body):
        found = _judge(state, state.session, condor, body, now)
        position_id = condor.opened.position_id
        correlation = derived_id("signal", condor.opened.signal_id)
        if isinstance(found, RollProposed):
            yield Emission(f"roll/{position_id}", found, correlation)
        elif found is not None and found.code.value not in condor.told:
            passed = RollPassedOver(
                position_id=position_id,
                symbol=body.symbol,
                code=found.code.value,
                reason=found.reason,
            )
            yield Emission(f"roll/{position_id}", passed, correlation)


def _lines(state: RollState) -> list[Emission]:
    """A new wish when it differs from the last one."""
    wanted = {c.con_id: c for condor in state.condors.values() for c in condor.wanted}
    contracts = tuple(wanted[con_id] for con_id in sorted(wanted))
    if contracts == state.lines_wanted:
        return []
    lines = tuple(WantedLine(contract=contract, reason="legs of a roll") for contract in contracts)
    body = LinesWanted(requester=REQUESTER, lines=lines)
    return [Emission(f"lines/{REQUESTER}", body)]


def _judge(
    state: RollState, session: Session, condor: Condor, body: ChainEvaluated, now: datetime
) -> RollProposed | _Passed | None:
    """A proposal, why there is none although a short is tested, or None: nothing to be said."""
    if condor.is_used or condor.working or condor.touched or state.halted:
        return None
    proposed = condor.proposed
    if proposed is not None and now <= proposed.valid_until:
        return None
    chain, parameters = chain_of(body), state.parameters
    tested = _tested(state, condor, chain, now)
    if not isinstance(tested, _Tested):
        # Before the window opens quotes are old: that is no news.
        return None if _not_now(state, session, condor, body, now) else tested
    if condor.waits_until is not None and now < condor.waits_until:
        return None
    return (
        _not_now(state, session, condor, body, now)
        or _not_whole(condor, parameters)
        or _rolled(state, session, condor, chain, tested, now)
    )


def _age(row: ChainRow, chain: Chain, now: datetime) -> float | None:
    if row.age_seconds is None:
        return None
    return row.age_seconds + max(0.0, (now - chain.at).total_seconds())


def _tested(
    state: RollState, condor: Condor, chain: Chain, now: datetime
) -> _Tested | _Passed | None:
    """By the desk's own greeks on fresh quotes. Both sides at once are nothing to roll."""
    number = state.parameters.number
    limit, age_max = number(_name("roll.tested_delta")), number("signals.quote_age_option_s")
    found: list[_Tested] = []
    missing: list[str] = []
    for leg in condor.structure.legs:
        if leg.ratio > 0:
            continue
        row = chain.row(leg.contract.con_id)
        age = None if row is None else _age(row, chain, now)
        if row is None or row.delta is None or age is None or age > age_max:
            missing.append(f"{leg.contract.strike}{leg.contract.right.value}")
        elif abs(row.delta) >= limit:
            found.append(_Tested(leg, row.delta))
    if missing:
        # With a side unknown it cannot be told which one is tested, or whether one is.
        return _Passed(_C.DATA_FRESH, f"missing: delta of {', '.join(missing)}")
    if len(found) > 1:
        return _Passed(_C.NO_STRIKE, "both shorts are tested: no side is left to be rolled")
    return found[0] if found else None


def _not_now(
    state: RollState, session: Session, condor: Condor, body: ChainEvaluated, now: datetime
) -> _Passed | None:
    """What holds back an entry of the bucket at this moment, and the last part of a life."""
    parameters, symbol = state.parameters, condor.opened.symbol
    window = FOURTEEN_DTE.rules.window(Variant.CONDOR, session, parameters)
    is_on = parameters.flag(_name("enabled")) and parameters.flag(_name("roll.enabled"))
    halt = state.market_halts.told(symbol, now)
    ends = min(condor.plan.time_stop_at, condor.plan.forced_flat_at)
    reading = state.readings.get(symbol)
    news = None if reading is None else reading.text("news_state")
    calendar = None if reading is None else reading.text("calendar_state")
    if not is_on:
        return _Passed(_C.WINDOW, "rolls, or the strategy, are switched off")
    if window is None or not window[0] <= now < window[1]:
        return _Passed(_C.WINDOW, f"{now.isoformat()} is outside of the entry window")
    if ends <= session.day.options_close_at:
        return _Passed(_C.WINDOW, f"it is left today, at {ends.isoformat()}")
    if not state.entries_open:
        return _Passed(_C.CLOCK_NORMAL, "the clock is closed to entries")
    if halt:
        return _Passed(_C.SESSION_OPEN, halt)
    if calendar is None or calendar == "BLACKOUT":
        return _Passed(_C.BLACKOUT, calendar or "missing: calendar_state")
    if news is None or news == "SHOCK":
        return _Passed(_C.NO_SHOCK, news or "missing: news_state")
    if body.quality is not Quality.OK:
        return _Passed(_C.DATA_FRESH, f"chain {body.quality.value}: {body.reason}")
    return None


def _not_whole(condor: Condor, parameters: ParameterState) -> _Passed | None:
    structure = condor.structure
    units = units_of(structure, condor.legs)
    if units < 1 or any(
        condor.legs.get(leg.contract.con_id, 0) != units * leg.ratio for leg in structure.legs
    ):
        return _Passed(_C.POSITION_WHOLE, f"legs {condor.legs}")
    most = int(parameters.number(_name("roll.tries_max")))
    if condor.orders >= most:
        return _Passed(_C.ROLL_ONCE, f"{condor.orders} orders ended without a fill, most {most}")
    return None


def _rolled(
    state: RollState,
    session: Session,
    condor: Condor,
    chain: Chain,
    tested: _Tested,
    now: datetime,
) -> RollProposed | _Passed:
    choice = _choose(condor, chain, tested, state.parameters)
    if not isinstance(choice, Choice):
        return choice
    return _unfit(state, session, condor, chain, choice, now) or _proposal(
        state, session, condor, chain, tested, choice, now
    )


def _choose(
    condor: Condor, chain: Chain, tested: _Tested, parameters: ParameterState
) -> Choice | _Passed:
    """The order, when its four contracts differ and its short comes nearer to the money."""
    structure, kept = condor.structure, tested.leg.contract
    right = Right.PUT if kept.right is Right.CALL else Right.CALL
    market = Market(spot=chain.spot, deviation=0.0, vrp=0.0)
    side = choose_roll_side(chain, right, market, parameters)
    if isinstance(side, NoStructure):
        return _Passed(side.code, side.reason)
    short, wing = side
    old = {leg.ratio: leg.contract for leg in structure.legs if leg.contract.right is right}
    inward = -1 if right is Right.CALL else 1
    if (short.strike - old[-1].strike) * inward <= 0:
        reason = f"short {short.strike} is not nearer to the money than {old[-1].strike}"
        return _Passed(_C.NO_STRIKE, reason)
    if (kept.strike - short.strike) * inward <= 0:
        return _Passed(_C.NO_STRIKE, f"short {short.strike} is beyond the tested {kept.strike}")
    roll = roll_of(structure, chain.contract(short), chain.contract(wing))
    if len({leg.contract.con_id for leg in roll.legs}) != ROLL_LEGS:
        reason = f"{short.strike} and {wing.strike} share a contract with the old side"
        return _Passed(_C.NO_STRIKE, reason)
    rows = [(chain.row(leg.contract.con_id), leg.ratio) for leg in roll.legs]
    known = [(row, ratio) for row, ratio in rows if row is not None]
    if len(known) != ROLL_LEGS:
        return _Passed(_C.LIQUIDITY, "the chain has no quote of the old side")
    choice = build(chain, StructureKind.ROLL, known)
    return _Passed(choice.code, choice.reason) if isinstance(choice, NoStructure) else choice


def _unfit(
    state: RollState,
    session: Session,
    condor: Condor,
    chain: Chain,
    choice: Choice,
    now: datetime,
) -> _Passed | None:
    """Liquidity of all four legs on broker lines, greeks, and what it brings at the worst price."""
    parameters, lines = state.parameters, frozenset(state.lines)
    found = [
        leg_liquidity(
            row, leg.ratio, _age(row, chain, now), lines, parameters, FOURTEEN_DTE.liquidity
        )
        for row, leg in zip(choice.rows, choice.structure.legs, strict=True)
    ]
    if not all(holds for holds, _ in found):
        reason = "; ".join(text for holds, text in found if not holds)
        return _Passed(_C.LIQUIDITY, reason, choice)
    agree = greeks_gate(choice, chain, session.session_date, parameters)
    if agree.result is not Result.PASS:
        return _Passed(_C.GREEKS_AGREE, f"{agree.measured} against {agree.threshold}", choice)
    worst = choice.net_mid + slippage_budget(choice, parameters)
    brings = -worst * MULTIPLIER
    costs = execution_fees_usd(ROLL_LEGS, parameters)
    if brings <= costs:
        return _Passed(_C.ROLL_CREDIT, f"{brings} USD a unit against {costs} USD", choice)
    reading = state.readings.get(condor.opened.symbol)
    if reading is None or reading.number("v_rem") is None:
        return _Passed(_C.DATA_FRESH, "missing: v_rem", choice)
    return None


def _proposal(
    state: RollState,
    session: Session,
    condor: Condor,
    chain: Chain,
    tested: _Tested,
    choice: Choice,
    now: datetime,
) -> RollProposed:
    number, opened = state.parameters.number, condor.opened
    rest = state.readings[opened.symbol].number("v_rem")
    assert rest is not None, "told before"
    today = session.session_date
    return RollProposed(
        roll_id=f"roll-{opened.position_id}-{condor.proposals + 1}",
        position_id=opened.position_id,
        signal_id=opened.signal_id,
        strategy=opened.strategy,
        symbol=opened.symbol,
        structure=condor.structure,
        roll=choice.structure,
        units=units_of(condor.structure, condor.legs),
        tested=tested.leg.contract,
        tested_delta=tested.delta,
        threshold_delta=number(_name("roll.tested_delta")),
        target_delta=number(_name("roll.short_delta")),
        legs=tuple(leg_quote(row, _age(row, chain, now), chain, today) for row in choice.rows),
        underlying_price=chain.spot,
        net_bid=choice.net_bid,
        net_ask=choice.net_ask,
        net_mid=choice.net_mid,
        model_mid=cents(model_mid(chain, choice)),
        valid_until=now + timedelta(seconds=number(_name("stale.age_s"))),
        underlying_move_max=rounded(
            number(_name("stale.move_sd")) * math.sqrt(max(0.0, rest)) * chain.spot
        ),
        mid_against_max=slippage_budget(choice, state.parameters),
        target_credit=number(_name("target_credit")),
        stop_cost=number(_name("stop_cost")),
        params_version=state.parameters.version,
    )
