"""Entries that wait for a person: asked once, decided on what holds at the press, gone in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.distribution.approvals import ApprovalStage
from domain.events.approvals import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalPromptWanted,
    ApprovalRequested,
)
from domain.events.controls import TradeApproved
from domain.events.orders import EntryRefused
from domain.events.risk import RiskDecided, WhatIfWanted
from domain.events.signals import SignalInvalidated
from domain.instruments import Strategy
from domain.parameters import PARAMETERS
from domain.risk.parameters import ASK, AUTO, approval_mode
from domain.risk.stage import RiskStage
from domain.risk.trade_approval import TradeApprovalStage
from run.config import Settings
from run.workers import WORKERS
from tests.domain.risk.build import HALT, NOON, Driven, changed, desk_events, none, one, signal

ASKING = changed().model_copy(
    update={"values": {**changed().values, approval_mode(Strategy.ZERO_DTE): ASK}}
)


def desk(parameters: Any = ASKING) -> Driven:
    made = Driven(TradeApprovalStage(), RiskStage())
    for body in (parameters, *desk_events()):
        made.when(body)
    return made


def asked(made: Driven) -> ApprovalRequested:
    emitted = made.when(signal(at=made.at))
    assert not goes_on(emitted)
    request: ApprovalRequested = one(emitted, ApprovalRequested)
    return request


def goes_on(emitted: list[Any]) -> bool:
    """Risk takes it up: it decides, or asks the broker for the margin first."""
    return any(isinstance(body, RiskDecided | WhatIfWanted) for body in emitted)


def decided(request: ApprovalRequested, *, approved: bool) -> ApprovalDecided:
    return ApprovalDecided(
        approval_id=request.approval_id, revision=1, approved=approved, who="ann", callback_id="1"
    )


def expired(request: ApprovalRequested) -> ApprovalExpired:
    return ApprovalExpired(approval_id=request.approval_id, revision=1)


def test_by_default_no_strategy_asks() -> None:
    assert {PARAMETERS[approval_mode(strategy)].default for strategy in Strategy} == {AUTO}
    made = desk(changed())
    emitted = made.when(signal(at=made.at))
    none(emitted, ApprovalRequested)
    assert goes_on(emitted)


def test_an_entry_that_asks_is_not_decided_before_the_press() -> None:
    made = desk()
    request = asked(made)
    assert (request.kind, request.subject_id) == ("trade", signal(at=made.at).signal_id)
    assert request.expires_at == made.at + timedelta(seconds=20), "never later than the signal"
    for word in ("SPY", "0DTE", "stop 0.75", "target 2.40"):
        assert word in request.text
    assert not goes_on(made.tick())
    emitted = made.when(decided(request, approved=True))
    assert one(emitted, TradeApproved).who == "ann"
    assert goes_on(emitted)


def test_risk_decides_on_what_holds_at_the_press() -> None:
    """A press does not pass a limit: the desk was halted while the message was read."""
    made = desk()
    request = asked(made)
    made.when(HALT)
    decision = one(made.when(decided(request, approved=True)), RiskDecided)
    assert not decision.approved and "KILL_SWITCH_OFF" in decision.denials


@pytest.mark.parametrize("how", ["rejected", "expired", "silent"])
def test_an_unpressed_or_rejected_trade_is_never_entered(how: str) -> None:
    """Also when the outbox is away and nobody says that it expired."""
    made = desk()
    request = asked(made)
    if how == "rejected":
        emitted = made.when(decided(request, approved=False))
    elif how == "expired":
        emitted = made.when(expired(request))
    else:
        none(made.tick(after=19), EntryRefused)
        emitted = made.tick(after=1)
    assert one(emitted, EntryRefused).codes == ("TRADE_APPROVED",)
    for late in (decided(request, approved=True), expired(request)):
        emitted = made.when(late)
        assert not goes_on(emitted)
        none(emitted, EntryRefused)


def test_a_second_press_enters_nothing_twice() -> None:
    made = desk()
    request = asked(made)
    assert goes_on(made.when(decided(request, approved=True)))
    assert not goes_on(made.when(decided(request, approved=True)))


def test_a_signal_that_died_while_a_person_thought_is_not_entered() -> None:
    made = desk()
    request = asked(made)
    made.when(
        SignalInvalidated(
            signal_id=request.subject_id, condition="move", measured="1", threshold="0"
        )
    )
    emitted = made.when(decided(request, approved=True))
    none(emitted, TradeApproved)
    assert not goes_on(emitted)


def test_a_strategy_asks_for_itself_alone() -> None:
    made = desk()
    emitted = made.when(signal(at=made.at, strategy=Strategy.ONE_DTE))
    none(emitted, ApprovalRequested)
    assert goes_on(emitted)


def test_exits_never_wait_for_an_approval(tmp_path: Any) -> None:
    """The stage hears of no position, no exit and no stop, and only risk hears what it says."""
    exits = {"ExitDecided", "FlattenStarted", "TradeCancelRequested", "PositionOpened"}
    assert not TradeApprovalStage.types & exits
    settings = Settings(_env_file=None, DATABASE_URL="postgresql://x", REDIS_URL="redis://x")
    hearing = [s.name for s in WORKERS["trader"](settings) if "TradeApproved" in s.types]
    assert hearing == ["risk"]


def test_the_same_log_asks_and_decides_the_same() -> None:
    made = desk()
    request = asked(made)
    made.when(decided(request, approved=True))
    again = [[event.body for event in emitted] for emitted in made.repeated()]
    assert again == [[event.body for event in emitted] for _, emitted in made.inputs]
    assert made.folded().states[0].waiting == {}


def test_the_outbox_shows_what_the_trader_asks_and_expires_it() -> None:
    request = asked(desk())
    outbox = Driven(ApprovalStage(), worker="outbox")
    outbox.at = NOON
    assert one(outbox.when(request), ApprovalPromptWanted).approval_id == request.approval_id
    late = (request.expires_at - outbox.at).total_seconds()
    assert one(outbox.tick(after=late), ApprovalExpired).approval_id == request.approval_id


def test_an_approval_of_its_own_is_shown_once() -> None:
    request = asked(desk()).model_copy(update={"kind": "post"})
    outbox = Driven(ApprovalStage(), worker="outbox")
    none(outbox.when(request), ApprovalPromptWanted)
