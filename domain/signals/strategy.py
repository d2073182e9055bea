"""The stage of a strategy bucket: it raises, tests and ends signals and wants lines for their legs.

Runs in the worker "signals" behind the analytics stage, one for each bucket. At every evaluation
point it looks at each symbol and direction; every second at ages, lines and overdue predictions.
It asks risk by SignalValidated and never sends an order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.event import Recorded, derived_id
from domain.events.analytics import MetricComputed
from domain.events.controls import TradingHalted
from domain.events.feeds import LinesWanted, WantedLine
from domain.events.market_facts import HaltStarted
from domain.events.orders import OrderChanged
from domain.events.signals import (
    ExpiryPassedOver,
    Gate,
    SignalExpired,
    SignalGatesChanged,
    SignalInvalidated,
)
from domain.events.system import ClockStarted, ClockTicked
from domain.forecasts.prediction import P2, P5
from domain.instruments import SYMBOLS, OptionContract
from domain.risk.codes import DenialCode
from domain.signals.bucket import Bucket
from domain.signals.case import Case, window
from domain.signals.entry import conditions_hold
from domain.signals.evaluate import Evaluated, evaluate_key, valid_case
from domain.signals.gates import NOT_ASKED_OF_PREDICTIONS, all_pass, evaluate, outcomes
from domain.signals.life import Key, Live, Now, Status, stale
from domain.signals.predicting import (
    direction_prediction,
    inside_prediction,
    overdue,
    predictions,
    structure_prediction,
)
from domain.signals.reading import Reading, chain_of
from domain.signals.strategy_state import StrategyState, fold
from domain.signals.structure import Choice
from domain.signals.validated import raised, validated
from domain.stage import Emission

LINES_MAX = 8
"""Option lines wanted for one symbol's candidates, at most."""

TYPES = frozenset(
    {
        "BrokerAccountSeen",
        "BrokerConnected",
        "BrokerDisconnected",
        "BrokerReady",
        "BrokerSnapshotReceived",
        "BrokerTimeSeen",
        "ChainEvaluated",
        "ClockStarted",
        "ClockTicked",
        "EntryRefused",
        "ExpiryPassedOver",
        "FillRecorded",
        "HaltEnded",
        "HaltStarted",
        "LineClosed",
        "LineOpened",
        "LinesWanted",
        "MetricComputed",
        "OrderChanged",
        "OrderIntended",
        "ParametersChanged",
        "PositionClosed",
        "PositionOpened",
        "PositionReopened",
        "PredictionMade",
        "PredictionResolved",
        "PredictionVoided",
        "ReconciliationCompleted",
        "RiskDecided",
        "SessionPlanned",
        "SignalExpired",
        "SignalGatesChanged",
        "SignalInvalidated",
        "SignalRaised",
        "SignalValidated",
        "TradingHalted",
        "TradingReleased",
    }
)


class StrategyStage:
    """Stage protocol over StrategyState, for one bucket."""

    types = TYPES

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.name = bucket.requester

    def initial(self) -> StrategyState:
        return StrategyState(self.bucket)

    def evolve(self, state: StrategyState, event: Recorded) -> StrategyState:
        fold(state, event)
        return state

    def react(self, state: StrategyState, event: Recorded) -> Sequence[Emission]:
        if state.session is None or not state.parameters.values:
            return ()
        body = event.body
        match body:
            case MetricComputed():
                reading = state.readings.get(body.symbol)
                if reading is None or reading.at != body.evaluated_at:
                    return ()
                return [*predictions(state, reading), *_keys(state, reading, event.market_time)]
            case ClockTicked():
                return [*_every_second(state, event.market_time), *_lines(state, event.market_time)]
            case TradingHalted() | HaltStarted() | ClockStarted():
                return list(_stale_all(state, event.market_time))
            case OrderChanged():
                return list(_ended_unfilled(state))
            case _:
                return ()


def _signal(signal_id: str, body: SignalExpired | SignalInvalidated) -> Emission:
    return Emission(f"signal/{signal_id}", body, derived_id("signal", signal_id))


def _keys(state: StrategyState, reading: Reading, now: datetime) -> Iterator[Emission]:
    arising = _may_any_arise(state, now)
    for direction in state.bucket.directions:
        key = (reading.symbol, direction)
        live = state.lives.get(key)
        if live is None:
            if arising:
                yield from _maybe_raise(state, key, now)
        elif live.status is Status.CANDIDATE:
            yield from _candidate(state, live, now)
        else:
            yield from _test(state, live, now)


