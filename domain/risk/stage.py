"""The risk stage: it decides on valid signals and owns the trading state (halt, release, flatten).

Runs first in the worker "trader". Entries fail closed; exits pass no check here. Automatic halts
act at clock ticks and account values, one by one until the next release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.event import Recorded, derived_id
from domain.events.controls import (
    CONTROL_STREAM,
    AlertRaised,
    ControlRefused,
    FlattenRequested,
    FlattenStarted,
    HaltRequested,
    ReleaseRequested,
    TradeApproved,
    TradingHalted,
    TradingReleased,
    TradingState,
    TradingStateChanged,
)
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerReady,
    ReconciliationCompleted,
    WhatIfAnswered,
)
from domain.events.parameters import ParametersChangeRequested
from domain.events.risk import (
    CashFlowRequested,
    LimitsChangeRequested,
    MarginChecked,
    RiskDecided,
    WhatIfWanted,
)
from domain.events.rolls import RollProposed
from domain.events.signals import SignalValidated
from domain.events.system import PARAMETERS_STREAM, ClockTicked, ParametersChanged
from domain.numbers import floor_tick
from domain.parameter import ParameterValue
from domain.risk import cash_flows
from domain.risk.breaches import evaluate
from domain.risk.codes import DenialCode
from domain.risk.decide import decide, wants_what_if
from domain.risk.halts import due_halts, expiring_to_close
from domain.risk.limit_changes import refusal_of
from domain.risk.margin import Answer, is_mismatch, local_estimate
from domain.risk.pending import Pending
from domain.risk.roll_answers import on_roll_answer, on_roll_proposed, overdue_rolls
from domain.risk.state import WHO, RiskState, fold
from domain.risk.trade_approval import asks
from domain.stage import Emission

ALERT_STREAM = "alert/risk"

TYPES = frozenset(
    {
        "BrokerAccountSeen",
        "BrokerConnected",
        "BrokerDisconnected",
        "BrokerErrorSeen",
        "BrokerReady",
        "BrokerSnapshotReceived",
        "BrokerTimeSeen",
        "CashFlowRecorded",
        "CashFlowRequested",
        "ChainEvaluated",
        "ClockStarted",
        "ClockTicked",
        "EntryRefused",
        "ExitDecided",
        "FillRecorded",
        "FlattenRequested",
        "FlattenStarted",
        "HaltRequested",
        "HistoryImported",
        "LimitsChangeRequested",
        "ParametersChangeRequested",
        "OrderChanged",
        "OrderIntended",
        "OrderModifyIntended",
        "ParametersChanged",
        "PositionChanged",
        "PositionClosed",
        "PositionMarked",
        "PositionOpened",
        "PositionReopened",
        "PositionRolled",
        "RateUpdated",
        "ReconciliationCompleted",
        "ReleaseRequested",
        "RiskDecided",
        "RollDecided",
        "RollProposed",
        "SessionPlanned",
        "SignalExpired",
        "SignalInvalidated",
        "SignalValidated",
        "TradeApproved",
        "TradingHalted",
        "TradingReleased",
        "WhatIfAnswered",
        "WhatIfWanted",
        "WorkerStarted",
    }
)


class RiskStage:
    """Stage protocol over RiskState."""

    name = "risk"
    types = TYPES

    def initial(self) -> RiskState:
        return RiskState()

    def evolve(self, state: RiskState, event: Recorded) -> RiskState:
        fold(state, event)
        evaluate(state, event)
        return state

    def react(self, state: RiskState, event: Recorded) -> Sequence[Emission]:
        return [*_decisions(state, event), *_state_change(state, event)]


def _decisions(state: RiskState, event: Recorded) -> Sequence[Emission]:
    body = event.body
    match body:
        case SignalValidated():
            return [] if asks(state.parameters, body) else _on_signal(state, body)
        case TradeApproved():
            signal = state.signals.get(body.signal_id)
            return [] if signal is None else _on_signal(state, signal)
        case RollProposed():
            return on_roll_proposed(state, body)
        case WhatIfAnswered() if body.order_ref in state.rolls:
            return on_roll_answer(state, body)
        case WhatIfAnswered():
            return _on_answer(state, body)
        case HaltRequested():
            return [_halt(body.who, body.reason or f"halt by {body.route}")]
        case ReleaseRequested():
            return [_release(state, event, body)]
        case FlattenRequested():
            return _on_flatten(state, body)
        case LimitsChangeRequested() | ParametersChangeRequested():
            return _on_change(state, event, body)
        case CashFlowRequested():
            return [_on_cash_flow(state, event, body)]
        case ClockTicked() | BrokerAccountSeen():
            return [
                *_limits_over(state),
                *_overdue_answers(state),
                *overdue_rolls(state),
                *_automatic(state, event),
            ]
        case ReconciliationCompleted() | BrokerReady():
            # Of a new connection the comparison is told first, then that it is ready.
            return _close_expiring(state)
        case _:
            return ()


def _state_change(state: RiskState, event: Recorded) -> list[Emission]:
    """The trading state is on the log as soon as it is another one, or another limit's."""
    before = state.changed_from
    if before is None:
        return []
    now, codes = state.trading
    reason = state.halt_reason if now is TradingState.HALTED else ", ".join(codes)
    body = TradingStateChanged(state=now, previous=before, codes=codes, reason=reason)
    emitted = [Emission(CONTROL_STREAM, body)]
    if now is TradingState.REDUCING and before is TradingState.ACTIVE:
        text = f"only orders that reduce risk may leave: {reason}"
        emitted.append(_alert(event, "warning", "REDUCE_ONLY", text))
    return emitted


