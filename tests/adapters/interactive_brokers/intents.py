"""Order intents on the contracts of the still market."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from domain.events.orders import OrderIntended, OrderType, Purpose
from domain.instruments import Leg, OptionContract, Right, Side, Structure, StructureKind
from tests.adapters.interactive_brokers.still_market import CALL_600, CALL_605, EXPIRY


def wall_clock() -> datetime:
    return datetime.now(UTC)


def listed_option(con_id: int, strike: int, right: Right, expiry: date = EXPIRY) -> OptionContract:
    return OptionContract(
        con_id=con_id, symbol="SPY", expiry=expiry, strike=Decimal(strike), right=right
    )


LONG_CALL = Structure(
    kind=StructureKind.LONG_OPTION,
    legs=(Leg(contract=listed_option(CALL_600, 600, Right.CALL), ratio=1),),
)
DEBIT_CALL_SPREAD = Structure(
    kind=StructureKind.DEBIT_VERTICAL,
    legs=(
        Leg(contract=listed_option(CALL_600, 600, Right.CALL), ratio=1),
        Leg(contract=listed_option(CALL_605, 605, Right.CALL), ratio=-1),
    ),
)


def intent(
    order_id: int,
    order_ref: str,
    *,
    connection: str = "c1",
    structure: Structure = LONG_CALL,
    action: Side = Side.BUY,
    quantity: int = 2,
    limit: str = "1.25",
    stop: str | None = None,
    purpose: Purpose = Purpose.ENTRY,
    parent_ref: str = "",
    transmit: bool = True,
    oca_group: str = "",
    oca_type: int = 0,
) -> OrderIntended:
    return OrderIntended(
        order_ref=order_ref,
        order_id=order_id,
        client_id=7,
        connection=connection,
        broker_ready_id="ready",
        purpose=purpose,
        signal_id="signal",
        decision_id="decision",
        position_id="position",
        structure=structure,
        action=action,
        quantity=quantity,
        order_type=OrderType.LIMIT if stop is None else OrderType.STOP_LIMIT,
        limit_price=Decimal(limit),
        stop_price=None if stop is None else Decimal(stop),
        account="DU1234567",
        parent_ref=parent_ref,
        transmit=transmit,
        oca_group=oca_group,
        oca_type=oca_type,
    )


def protective_stop(order_id: int, order_ref: str, parent_ref: str, **more: Any) -> OrderIntended:
    return intent(
        order_id,
        order_ref,
        action=Side.SELL,
        limit="0.50",
        stop="0.60",
        purpose=Purpose.PROTECTIVE_STOP,
        parent_ref=parent_ref,
        **more,
    )
