"""The trade approval stage: a person lets an entry of some strategies be decided, or does not.

First stage of the worker "trader". By parameter `risk.approval.<strategy>` an entry goes on by
itself (auto) or is asked for (ask). The question is an ApprovalRequested like any other: the outbox
shows it on Telegram and the first press counts. Risk decides after the press, on what holds then;
an entry that nobody presses in time is refused. Exits never wait: nothing here knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from domain.event import Recorded, derived_id
from domain.events.approvals import ApprovalDecided, ApprovalExpired, ApprovalRequested
from domain.events.controls import TradeApproved
from domain.events.orders import EntryRefused
from domain.events.signals import SignalExpired, SignalInvalidated, SignalValidated
from domain.events.system import ClockTicked, ParametersChanged
from domain.instruments import Structure
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.risk.decide import decision_id
from domain.risk.parameters import APPROVAL_EXPIRY, ASK, approval_mode
from domain.stage import Emission

KIND = "trade"


def asks(parameters: ParameterState, signal: SignalValidated) -> bool:
    """Whether this entry waits for a person. A log from before there was a choice never asked."""
    return parameters.values.get(approval_mode(signal.strategy)) == ASK


@dataclass(frozen=True, slots=True)
class _Waiting:
    signal: SignalValidated
    correlation_id: UUID


@dataclass(slots=True)
class TradeApprovalState:
    parameters: ParameterState = field(default_factory=ParameterState)
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    """By approval id."""
    due: list[Emission] = field(default_factory=list)


class TradeApprovalStage:
    """Stage protocol over TradeApprovalState."""

    name = "trade_approval"
    types = frozenset(
        {
            "ApprovalDecided",
            "ApprovalExpired",
            "ClockTicked",
            "ParametersChanged",
            "SignalExpired",
            "SignalInvalidated",
            "SignalValidated",
        }
    )

    def initial(self) -> TradeApprovalState:
        return TradeApprovalState()

    def react(self, state: TradeApprovalState, event: Recorded) -> Sequence[Emission]:
        return state.due

    def evolve(self, state: TradeApprovalState, event: Recorded) -> TradeApprovalState:
        state.due = []
        match event.body:
            case ParametersChanged() as body:
                state.parameters.apply(body)
            case SignalValidated() as body:
                if asks(state.parameters, body):
                    _ask(state, event, body)
            case ApprovalDecided() as body:
                _decided(state, body)
            case ApprovalExpired() as body:
                _refuse(state, body.approval_id)
            case SignalExpired() | SignalInvalidated() as body:
                state.waiting.pop(_approval_id(body.signal_id), None)
            case ClockTicked():
                # The outbox expires it; when that is away, the signal's own end does.
                for approval_id, waiting in list(state.waiting.items()):
                    if event.market_time >= waiting.signal.valid_until:
                        _refuse(state, approval_id)
        return state


def _approval_id(signal_id: str) -> str:
    return derived_id("trade", signal_id).hex[:26]


def _ask(state: TradeApprovalState, event: Recorded, signal: SignalValidated) -> None:
    approval_id = _approval_id(signal.signal_id)
    state.waiting[approval_id] = _Waiting(signal, event.correlation_id)
    patience = timedelta(seconds=state.parameters.number(APPROVAL_EXPIRY))
    request = ApprovalRequested(
        approval_id=approval_id,
        kind=KIND,
        subject_id=signal.signal_id,
        revision=1,
        text=_text(signal),
        targets=("broker",),
        expires_at=min(signal.valid_until, event.market_time + patience),
    )
    state.due.append(Emission(f"approval/{approval_id}", request, event.correlation_id))


def _decided(state: TradeApprovalState, body: ApprovalDecided) -> None:
    if not body.approved:
        _refuse(state, body.approval_id)
        return
    waiting = state.waiting.pop(body.approval_id, None)
    if waiting is None:
        return
    approved = TradeApproved(
        signal_id=waiting.signal.signal_id, approval_id=body.approval_id, who=body.who
    )
    stream = f"trade-approval/{body.approval_id}"
    state.due.append(Emission(stream, approved, waiting.correlation_id))


def _refuse(state: TradeApprovalState, approval_id: str) -> None:
    waiting = state.waiting.pop(approval_id, None)
    if waiting is None:
        return
    decision = decision_id(waiting.signal)
    refused = EntryRefused(
        decision_id=decision,
        signal_id=waiting.signal.signal_id,
        codes=(DenialCode.TRADE_APPROVED.value,),
    )
    state.due.append(Emission(f"decision-orders/{decision}", refused, waiting.correlation_id))


def _legs(structure: Structure) -> str:
    return " / ".join(
        f"{leg.ratio:+d} {leg.contract.strike.normalize():f}{leg.contract.right.value}"
        f" {leg.contract.expiry}"
        for leg in structure.legs
    )


def _text(signal: SignalValidated) -> str:
    """What the person decides on. Size is risk's, after the press."""
    plan = signal.exit_plan
    return "\n".join(
        (
            f"Enter {signal.symbol} {signal.strategy.value} {signal.direction.value}?",
            _legs(signal.structure),
            f"mid {signal.risk_inputs.net_mid}, at most {signal.mid_against_max} worse",
            f"stop {plan.stop_price}, target {plan.target_price}",
            f"probability {signal.probability:.2f}, score {signal.score:.2f}",
            f"valid until {signal.valid_until:%H:%M:%S} UTC",
        )
    )
