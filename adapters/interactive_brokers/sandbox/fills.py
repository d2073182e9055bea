"""Turns a fill into executions, ledger lines and the messages TWS sends about it.

A combination's fill is one execution of the combination and one for each leg, sharing the stem of
the id; only the legs move positions and carry commission. The engine calls `record`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from adapters.interactive_brokers.sandbox import order_messages
from adapters.interactive_brokers.sandbox.account import (
    COMMISSION_A_CONTRACT,
    COMMISSION_A_SHARE,
    SimAccount,
)
from adapters.interactive_brokers.sandbox.book import OrderBook, stored_time
from adapters.interactive_brokers.sandbox.contracts import ContractDirectory
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.matching import NetQuote, leg_prices
from adapters.interactive_brokers.sandbox.state import SimExecution, SimOrder

CENT = Decimal("0.01")


class FillRecorder:
    """Books fills of orders; `later` sends messages after the others of the flow."""

    def __init__(
        self,
        book: OrderBook,
        account: SimAccount,
        directory: ContractDirectory,
        faults: Faults,
        later: Callable[[int, list[bytes]], None],
    ) -> None:
        self._book = book
        self._account = account
        self._directory = directory
        self._faults = faults
        self._later = later

    def record(
        self, order: SimOrder, quantity: int, price: Decimal, quote: NetQuote, at: datetime
    ) -> list[bytes]:
        """Fill `quantity` of the order at the net `price`; the messages for its owner."""
        assert 0 < quantity <= order.remaining, (quantity, order.remaining)
        total = order.average_price * order.filled + price * quantity
        order.filled += quantity
        order.average_price = (total / order.filled).quantize(Decimal("0.000001"))
        order.last_price = price
        if order.filled >= order.quantity:
            order.status, order.why_held = "Filled", ""
            order.completed_at = stored_time(at)
            order.completed_status = f"Filled Size: {order.filled}"
        else:
            order.status = "Submitted"
        executions = self._executions(order, quantity, price, quote, at)
        for execution in executions:
            self._book.add_execution(execution)
        self._book.save(order)
        messages = self._messages(order, executions)
        if self._faults.take("correct_next_fills"):
            messages += self._correction(executions[-1])
        return messages

    def _stem(self, order: SimOrder) -> str:
        return f"{len(self._book.executions) + 1:08x}.{order.perm_id:08x}"

    def _executions(
        self, order: SimOrder, quantity: int, price: Decimal, quote: NetQuote, at: datetime
    ) -> list[SimExecution]:
        stem = self._stem(order)
        own = self._one(order, f"{stem}.01.01", order.con_id, order.sign, quantity, price, at)
        if not order.legs:
            return [own]
        executions = [replace(own, commission=Decimal(0), moves_position=False, realised=None)]
        prices = leg_prices(quote, order, price)
        for number, leg in enumerate(order.legs, start=2):
            side = order.sign * (1 if leg.ratio > 0 else -1)
            count = quantity * abs(leg.ratio)
            executions.append(
                self._one(
                    order,
                    f"{stem}.{number:02d}.01",
                    leg.con_id,
                    side,
                    count,
                    prices[leg.con_id],
                    at,
                )
            )
        return executions

    def _one(
        self,
        order: SimOrder,
        exec_id: str,
        con_id: int,
        side: int,
        quantity: int,
        price: Decimal,
        at: datetime,
    ) -> SimExecution:
        contract = self._directory.by_con_id(con_id)
        is_share = contract is not None and not contract.is_option
        commission = quantity * (COMMISSION_A_SHARE if is_share else COMMISSION_A_CONTRACT)
        realised = self._account.realised_by(con_id, side * quantity, price)
        return SimExecution(
            exec_id=exec_id,
            order_id=order.order_id,
            client_id=order.client_id,
            perm_id=order.perm_id,
            order_ref=order.order_ref,
            con_id=con_id,
            symbol=order.symbol,
            side="BOT" if side > 0 else "SLD",
            quantity=quantity,
            price=price,
            cumulative=order.filled if con_id == order.con_id else quantity,
            average_price=order.average_price if con_id == order.con_id else price,
            at=stored_time(at),
            account=order.account,
            commission=commission,
            moves_position=True,
            liquidation=1 if order.order_id == 0 else 0,
            realised=None if realised is None else realised - commission,
        )

    def _messages(self, order: SimOrder, executions: list[SimExecution]) -> list[bytes]:
        details = [order_messages.execution_details(e, self._directory) for e in executions]
        reports = [order_messages.commission_report(e) for e in executions]
        state = [order_messages.open_order(order, self._directory)]
        if not self._faults.is_on("skip_order_status"):
            state.append(order_messages.order_status(order))
        when = self._faults.text("commission")
        if when == "before":
            return [*reports, *details, *state]
        if when == "late":
            self._later(order.client_id, reports)
        if when in ("late", "never"):
            return [*details, *state]
        return [*details, *state, *reports]

    def _correction(self, execution: SimExecution) -> list[bytes]:
        """The broker changes its mind about price or quantity: same family, next version."""
        corrected = replace(execution, exec_id=f"{execution.family}.02")
        if self._faults.text("correction") == "quantity" and execution.quantity > 1:
            corrected = replace(
                corrected,
                quantity=execution.quantity - 1,
                cumulative=execution.cumulative - 1,
                commission=execution.commission * (execution.quantity - 1) / execution.quantity,
            )
        else:
            corrected = replace(corrected, price=execution.price + CENT)
        self._book.add_execution(corrected)
        return [
            order_messages.execution_details(corrected, self._directory),
            order_messages.commission_report(corrected),
        ]