def _may_any_arise(state: StrategyState, now: datetime) -> bool:
    """Whether some window is open: outside of them nothing needs to be measured."""
    session, bucket = state.session, state.bucket
    assert session is not None
    if not state.is_on or not state.desk.entries_open:
        return False
    spans = (bucket.rules.window(v, session, state.parameters) for v in bucket.variants)
    return any(found is not None and found[0] <= now < found[1] for found in spans)


def _is_open(state: StrategyState, case: Case) -> bool:
    """Inside the window, the clock open to entries, and the bucket switched on."""
    span = window(case, state.parameters)
    if not state.is_on:
        return False
    return span is not None and span[0] <= case.now < span[1] and case.facts.entries_open


def _may_arise(state: StrategyState, case: Case) -> bool:
    """Open, and the entry row holding."""
    return _is_open(state, case) and conditions_hold(case, state.parameters)


def _maybe_raise(state: StrategyState, key: Key, now: datetime) -> Iterator[Emission]:
    waits = state.waits.get(key)
    if waits is not None and now < waits:
        return
    found = evaluate_key(state, key, now)
    if found is None or found.row_fails or not _may_arise(state, found.case):
        return
    symbol, direction = key
    number = state.counts.get(key, 0) + 1
    day, bucket = found.case.session.session_date, state.bucket.strategy.value
    signal_id = f"sig-{day}-{symbol}-{bucket}-{direction}-{number}"
    gates = evaluate(found.case, state.parameters)
    correlation = derived_id("signal", signal_id)
    body = raised(state, signal_id, found, gates)
    yield Emission(f"signal/{signal_id}", body, correlation)
    yield from _advance(state, signal_id, found, gates, predicted=False)


def _candidate(state: StrategyState, live: Live, now: datetime) -> Iterator[Emission]:
    found = evaluate_key(state, live.key, now, always_choose=True)
    if found is not None and not _is_open(state, found.case):
        return  # the tick ends it; ending it here too would end it twice within one input
    if found is None or not conditions_hold(found.case, state.parameters):
        reason = "the entry conditions ceased"
        yield _signal(live.signal_id, SignalExpired(signal_id=live.signal_id, reason=reason))
        return
    gates = evaluate(found.case, state.parameters)
    if outcomes(gates) != outcomes(live.gates) and not all_pass(gates):
        changed = SignalGatesChanged(signal_id=live.signal_id, gates=gates)
        correlation = derived_id("signal", live.signal_id)
        yield Emission(f"signal/{live.signal_id}", changed, correlation)
    yield from _advance(state, live.signal_id, found, gates, predicted=live.outcome_predicted)


def _advance(
    state: StrategyState,
    signal_id: str,
    found: Evaluated,
    gates: tuple[Gate, ...],
    *,
    predicted: bool,
) -> Iterator[Emission]:
    """Predict the structure's outcome once, and ask risk when every gate passes."""
    correlation = derived_id("signal", signal_id)
    yield from _pass_over(state, signal_id, found)
    if not predicted and all_pass(gates, NOT_ASKED_OF_PREDICTIONS):
        body = structure_prediction(state, signal_id, found)
        yield Emission(f"predictions/{P5}", body, correlation)
        ends = inside_prediction(state, signal_id, found)
        if ends is not None:
            yield Emission(f"predictions/{P5}", ends, correlation)
    if not all_pass(gates):
        return
    yield Emission(f"signal/{signal_id}", validated(state, signal_id, found, gates), correlation)
    if not found.case.sells_premium:
        made = direction_prediction(state, found.case.reading, f"p2-{signal_id}", None)
        if made is not None:
            yield Emission(f"predictions/{P2}", made, correlation)


def _pass_over(state: StrategyState, signal_id: str, found: Evaluated) -> Iterator[Emission]:
    """Have another expiry tried, unless a signal of this symbol is being entered on this one."""
    case, symbol = found.case, found.case.reading.symbol
    if case.chain is None or any(
        live.symbol == symbol and live.status is not Status.CANDIDATE
        for live in state.lives.values()
    ):
        return
    unfit = case.bucket.rules.unfit_expiry(case, state.parameters)
    if unfit:
        body = ExpiryPassedOver(
            strategy=case.bucket.strategy,
            symbol=symbol,
            signal_id=signal_id,
            expiry=case.chain.expiry,
            reason=unfit,
        )
        yield Emission(f"expiries/{symbol}", body, derived_id("signal", signal_id))