def _halt(who: str, reason: str) -> Emission:
    return Emission(CONTROL_STREAM, TradingHalted(who=who, reason=reason))


def _flatten(who: str, reason: str, positions: tuple[str, ...]) -> Emission:
    body = FlattenStarted(who=who, reason=reason, positions=positions)
    return Emission(CONTROL_STREAM, body)


def _release(state: RiskState, event: Recorded, body: ReleaseRequested) -> Emission:
    refusal = ""
    if not body.reason.strip():
        refusal = "a release must have a reason, was empty: say why the cause is gone"
    elif not body.reauthenticated:
        refusal = "a release must be confirmed by logging in again, was not: give the password"
    elif not state.halted:
        refusal = "trading must be halted to be released, was not: nothing is left to be done"
    if refusal:
        refused = ControlRefused(request_id=str(event.event_id), who=body.who, reason=refusal)
        return Emission(CONTROL_STREAM, refused)
    return Emission(CONTROL_STREAM, TradingReleased(who=body.who, reason=body.reason))


def _on_change(
    state: RiskState, event: Recorded, body: LimitsChangeRequested | ParametersChangeRequested
) -> list[Emission]:
    """The change and an alert, so that one that nobody of us made is seen; or why not."""
    refusal = refusal_of(body, state.parameters, state.now)
    if refusal:
        refused = ControlRefused(request_id=str(event.event_id), who=body.who, reason=refusal)
        return [Emission(CONTROL_STREAM, refused)]
    changed = _change(state, body.values, body.who, body.reason, body.until)
    values = ", ".join(f"{name} {value}" for name, value in sorted(body.values.items()))
    until = "" if body.until is None else f" until {body.until.isoformat()}"
    text = f"by {body.who}: {values}{until}"
    code = "LIMITS_CHANGED"
    if isinstance(body, ParametersChangeRequested):
        code = "PARAMETERS_CHANGED"
    return [changed, _alert(event, "warning", code, text)]


def _on_cash_flow(state: RiskState, event: Recorded, body: CashFlowRequested) -> Emission:
    refusal = cash_flows.refusal_of(body, state.losses.awaited_flows)
    if refusal:
        refused = ControlRefused(request_id=str(event.event_id), who=body.who, reason=refusal)
        return Emission(CONTROL_STREAM, refused)
    return Emission(cash_flows.STREAM, cash_flows.recorded(body))


def _limits_over(state: RiskState) -> list[Emission]:
    """What was set for a while comes back to what held before."""
    back = state.limit_changes.over(state.now)
    if not back:
        return []
    return [_change(state, back, WHO, "the time of a passing change is over", None)]


def _change(
    state: RiskState,
    values: Mapping[str, ParameterValue],
    who: str,
    why: str,
    until: datetime | None,
) -> Emission:
    version = state.parameters.version + 1
    body = ParametersChanged(values=dict(values), version=version, who=who, why=why, until=until)
    return Emission(PARAMETERS_STREAM, body)


def _on_flatten(state: RiskState, body: FlattenRequested) -> list[Emission]:
    """Flatten closes everything. It halts too: an entry right behind it would make no sense."""
    reason = body.reason or f"flatten by {body.route}"
    return [
        _halt(body.who, f"flatten: {reason}"),
        _flatten(body.who, reason, tuple(state.book.positions)),
    ]


