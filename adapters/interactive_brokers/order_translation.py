"""Between the desk's order events and ib_async's orders, exactly and without defaults.

What goes out names tif, account, OCA type and transmit each time; what comes in keeps prices as
Decimal and unset numbers as None. Used by orders.py alone.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from ib_async import ComboLeg, CommissionReport, Contract, Execution, Order, OrderStatus
from ib_async import OrderState as IbOrderState

from domain.events.orders import (
    BrokerExecution,
    OrderIntended,
    OrderModifyIntended,
    OrderType,
    SnapshotOrder,
    SnapshotPosition,
    WhatIfAnswered,
)
from domain.instruments import MULTIPLIER, OptionContract, Structure

UNSET = Decimal("1e300")
"""TWS writes the greatest double for "no value"; anything beyond this is unset."""
EXCHANGE = "SMART"
CURRENCY = "USD"
TIME_IN_FORCE = "DAY"
"""Always sent: an empty one brings notice 10349, which reads like a cancel."""
TRIGGER_DEFAULT = 0
"""Double bid/ask for US options."""


def exact(value: float | Decimal | None) -> Decimal | None:
    """A number of TWS; None when it is unset. Whole numbers lose their .0."""
    if value is None:
        return None
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite() or abs(number) > UNSET:
        return None
    whole = number.to_integral_value()
    return whole if number == whole else number


def known(value: float | Decimal | None) -> Decimal:
    """As `exact`, with 0 for unset."""
    return exact(value) or Decimal(0)


def option_contract(contract: OptionContract) -> Contract:
    return Contract(
        secType="OPT",
        conId=contract.con_id,
        symbol=contract.symbol,
        lastTradeDateOrContractMonth=f"{contract.expiry:%Y%m%d}",
        strike=float(contract.strike),
        right=contract.right.value,
        multiplier=str(MULTIPLIER),
        exchange=EXCHANGE,
        currency=CURRENCY,
        tradingClass=contract.symbol,
    )


def structure_contract(structure: Structure) -> Contract:
    """The option, or a guaranteed combination with the legs as bought."""
    if structure.is_single:
        leg = structure.legs[0]
        assert leg.ratio == 1, f"a single option must have ratio 1, was {leg.ratio}"
        return option_contract(leg.contract)
    legs = [
        ComboLeg(
            conId=leg.contract.con_id,
            ratio=abs(leg.ratio),
            action="BUY" if leg.ratio > 0 else "SELL",
            exchange=EXCHANGE,
        )
        for leg in structure.legs
    ]
    return Contract(
        secType="BAG",
        symbol=structure.symbol,
        exchange=EXCHANGE,
        currency=CURRENCY,
        comboLegs=legs,
    )


def _plain(price: Decimal) -> Decimal:
    """A Decimal that prints without exponent: that text is what goes on the wire."""
    return Decimal(format(price, "f"))


def order_of(intent: OrderIntended, parent_id: int) -> Order:
    """A new Order for an intent; nothing is left to a preset of TWS."""
    stop = intent.stop_price if intent.order_type is OrderType.STOP_LIMIT else None
    assert (stop is None) == (intent.order_type is OrderType.LIMIT), "a stop needs its price"
    order = Order(
        orderId=intent.order_id,
        action=intent.action.value,
        totalQuantity=intent.quantity,
        orderType=intent.order_type.value,
        lmtPrice=_plain(intent.limit_price),
        tif=TIME_IN_FORCE,
        account=intent.account,
        orderRef=intent.order_ref,
        ocaGroup=intent.oca_group,
        ocaType=intent.oca_type,
        parentId=parent_id,
        transmit=intent.transmit,
        triggerMethod=TRIGGER_DEFAULT,
    )
    if stop is not None:
        order.auxPrice = _plain(stop)
    return order


def modified_order(
    original: OrderIntended, change: OrderModifyIntended, seen: SnapshotOrder
) -> Order:
    """A clean Order under the same id; the order that TWS echoed is never sent back.

    Parent and OCA group are what TWS showed last, unless the change names a group.
    """
    order = order_of(original, seen.parent_id)
    order.totalQuantity = change.quantity
    order.lmtPrice = _plain(change.limit_price)
    if original.order_type is OrderType.STOP_LIMIT:
        assert change.stop_price is not None, "a stop needs its price"
        order.auxPrice = _plain(change.stop_price)
    order.ocaGroup = change.oca_group or seen.oca_group
    order.ocaType = change.oca_type or seen.oca_type or original.oca_type
    order.transmit = True
    return order


def opened(
    contract: Contract, order: Order, status: str, before: SnapshotOrder | None
) -> SnapshotOrder:
    """An openOrder; how much is filled comes from the last orderStatus, unless all of it is."""
    quantity = known(order.totalQuantity)
    filled = before.filled if before is not None else Decimal(0)
    if status == OrderStatus.Filled:
        filled = quantity
    return SnapshotOrder(
        order_id=order.orderId,
        client_id=order.clientId,
        perm_id=order.permId,
        order_ref=order.orderRef,
        con_id=contract.conId,
        symbol=contract.symbol,
        sec_type=contract.secType,
        action=order.action,
        quantity=quantity,
        order_type=order.orderType,
        limit_price=exact(order.lmtPrice),
        stop_price=exact(order.auxPrice) if order.orderType == "STP LMT" else None,
        status=status,
        filled=filled,
        remaining=max(quantity - filled, Decimal(0)),
        parent_id=order.parentId,
        oca_group=order.ocaGroup,
        oca_type=order.ocaType,
        account=order.account,
        why_held=before.why_held if before is not None else "",
    )


def completed(contract: Contract, order: Order, state: IbOrderState) -> SnapshotOrder:
    """A completedOrder: it has neither order id nor client id; its fill is filledQuantity."""
    filled = known(order.filledQuantity)
    base = opened(contract, order, state.status, None)
    return base.model_copy(
        update={
            "order_id": 0,
            "client_id": 0,
            "filled": filled,
            "remaining": max(base.quantity - filled, Decimal(0)),
            "completed_status": state.completedStatus,
        }
    )


def with_status(before: SnapshotOrder, status: OrderStatus) -> SnapshotOrder:
    return before.model_copy(
        update={
            "status": status.status,
            "filled": known(status.filled),
            "remaining": known(status.remaining),
            "perm_id": status.permId or before.perm_id,
            "parent_id": status.parentId or before.parent_id,
            "why_held": status.whyHeld,
        }
    )


def only_status(status: OrderStatus, order_ref: str) -> SnapshotOrder:
    """An orderStatus for an order whose openOrder was not seen: only these fields are known."""
    filled, remaining = known(status.filled), known(status.remaining)
    return SnapshotOrder(
        order_id=status.orderId,
        client_id=status.clientId,
        perm_id=status.permId,
        order_ref=order_ref,
        con_id=0,
        symbol="",
        sec_type="",
        action="",
        quantity=filled + remaining,
        order_type="",
        limit_price=None,
        stop_price=None,
        status=status.status,
        filled=filled,
        remaining=remaining,
        parent_id=status.parentId,
        oca_group="",
        account="",
        why_held=status.whyHeld,
    )


def execution(contract: Contract, detail: Execution) -> BrokerExecution:
    assert isinstance(detail.time, datetime)
    return BrokerExecution(
        exec_id=detail.execId,
        order_id=0 if detail.orderId == 2**31 - 1 else detail.orderId,
        client_id=detail.clientId,
        perm_id=detail.permId,
        order_ref=detail.orderRef,
        con_id=contract.conId,
        symbol=contract.symbol,
        sec_type=contract.secType,
        side=detail.side,
        quantity=known(detail.shares),
        price=known(detail.price),
        executed_at=detail.time,
        account=detail.acctNumber,
        liquidation=detail.liquidation,
        cumulative_quantity=known(detail.cumQty),
        average_price=known(detail.avgPrice),
    )


def realised(report: CommissionReport) -> Decimal | None:
    """Unset stays unset: a zero would read as a trade that broke even."""
    return exact(report.realizedPNL)


def position(account: str, contract: Contract, quantity: float, cost: float) -> SnapshotPosition:
    return SnapshotPosition(
        con_id=contract.conId,
        symbol=contract.symbol,
        sec_type=contract.secType,
        expiry=contract.lastTradeDateOrContractMonth,
        strike=known(contract.strike),
        right=contract.right if contract.right in ("C", "P") else "",
        quantity=known(quantity),
        average_cost=known(cost),
        account=account,
    )


def what_if_answer(
    connection: str, intent: OrderIntended, state: IbOrderState | None, warning: str
) -> WhatIfAnswered:
    """Margin changes; None everywhere when no usable answer came."""
    numbers: dict[str, Decimal | None] = {}
    for name, source in (
        ("initial_change", "initMarginChange"),
        ("maintenance_change", "maintMarginChange"),
        ("equity_with_loan_change", "equityWithLoanChange"),
        ("commission", "commission"),
    ):
        value = getattr(state, source, None) if state is not None else None
        numbers[name] = exact(float(value)) if value not in (None, "") else None
    return WhatIfAnswered(
        connection=connection,
        order_ref=intent.order_ref,
        order_id=intent.order_id,
        warning=warning or (state.warningText if state is not None else ""),
        **numbers,
    )