def _now(state: StrategyState, live: Live, now: datetime) -> Now:
    body = state.chains.get(live.symbol)
    return Now(
        at=now,
        reading=state.readings.get(live.symbol),
        chain=None if body is None else chain_of(body),
        case=valid_case(state, live, now),
        halted=state.desk.halted or bool(state.market_halts.told(live.symbol, now)),
        entries_open=state.desk.entries_open,
        is_on=state.is_on,
    )


def _test(state: StrategyState, live: Live, now: datetime) -> Iterator[Emission]:
    found = stale(live, _now(state, live, now), state.bucket, state.parameters)
    if found is None:
        return
    body = SignalInvalidated(
        signal_id=live.signal_id,
        condition=found.condition,
        measured=found.measured,
        threshold=found.threshold,
    )
    yield _signal(live.signal_id, body)


def _stale_all(state: StrategyState, now: datetime) -> Iterator[Emission]:
    for live in state.lives.values():
        if live.status is not Status.CANDIDATE:
            yield from _test(state, live, now)


def _every_second(state: StrategyState, now: datetime) -> Iterator[Emission]:
    """Ages of valid signals, candidates whose window or data ended, overdue predictions."""
    session = state.session
    assert session is not None
    for live in state.lives.values():
        span = state.bucket.rules.window(live.variant, session, state.parameters)
        if live.status is not Status.CANDIDATE:
            yield from _test(state, live, now)
        elif not state.is_on:
            reason = "the strategy was switched off"
            yield _signal(live.signal_id, SignalExpired(signal_id=live.signal_id, reason=reason))
        elif span is None or not span[0] <= now < span[1] or not state.desk.entries_open:
            reason = "the window ended or the clock closed to entries"
            yield _signal(live.signal_id, SignalExpired(signal_id=live.signal_id, reason=reason))
    yield from overdue(state, now)


def _ended_unfilled(state: StrategyState) -> Iterator[Emission]:
    """The entry's order chain ended without a fill: the signal is spent."""
    for live in state.lives.values():
        if live.status is Status.ORDERED and not live.working and not live.filled:
            reason = "the entry ended without a fill"
            yield _signal(live.signal_id, SignalExpired(signal_id=live.signal_id, reason=reason))


_WAITED_FOR = frozenset(
    {
        DenialCode.LIQUIDITY.value,
        DenialCode.GREEKS_AGREE.value,
        DenialCode.EV_POSITIVE.value,
        *NOT_ASKED_OF_PREDICTIONS,
    }
)
"""Gates that may still fail while lines are opened for a candidate's legs."""


def _wanted_of(state: StrategyState, symbol: str, now: datetime) -> list[OptionContract]:
    """Legs of the symbol's living signals, then legs wanted before while one lives."""
    wanted: dict[int, OptionContract] = {}
    lives = [live for live in state.lives.values() if live.symbol == symbol]
    for live in lives:
        if live.validated is not None:
            contracts = [leg.contract for leg in live.validated.structure.legs]
        elif all_pass(live.gates, _WAITED_FOR):
            found = evaluate_key(state, live.key, now, always_choose=True)
            chosen = None if found is None else found.case.chosen
            legs = chosen.structure.legs if isinstance(chosen, Choice) else ()
            contracts = [leg.contract for leg in legs]
        else:
            contracts = []
        wanted.update((contract.con_id, contract) for contract in contracts)
    if lives:
        for contract in state.lines_wanted:
            if contract.symbol == symbol and len(wanted) < LINES_MAX:
                wanted.setdefault(contract.con_id, contract)
    return sorted(wanted.values(), key=lambda contract: contract.con_id)


def _lines(state: StrategyState, now: datetime) -> list[Emission]:
    """A new wish when it differs from the last one."""
    wanted = [contract for symbol in SYMBOLS for contract in _wanted_of(state, symbol, now)]
    if tuple(wanted) == state.lines_wanted:
        return []
    name = state.bucket.requester
    lines = tuple(WantedLine(contract=contract, reason="legs of a signal") for contract in wanted)
    return [Emission(f"lines/{name}", LinesWanted(requester=name, lines=lines))]