def _alert(event: Recorded, severity: str, code: str, text: str) -> Emission:
    alert_id = f"{code.lower()}-{derived_id('alert', code, event.event_id)}"
    body = AlertRaised(alert_id=alert_id, severity=severity, code=code, text=text)
    return Emission(ALERT_STREAM, body)


def _automatic(state: RiskState, event: Recorded) -> list[Emission]:
    emitted: list[Emission] = []
    for halt in due_halts(state):
        emitted.append(_halt(WHO, halt.reason))
        emitted.append(_alert(event, "critical", halt.code, halt.text))
        if halt.close is not None:
            emitted.append(_flatten(WHO, halt.reason, halt.close))
    return emitted


def _close_expiring(state: RiskState) -> list[Emission]:
    positions = expiring_to_close(state)
    if not positions:
        return []
    reason = "positions expiring today are closed after a long disconnection"
    return [_flatten(WHO, reason, positions)]


def _decided(body: RiskDecided) -> Emission:
    correlation = derived_id("signal", body.signal_id)
    return Emission(f"decision/{body.decision_id}", body, correlation)


def _on_signal(state: RiskState, signal: SignalValidated) -> list[Emission]:
    decided = decide(state, signal, None)
    if not wants_what_if(state, signal, decided) or decided.size is None:
        return [_decided(decided)]
    inputs = signal.risk_inputs
    wanted = WhatIfWanted(
        decision_id=decided.decision_id,
        signal_id=signal.signal_id,
        structure=signal.structure,
        quantity=decided.size.units,
        limit_price=floor_tick(inputs.net_mid + signal.mid_against_max),
    )
    correlation = derived_id("signal", signal.signal_id)
    return [Emission(f"decision/{decided.decision_id}", wanted, correlation)]


def _checked(
    state: RiskState, waiting: Pending, body: WhatIfAnswered | None, reason: str
) -> MarginChecked:
    asked = waiting.asked
    estimate = local_estimate(asked.structure, asked.limit_price, asked.quantity)
    change = None if body is None else body.initial_change
    accepted = change is not None and not is_mismatch(estimate, change, state.parameters)
    return MarginChecked(
        decision_id=asked.decision_id,
        order_ref=asked.decision_id if body is None else body.order_ref,
        initial_change=change,
        maintenance_change=None if body is None else body.maintenance_change,
        equity_with_loan_change=None if body is None else body.equity_with_loan_change,
        commission=None if body is None else body.commission,
        local_estimate=estimate,
        accepted=accepted,
        reason=reason or ("" if accepted else DenialCode.MARGIN_MISMATCH.value),
    )


def _on_answer(state: RiskState, body: WhatIfAnswered) -> list[Emission]:
    """The answer to a pending signal. An answer nobody waits for any more changes nothing."""
    waiting = state.pending.get(body.order_ref)
    if waiting is None:
        return []
    missing = "" if body.initial_change is not None else body.warning or "no numbers in the answer"
    checked = _checked(state, waiting, body, missing)
    answer = Answer(
        body.initial_change,
        body.maintenance_change,
        body.order_ref,
        waiting.asked.quantity,
        waiting.asked.limit_price,
        state.time.seconds - waiting.asked_at,
    )
    decided = decide(state, waiting.signal, answer)
    correlation = derived_id("signal", waiting.signal.signal_id)
    emitted = [Emission(f"decision/{checked.decision_id}", checked, correlation), _decided(decided)]
    if DenialCode.MARGIN_MISMATCH.value in decided.denials and body.initial_change is not None:
        text = (
            f"what-if {body.initial_change} USD against an estimate of {checked.local_estimate} USD"
            f" for {waiting.signal.signal_id}"
        )
        alert = AlertRaised(
            alert_id=f"margin-{checked.decision_id}",
            severity="warning",
            code=DenialCode.MARGIN_MISMATCH.value,
            text=text,
        )
        emitted.append(Emission(ALERT_STREAM, alert, correlation))
    return emitted


def _overdue_answers(state: RiskState) -> list[Emission]:
    """Signals whose what-if did not come in time are refused, naming it."""
    emitted: list[Emission] = []
    for waiting in state.pending.values():
        limit = state.parameters.number("risk.margin.what_if_wait_s")
        since = state.time.since(waiting.asked_at)
        if since is None or since <= limit:
            continue
        correlation = derived_id("signal", waiting.signal.signal_id)
        checked = _checked(state, waiting, None, f"no what-if answer within {limit:g} s")
        emitted.append(Emission(f"decision/{checked.decision_id}", checked, correlation))
        emitted.append(_decided(decide(state, waiting.signal, None)))
    return emitted
