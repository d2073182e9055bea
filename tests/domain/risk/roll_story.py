"""A desk that holds a condor of the 14D+ bucket, and proposals to roll its put side."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain.event import Body
from domain.events.orders import OrderIntended, OrderState, OrderType, Purpose, WhatIfAnswered
from domain.events.positions import LegPosition, PositionChanged
from domain.events.risk import RiskDecided, WhatIfWanted
from domain.events.rolls import RollDecided, RollProposed
from domain.instruments import Direction, Right, Side, Strategy, Structure
from domain.rolling import roll_of
from tests.domain.risk.build import Driven, condor, contract, leg_quote, one, signal
from tests.domain.risk.desk_story import opened, order_changed, ready

UNITS = 3
HELD = condor()
"""Puts 588 and 592, calls 608 and 612; four dollars wide."""
NEW_SHORT, NEW_LONG = contract(597, Right.PUT), contract(593, Right.PUT)
ROLL = roll_of(HELD, NEW_SHORT, NEW_LONG)
LOSS_USD = Decimal("310.00")
"""A unit, as the book counts it; at its price it is 305.60."""


def position_changed(
    units: int = UNITS, shape: Structure = HELD, **changes: Any
) -> PositionChanged:
    legs = tuple(
        LegPosition(con_id=leg.contract.con_id, quantity=leg.ratio * units) for leg in shape.legs
    )
    values: dict[str, Any] = {
        "position_id": "pos-1",
        "fill_id": "f",
        "legs": legs,
        "units": units,
        "average_entry_price": Decimal("-1.00"),
        "average_exit_price": None,
        "realised_pnl": Decimal(0),
        "fees": Decimal(0),
    }
    return PositionChanged(**{**values, **changes})


def holding(desk: Driven | None = None, **parameters: Any) -> Driven:
    """The condor is decided on, entered and held."""
    desk = desk or ready(**parameters)
    quotes = tuple(leg_quote(leg.contract.con_id, delta=0.2, gamma=0.01) for leg in HELD.legs)
    asked = signal(
        HELD,
        at=desk.at,
        strategy=Strategy.FOURTEEN_DTE,
        direction=Direction.NEUTRAL,
        mid="-1.00",
        legs=quotes,
    )
    desk.when(asked)
    desk.when(
        RiskDecided(
            decision_id="dec-sig-1",
            signal_id="sig-1",
            strategy=Strategy.FOURTEEN_DTE,
            symbol="SPY",
            approved=True,
            units=UNITS,
            denials=(),
            checks=(),
            size=None,
            max_loss_usd=LOSS_USD * UNITS,
            max_profit_usd=None,
            equity_usd=Decimal(1_000_000),
            broker_ready_id="",
            decided_at=desk.at,
        )
    )
    desk.when(order(Purpose.ENTRY, "pos-1-E1", HELD, "dec-sig-1"))
    desk.when(
        opened(
            strategy=Strategy.FOURTEEN_DTE,
            direction=Direction.NEUTRAL,
            structure=HELD,
            planned_units=UNITS,
            max_loss_per_unit_usd=LOSS_USD,
        )
    )
    desk.when(position_changed())
    filled = OrderState.FILLED
    desk.when(order_changed(filled, filled=UNITS, ref="pos-1-E1"))
    return desk


def order(purpose: Purpose, ref: str, shape: Structure, decision_id: str) -> OrderIntended:
    return OrderIntended(
        order_ref=ref,
        order_id=1,
        client_id=1,
        connection="c",
        broker_ready_id="b",
        purpose=purpose,
        signal_id="sig-1",
        decision_id=decision_id,
        position_id="pos-1",
        structure=shape,
        action=Side.BUY,
        quantity=UNITS,
        order_type=OrderType.LIMIT,
        limit_price=Decimal("-1.00"),
        stop_price=None,
        account="DU1",
    )


def proposed(desk: Driven, number: int = 1, mid: str = "-0.25", **changes: Any) -> RollProposed:
    roll = changes.get("roll", ROLL)
    net = Decimal(mid)
    values: dict[str, Any] = {
        "roll_id": f"roll-pos-1-{number}",
        "position_id": "pos-1",
        "signal_id": "sig-1",
        "strategy": Strategy.FOURTEEN_DTE,
        "symbol": "SPY",
        "structure": HELD,
        "roll": roll,
        "units": UNITS,
        "tested": HELD.legs[2].contract,
        "tested_delta": 0.36,
        "threshold_delta": 0.35,
        "target_delta": 0.16,
        "legs": tuple(leg_quote(leg.contract.con_id, delta=-0.1) for leg in roll.legs),
        "underlying_price": 600.0,
        "net_bid": net - Decimal("0.02"),
        "net_ask": net + Decimal("0.02"),
        "net_mid": net,
        "model_mid": net,
        "valid_until": desk.at + timedelta(seconds=300),
        "underlying_move_max": 3.0,
        "mid_against_max": Decimal("0.05"),
        "target_credit": 0.5,
        "stop_cost": 2.0,
        "params_version": 1,
    }
    return RollProposed(**{**values, **changes})


def answered(wanted: WhatIfWanted, change: str = "-60") -> WhatIfAnswered:
    return WhatIfAnswered(
        connection="c",
        order_ref=wanted.decision_id,
        order_id=2,
        initial_change=Decimal(change),
        maintenance_change=None,
        equity_with_loan_change=None,
        commission=None,
        warning="",
    )


def ask(desk: Driven, body: RollProposed | None = None, change: str = "-60") -> RollDecided:
    """The decision on a proposal; where the broker's margin is asked for, it is given."""
    emitted: list[Body] = desk.when(body or proposed(desk))
    wanted = [asked for asked in emitted if isinstance(asked, WhatIfWanted)]
    if wanted:
        emitted = desk.when(answered(wanted[0], change))
    found: RollDecided = one(emitted, RollDecided)
    return found
