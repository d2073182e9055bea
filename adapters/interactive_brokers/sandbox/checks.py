"""Why the sandbox TWS refuses an order: code and text as the real one gives them.

Checks of the request (contract, price, size), of the account (both-sides rule, margin) and of a
modification. The engine asks before it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.book import OrderBook
from adapters.interactive_brokers.sandbox.contracts import COMBO_CON_ID, ContractDirectory
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.relations import Relations
from adapters.interactive_brokers.sandbox.requests import PlaceRequest
from adapters.interactive_brokers.sandbox.state import SimOrder

SUPPORTED_TYPES = ("LMT", "STP LMT")
TICK = Decimal("0.01")
REJECTED = "Order rejected - reason:"
BOTH_SIDES = (
    "Cannot have open orders on both sides of the same US Option contract in the same account."
)


@dataclass(frozen=True, slots=True)
class Refusal:
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class OrderChecks:
    directory: ContractDirectory
    account: SimAccount
    book: OrderBook
    faults: Faults

    def request(self, request: PlaceRequest) -> Refusal | None:
        """Checks that need no other order."""
        if not self._contract_known(request):
            return Refusal(200, "No security definition has been found for the request")
        if request.order_type not in SUPPORTED_TYPES:
            text = (
                f"Error validating request.-'bM' : cause - Invalid order type {request.order_type}"
            )
            return Refusal(321, text)
        if request.action not in ("BUY", "SELL") or request.condition_count:
            text = "Error validating request.-'bM' : cause - Unsupported side or conditions"
            return Refusal(321, text)
        if request.account not in ("", self.account.name):
            return Refusal(321, "Error validating request.-'bM' : cause - Invalid account code")
        if request.quantity <= 0 or request.quantity != int(request.quantity):
            return Refusal(434, "The order size cannot be zero.")
        return self._price(request)

    def _price(self, request: PlaceRequest) -> Refusal | None:
        prices = [request.limit_price]
        if request.order_type == "STP LMT":
            prices.append(request.aux_price)
        for price in prices:
            if price is None or price % TICK or (price <= 0 and not request.legs):
                text = (
                    "The price does not conform to the minimum price variation for this contract."
                )
                return Refusal(110, text)
        return None

    def _contract_known(self, request: PlaceRequest) -> bool:
        if request.contract.security_type == "BAG":
            return self.directory.legs_known(request.legs)
        contract = self.directory.find_one(request.contract)
        if contract is None or not contract.is_option:
            return False
        return request.contract.symbol in ("", contract.symbol)

    def order(self, order: SimOrder, relations: Relations) -> Refusal | None:
        """Checks against the rest of the account."""
        if order.perm_id and self.faults.take("reject_next_orders"):
            return Refusal(201, REJECTED + self.faults.text("reject_reason"))
        if self._opposes_another(order):
            return Refusal(201, REJECTED + BOTH_SIDES)
        closed = self.faults.is_on("oca_closed_group_rejects")
        if order.oca_group and closed and relations.group_is_closed(order):
            return Refusal(201, REJECTED + "OCA group is already filled or cancelled")
        if order.is_stop and order.parent_id:
            return None
        return self._margin(order)

    def _opposes_another(self, order: SimOrder) -> bool:
        sides = order.contract_sides()
        for other in self.book.working():
            if other.perm_id == order.perm_id or self._same_bracket(order, other):
                continue
            for con_id, side in other.contract_sides().items():
                if sides.get(con_id) == -side:
                    return True
        return False

    @staticmethod
    def _same_bracket(one: SimOrder, other: SimOrder) -> bool:
        if one.client_id != other.client_id:
            return False
        if one.parent_id and one.parent_id in (other.order_id, other.parent_id):
            return True
        return other.parent_id != 0 and other.parent_id == one.order_id

    def changes(self, order: SimOrder) -> dict[int, int]:
        """Position changes if all of the order fills."""
        if order.con_id != COMBO_CON_ID:
            return {order.con_id: order.sign * order.remaining}
        return {leg.con_id: order.sign * leg.ratio * order.remaining for leg in order.legs}

    def _margin(self, order: SimOrder) -> Refusal | None:
        figures = self.account.what_if(self.changes(order))
        needs_more = figures.after.initial > figures.before.initial
        if not needs_more or figures.after.initial <= figures.equity_after:
            return None
        text = (
            f"{REJECTED}YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR "
            f"EQUITY WITH LOAN VALUE [{figures.equity_after:.2f} USD] MUST EXCEED THE INITIAL "
            f"MARGIN [{figures.after.initial:.2f} USD]"
        )
        return Refusal(201, text)

    def modification(
        self, order: SimOrder, request: PlaceRequest, relations: Relations
    ) -> Refusal | None:
        """Checks of a request that carries the id of a known order."""
        if order.status == "Filled":
            return Refusal(104, "Cannot modify a filled order.")
        if order.is_final:
            return Refusal(103, "Duplicate order id")
        same_legs = tuple((leg.con_id, leg.signed_ratio) for leg in request.legs)
        if same_legs != tuple((leg.con_id, leg.ratio) for leg in order.legs) or (
            not order.legs and request.contract.con_id not in (0, order.con_id)
        ):
            return Refusal(105, "Order being modified does not match original order.")
        if request.action != order.action or request.order_type != order.order_type:
            return Refusal(105, "Order being modified does not match original order.")
        if request.quantity <= order.filled or request.quantity != int(request.quantity):
            return Refusal(105, "Order being modified does not match original order.")
        if (refusal := self._price(request)) is not None:
            return refusal
        joins = bool(request.oca_group) and request.oca_group != order.oca_group
        if joins and self.faults.is_on("oca_closed_group_rejects"):
            members = self.book.group(request.oca_group)
            if any(member.filled or member.is_final for member in members):
                return Refusal(201, REJECTED + "OCA group is already filled or cancelled")
        return None
