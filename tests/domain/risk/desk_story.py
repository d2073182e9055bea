"""A desk as the risk stage sees it: made ready, asked to decide, holding positions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.event import Body
from domain.events.orders import (
    OrderChanged,
    OrderIntended,
    OrderState,
    OrderType,
    Purpose,
    WhatIfAnswered,
)
from domain.events.positions import (
    ExitReason,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from domain.events.risk import RiskDecided, WhatIfWanted
from domain.events.signals import SignalValidated
from domain.instruments import Direction, Side, Strategy
from domain.risk.codes import DenialCode
from domain.risk.margin import local_estimate
from domain.risk.stage import RiskStage
from tests.domain.risk.build import (
    NOON,
    Driven,
    account,
    call_vertical,
    changed,
    desk_events,
    exit_plan,
    one,
    signal,
)

C = DenialCode


def ready(*, at: datetime = NOON, **parameters: Any) -> Driven:
    """A desk that would approve: calendar aside, everything an entry needs is there.

    The book's gamma is the model's, far above that of the builder's quotes: it has room here.
    """
    desk = Driven(RiskStage(), at=at)
    room = {"risk__greek__gamma_long": 2.0, "risk__greek__gamma_short": 2.0}
    desk.when(changed(**{**room, **parameters}))
    for body in desk_events():
        desk.when(body)
    return desk


def decide(desk: Driven, body: SignalValidated | None = None) -> RiskDecided:
    """The decision on a signal; where the broker's margin is asked for, it is what it costs."""
    emitted = desk.when(signal(at=desk.at) if body is None else body)
    asked = [wanted for wanted in emitted if isinstance(wanted, WhatIfWanted)]
    if asked:
        emitted = desk.when(margin_answer(asked[0]))
    found: RiskDecided = one(emitted, RiskDecided)
    return found


def margin_answer(wanted: WhatIfWanted, change: Decimal | None = None) -> WhatIfAnswered:
    cost = local_estimate(wanted.structure, wanted.limit_price, wanted.quantity)
    return WhatIfAnswered(
        connection="c",
        order_ref=wanted.decision_id,
        order_id=2,
        initial_change=cost if change is None else change,
        maintenance_change=None,
        equity_with_loan_change=None,
        commission=None,
        warning="",
    )


def worth(desk: Driven, equity: int, *, readings: int = 3) -> list[Body]:
    """The account says a new equity, several times a second apart; what the last led to."""
    emitted: list[Body] = []
    for _ in range(readings):
        emitted = desk.when(account(Decimal(equity)), after=1)
    return emitted


def intended(decision: RiskDecided, *, quantity: int, ref: str = "ref-1") -> OrderIntended:
    return OrderIntended(
        order_ref=ref,
        order_id=1,
        client_id=1,
        connection="c",
        broker_ready_id="b",
        purpose=Purpose.ENTRY,
        signal_id=decision.signal_id,
        decision_id=decision.decision_id,
        position_id="pos-1",
        structure=call_vertical(),
        action=Side.BUY,
        quantity=quantity,
        order_type=OrderType.LIMIT,
        limit_price=Decimal("1.50"),
        stop_price=None,
        account="DU1",
    )


def order_changed(
    state: OrderState, *, filled: int = 0, remaining: int = 0, ref: str = "ref-1"
) -> OrderChanged:
    return OrderChanged(
        order_ref=ref,
        order_id=1,
        perm_id=1,
        state=state,
        filled=filled,
        remaining=remaining,
        reason="",
    )


def opened(position_id: str = "pos-1", **changes: Any) -> PositionOpened:
    values: dict[str, Any] = {
        "position_id": position_id,
        "signal_id": "sig-1",
        "decision_id": "dec-sig-1",
        "strategy": Strategy.ZERO_DTE,
        "symbol": "SPY",
        "direction": Direction.BULLISH,
        "structure": call_vertical(),
        "planned_units": 5,
        "exit_plan": exit_plan(),
        "max_loss_per_unit_usd": Decimal("155"),
        "risk_units": Decimal(1),
        "opened_at": NOON,
    }
    return PositionOpened(**{**values, **changes})


def holding(desk: Driven, units: int, position_id: str = "pos-1") -> None:
    desk.when(
        PositionChanged(
            position_id=position_id,
            fill_id="f",
            legs=(),
            units=units,
            average_entry_price=Decimal("1.5"),
            average_exit_price=None,
            realised_pnl=Decimal(0),
            fees=Decimal(0),
        )
    )


def closed(desk: Driven, pnl: str, reason: ExitReason, position_id: str = "pos-1") -> list[Body]:
    return desk.when(
        PositionClosed(
            position_id=position_id,
            signal_id="sig-1",
            strategy=Strategy.ZERO_DTE,
            symbol="SPY",
            reason=reason,
            units=5,
            entry_price=Decimal("1.5"),
            exit_price=Decimal("1.0"),
            realised_pnl=Decimal(pnl),
            fees=Decimal(0),
            pnl_over_max_loss=Decimal(0),
            opened_at=NOON,
            closed_at=desk.at,
        )
    )


def denied(decision: RiskDecided, code: DenialCode) -> bool:
    assert not decision.approved and decision.units == 0
    return code.value in decision.denials
