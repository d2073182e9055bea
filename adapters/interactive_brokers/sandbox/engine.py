"""The order engine of the sandbox TWS: accepts, checks, modifies, cancels, matches, expires.

Sessions hand it requests with their client id; it answers through `publish(client_id, frames)`.
`step` is called whenever the market may have moved. Time is the model's market time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from adapters.interactive_brokers.sandbox import order_messages
from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.book import OrderBook, stored_time
from adapters.interactive_brokers.sandbox.checks import REJECTED, OrderChecks, Refusal
from adapters.interactive_brokers.sandbox.contracts import (
    COMBO_CON_ID,
    ContractDirectory,
    tws_time,
)
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.fills import FillRecorder
from adapters.interactive_brokers.sandbox.matching import (
    NetQuote,
    TakenSizes,
    is_marketable,
    net_quote,
    rests_and_fills,
    stop_reached,
)
from adapters.interactive_brokers.sandbox.relations import BLOCKING_TYPES, Relations
from adapters.interactive_brokers.sandbox.requests import PlaceRequest
from adapters.interactive_brokers.sandbox.state import SimOrder, order_of
from adapters.market_model.contract import MarketModel, SimQuote

QUOTES_TO_TRIGGER = 2
"""Double bid/ask, the default for US options: two quotes in a row at or beyond the stop."""
Publish = Callable[[int, list[bytes]], None]


class OrderEngine:
    """All order behaviour; one for each sandbox."""

    def __init__(
        self,
        market: MarketModel,
        directory: ContractDirectory,
        account: SimAccount,
        book: OrderBook,
        faults: Faults,
        seed: int,
        publish: Publish,
        publish_later: Publish,
        account_changed: Callable[[], None],
    ) -> None:
        self._market = market
        self._directory = directory
        self._account = account
        self._faults = faults
        self._seed = seed
        self._publish = publish
        self._account_changed = account_changed
        self.book = book
        self.fills = FillRecorder(book, account, directory, faults, publish_later)
        self.relations = Relations(book, faults, self._cancel, self._announce)
        self._checks = OrderChecks(directory, account, book, faults)
        self._taken = TakenSizes()
        self._drawn_second: dict[int, int] = {}
        self._stop_quotes: dict[int, tuple[tuple[tuple[int, SimQuote], ...], int]] = {}
        self._blocked_groups: set[str] = set()
        self._owed_reductions: list[tuple[SimOrder, int]] = []
        self._stepping = False

    # Placing.

    def place(self, client_id: int, request: PlaceRequest) -> None:
        """placeOrder: a new order, a modification of a live one, or a what-if."""
        existing = self.book.find(client_id, request.order_id)
        # After ids rolled back an ended order's id is free again; a live one's never is.
        is_known = request.order_id <= self.book.highest_id(client_id)
        if request.what_if:
            self._answer_what_if(client_id, request)
        elif existing is not None and (not existing.is_final or is_known):
            self._modify(existing, request)
        elif is_known:
            self._send_error(client_id, request.order_id, 103, "Duplicate order id")
        else:
            self._place_new(client_id, request)

    def _place_new(self, client_id: int, request: PlaceRequest) -> None:
        refusal = self._checks.request(request)
        has_parent = self.book.find(client_id, request.parent_id) is not None
        if refusal is None and request.parent_id and not has_parent:
            refusal = Refusal(135, f"Can't find order with id = {request.parent_id}")
        if refusal is not None:
            self.book.consume_id(client_id, request.order_id)
            self._send_error(client_id, request.order_id, refusal.code, refusal.text)
            return
        con_id = COMBO_CON_ID if request.legs else request.contract.con_id
        if not request.legs and not con_id:
            found = self._directory.find_one(request.contract)
            assert found is not None  # the check of the contract has passed
            con_id = found.con_id
        order = order_of(
            request, client_id, self.book.new_perm_id(), con_id, self._market.session_date
        )
        self.book.save(order)
        if order.transmit:
            self._release(order)

    def _release(self, order: SimOrder) -> None:
        """Transmit an order together with the parent and siblings that waited for it."""
        parent = self.book.parent_of(order)
        family = [order]
        if parent is not None:
            waiting = [o for o in self.book.children_of(parent) if not o.transmit]
            family = [*([] if parent.transmit else [parent]), *waiting, order]
        for member in family:
            member.transmit = True
            if not member.is_final:  # a refused parent has taken its children with it
                self._accept(member)
        self.step()

    def _accept(self, order: SimOrder) -> None:
        refusal = self._checks.order(order, self.relations)
        if refusal is not None:
            self._reject(order, refusal)
            return
        parent = self.book.parent_of(order)
        if parent is not None and parent.status in ("Cancelled", "Inactive"):
            self._reject(order, Refusal(201, "Order rejected - reason:Parent order is cancelled"))
            return
        if parent is not None and not order.oca_group:
            order.oca_group = str(parent.perm_id)
        order.why_held = self.relations.why_held(order)
        is_open = self._is_open()
        order.status = "Submitted" if is_open and not order.why_held else "PreSubmitted"
        self.book.save(order)
        messages = []
        if self._faults.is_on("send_tif_notice"):
            text = "Order TIF was set to DAY based on order preset."
            messages.append(order_messages.error(order.order_id, 10349, text))
        if self._faults.take("inactive_then_live"):
            status, order.status = order.status, "Inactive"
            messages.append(order_messages.order_status(order))
            order.status = status
        if not is_open:
            opens = tws_time(self._market.open_at)
            text = (
                "Order Message:\nWarning: your order will not be placed at the exchange until "
                f"{opens}"
            )
            messages.append(order_messages.error(order.order_id, 399, text))
        self._publish(order.client_id, [*messages, *self._state(order)])
        if self._faults.take("reject_after_submitted"):
            self._reject(order, Refusal(201, REJECTED + self._faults.text("reject_reason")))

    def _reject(self, order: SimOrder, refusal: Refusal) -> None:
        order.transmit = True
        order.status, order.why_held = "Inactive", ""
        order.completed_at = stored_time(self._market.now())
        order.completed_status = refusal.text
        self.book.save(order)
        error = order_messages.error(order.order_id, refusal.code, refusal.text)
        self._publish(order.client_id, [error, order_messages.order_status(order)])
        self.relations.parent_cancelled(order)

    def _answer_what_if(self, client_id: int, request: PlaceRequest) -> None:
        if request.order_id > self.book.highest_id(client_id):
            self.book.consume_id(client_id, request.order_id)
        if self._faults.is_on("what_if_never_answered"):
            return
        refusal = self._checks.request(request)
        con_id = COMBO_CON_ID if request.legs else request.contract.con_id
        if refusal is None:
            order = order_of(request, client_id, 0, con_id, self._market.session_date)
            order.transmit, order.status = True, "PreSubmitted"
            refusal = self._checks.order(order, self.relations)
        if refusal is not None:
            self._send_error(client_id, request.order_id, refusal.code, refusal.text)
            return
        messages = []
        if self._faults.is_on("what_if_unset_first"):
            messages.append(order_messages.open_order(order, self._directory, what_if_unset=True))
        figures = self._account.what_if(self._checks.changes(order))
        messages.append(order_messages.open_order(order, self._directory, what_if=figures))
        self._publish(client_id, messages)

    # Modifying and cancelling.

    def _modify(self, order: SimOrder, request: PlaceRequest) -> None:
        refusal = self._checks.modification(order, request, self.relations)
        if refusal is not None:
            self._send_error(order.client_id, order.order_id, refusal.code, refusal.text)
            return
        assert request.limit_price is not None
        was_transmitted = order.transmit
        order.limit_price = request.limit_price
        if order.is_stop:
            order.stop_price = request.aux_price
        order.quantity = int(request.quantity)
        order.order_ref = request.order_ref
        if request.oca_group:
            order.oca_group = request.oca_group
            order.oca_type = request.oca_type or order.oca_type
        self._drawn_second.pop(order.perm_id, None)
        if not was_transmitted:
            order.transmit = request.transmit
            if order.transmit:
                self._release(order)
            return
        self._announce(order)
        self.step()

    def cancel(self, client_id: int, order_id: int) -> None:
        """cancelOrder of one client; a foreign or unknown id is not found."""
        order = self.book.find(client_id, order_id)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            self._send_error(client_id, order_id, 10147, text)
            return
        can_fill = order.is_working and not order.why_held
        if can_fill and self._faults.is_on("fill_overtakes_cancel"):
            quote = net_quote(self._market, order)
            if quote is not None and order.remaining:
                self._fill(order, order.remaining, order.limit_price, quote)
        if order.is_final:
            text = (
                f"OrderId {order_id} that needs to be cancelled can not be cancelled, "
                f"state: {order.status}."
            )
            self._send_error(client_id, order_id, 10148, text)
            return
        self._cancel(order, "")
        self.relations.group_cancelled(order)

    def cancel_all(self) -> None:
        for order in self.book.all_orders():
            if not order.is_final:
                self._cancel(order, "")

    def _cancel(self, order: SimOrder, reason: str) -> None:
        order.status, order.why_held = "Cancelled", ""
        order.transmit = True
        order.completed_at = stored_time(self._market.now())
        order.completed_status = f"Cancelled by Trader{': ' + reason if reason else ''}"
        self.book.save(order)
        text = f"Order Canceled - reason:{reason}"
        error = order_messages.error(order.order_id, 202, text)
        self._publish(order.client_id, [error, order_messages.order_status(order)])
        self.relations.parent_cancelled(order)

    # Matching.

    def step(self) -> None:
        """Let every working order meet the market as it is now."""
        if self._stepping:
            return
        self._stepping = True
        try:
            if self._market.now() >= self._directory.options_close_at:
                self._expire_day_orders()
            elif self._is_open():
                for order in self.book.working():
                    self._match(order)
        finally:
            self._stepping = False
            self._blocked_groups.clear()
        owed, self._owed_reductions = self._owed_reductions, []
        for order, quantity in owed:
            self.relations.group_filled(order, quantity)

    def _match(self, order: SimOrder) -> None:
        if not order.is_working or order.remaining == 0 or self._faults.is_on("hold_fills"):
            return
        if self.relations.is_held(order) or order.oca_group in self._blocked_groups:
            return
        quote = net_quote(self._market, order)
        if quote is None:
            return
        if order.status == "PreSubmitted" and not order.why_held:  # it waited for the opening
            order.status = "Submitted"
            self._announce(order)
        if order.is_stop and not order.triggered and not self._triggered(order, quote):
            return
        second = int(self._market.now().timestamp())
        first = self._drawn_second.get(order.perm_id, second)
        self._drawn_second[order.perm_id] = second
        if is_marketable(order, quote):
            quantity = min(order.remaining, self._taken.available(quote, order))
            price = quote.far(order.sign)
        elif rests_and_fills(order, quote, self._seed, first, second):
            shown = quote.ask_size if order.sign > 0 else quote.bid_size
            quantity, price = min(order.remaining, max(shown, 1)), order.limit_price
        else:
            return
        limit = int(self._faults.number("fill_quantity_max"))
        quantity = min(quantity, limit) if limit else quantity
        if quantity > 0:
            self._taken.take(quote, order, quantity)
            self._fill(order, quantity, price, quote)

    def _triggered(self, order: SimOrder, quote: NetQuote) -> bool:
        """Count quotes at or beyond the stop; at the second in a row the stop is elected."""
        if self.relations.stop_is_held_back(order):
            self._stop_quotes.pop(order.perm_id, None)
            return False
        if not stop_reached(order, quote):
            self._stop_quotes.pop(order.perm_id, None)
            return False
        legs, count = self._stop_quotes.get(order.perm_id, ((), 0))
        if legs != quote.legs:
            count += 1
            self._stop_quotes[order.perm_id] = (quote.legs, count)
        if count < QUOTES_TO_TRIGGER:
            return False
        order.triggered, order.status, order.why_held = True, "Submitted", ""
        self._announce(order)
        return True

    def _fill(self, order: SimOrder, quantity: int, price: Decimal, quote: NetQuote) -> None:
        messages = self.fills.record(order, quantity, price, quote, self._market.now())
        self._publish(order.client_id, messages)
        self.relations.parent_filled(order)
        if order.oca_group and not self._faults.is_on("oca_overfills"):
            if order.oca_type in BLOCKING_TYPES:
                self._blocked_groups.add(order.oca_group)
                self.relations.group_filled(order, quantity)
            elif self._stepping:
                self._owed_reductions.append((order, quantity))
            else:
                self.relations.group_filled(order, quantity)
        self._account_changed()

    def _expire_day_orders(self) -> None:
        for order in self.book.working():
            self.expire(order)

    def expire(self, order: SimOrder) -> None:
        """The day of a DAY order is over; others stay."""
        if order.tif == "DAY":
            self._cancel(order, "the trading day is over")

    # Messages.

    def _is_open(self) -> bool:
        now: datetime = self._market.now()
        return self._market.open_at <= now < self._directory.options_close_at

    def _state(self, order: SimOrder) -> list[bytes]:
        return [
            order_messages.open_order(order, self._directory),
            order_messages.order_status(order),
        ]

    def _announce(self, order: SimOrder) -> None:
        self.book.save(order)
        self._publish(order.client_id, self._state(order))

    def _send_error(self, client_id: int, order_id: int, code: int, text: str) -> None:
        self._publish(client_id, [order_messages.error(order_id, code, text)])
