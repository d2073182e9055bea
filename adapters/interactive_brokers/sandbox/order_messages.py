"""Order messages as TWS writes them at server version 178.

openOrder (5), orderStatus (3), completedOrder (101), execDetails (11), commissionReport (59) and
errors (4). The engine and the sessions call these; each returns one whole frame.
"""

from __future__ import annotations

from datetime import datetime

from adapters.interactive_brokers.sandbox.account import WhatIfFigures
from adapters.interactive_brokers.sandbox.contracts import (
    COMBO_CON_ID,
    ContractDirectory,
    tws_time,
)
from adapters.interactive_brokers.sandbox.state import SimExecution, SimOrder
from adapters.interactive_brokers.sandbox.wire import UNSET_DOUBLE, FieldValue, frame

MARGIN_FIELD_COUNT = 9


def error(request_id: int, code: int, text: str) -> bytes:
    return frame(4, 2, request_id, code, text, "")


def order_status(order: SimOrder) -> bytes:
    return frame(
        3,
        order.order_id,
        order.status,
        order.filled,
        0 if order.status == "Cancelled" else order.remaining,
        order.average_price,
        order.perm_id,
        order.parent_id,
        order.last_price,
        order.client_id,
        order.why_held,
        0,
    )


def _legs(order: SimOrder) -> list[FieldValue]:
    """comboLegsDescrip, the legs, the leg prices and the routing parameters."""
    if not order.legs:
        return ["", 0, 0, 0]
    fields: list[FieldValue] = [",".join(f"{leg.con_id}:{leg.ratio}" for leg in order.legs)]
    fields.append(len(order.legs))
    for leg in order.legs:
        action = "BUY" if leg.ratio > 0 else "SELL"
        fields += [leg.con_id, abs(leg.ratio), action, "SMART", 0, 0, "", -1]
    fields += [0, len(order.routing)]
    for tag, value in order.routing:
        fields += [tag, value]
    return fields


def _blank(count: int) -> list[FieldValue]:
    return [""] * count


def open_order(
    order: SimOrder,
    directory: ContractDirectory,
    what_if: WhatIfFigures | None = None,
    what_if_unset: bool = False,
) -> bytes:
    """An openOrder message; with figures it is the answer to a what-if."""
    is_what_if = what_if is not None or what_if_unset
    head: list[FieldValue] = [
        5,
        order.order_id,
        *directory.fields(order.con_id, order.symbol),
        order.action,
        order.total,
        order.order_type,
        order.limit_price,
        order.stop_price if order.stop_price is not None else "0.0",
        order.tif,
        order.oca_group,
        order.account,
        "",
        0,
        order.order_ref,
        order.client_id,
        order.perm_id,
        False,  # outsideRth, index 26
        False,
        *_blank(25),  # 28 .. 52
        order.oca_type,
        *_blank(3),  # 54 .. 56
        order.parent_id,
        0,  # triggerMethod
        *_blank(2),  # volatility and its type
        "None",  # deltaNeutralOrderType, with its eight fields, as TWS echoes it
        "0.0",
        *(0, "", "", "", "?", False, 0, ""),
        *_blank(6),  # 63 .. 68
    ]
    margins: list[FieldValue] = [UNSET_DOUBLE] * MARGIN_FIELD_COUNT
    commission: list[FieldValue] = [UNSET_DOUBLE] * 3
    if what_if is not None:
        before, after = what_if.before, what_if.after
        figures = (
            before.initial,
            before.maintenance,
            what_if.equity_before,
            after.initial - before.initial,
            after.maintenance - before.maintenance,
            what_if.equity_after - what_if.equity_before,
            after.initial,
            after.maintenance,
            what_if.equity_after,
        )
        margins = [round(figure, 2) for figure in figures]
        commission = [what_if.commission] * 3
    tail: list[FieldValue] = [
        *_legs(order),  # 69 .. 72
        *_blank(4),  # scale levels and increment, hedgeType
        False,  # optOutSmartRouting, 77
        "",
        "IB",
        False,
        0,  # deltaNeutralContract, 81
        "",
        False,
        is_what_if,
        order.status,
        *margins,
        *commission,
        "USD",
        "",  # warningText, 99
        False,
        False,
        0,  # conditions, 102
        "None",
        *_blank(7),  # 104 .. 110
        *_blank(4),  # 111 .. 114
        True,  # dontUseAutoPriceForHedge, 115
        *_blank(11),  # 116 .. 126
    ]
    return frame(*head, *tail)


def completed_order(order: SimOrder, directory: ContractDirectory) -> bytes:
    """A completedOrder message: it carries no orderId and no clientId."""
    completed = datetime.fromisoformat(order.completed_at)
    return frame(
        101,
        *directory.fields(order.con_id, order.symbol),
        order.action,
        order.total,
        order.order_type,
        order.limit_price,
        order.stop_price if order.stop_price is not None else "0.0",
        order.tif,
        order.oca_group,
        order.account,
        "",
        0,
        order.order_ref,
        order.perm_id,
        *_blank(24),  # 24 .. 47
        order.oca_type,
        0,  # triggerMethod
        *_blank(2),
        "",  # deltaNeutralOrderType, 52
        *_blank(5),  # 53 .. 57
        *_legs(order),  # 58 .. 61
        *_blank(4),  # 62 .. 65
        "",
        "IB",
        False,
        0,
        "",
        False,  # solicited, 71
        order.status,
        False,
        False,
        0,
        *_blank(6),  # 76 .. 81
        order.filled,
        *_blank(6),  # 83 .. 88
        tws_time(completed),
        order.completed_status,
        *_blank(5),
    )


def execution_details(
    execution: SimExecution, directory: ContractDirectory, request_id: int = -1
) -> bytes:
    return frame(
        11,
        request_id,
        execution.order_id,
        *directory.fields(execution.con_id, execution.symbol),
        execution.exec_id,
        tws_time(datetime.fromisoformat(execution.at)),
        execution.account,
        "SMART" if execution.con_id == COMBO_CON_ID else "CBOE",
        execution.side,
        execution.quantity,
        execution.price,
        execution.perm_id,
        execution.client_id,
        execution.liquidation,
        execution.cumulative,
        execution.average_price,
        execution.order_ref,
        "",
        "",
        "",
        2,
        False,
    )


def commission_report(execution: SimExecution) -> bytes:
    realised = UNSET_DOUBLE if execution.realised is None else execution.realised
    return frame(59, 1, execution.exec_id, execution.commission, "USD", realised, UNSET_DOUBLE, "")
