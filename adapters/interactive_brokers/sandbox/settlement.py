"""Position changes without an order of ours: expiry, exercise, assignment, forced liquidation.

SPY, QQQ and IWM options settle physically: 100 shares a contract at the strike when they are at
least a cent in the money. The server calls it; positions simply change, as at the real broker.
"""

from __future__ import annotations

from decimal import Decimal

from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.book import OrderBook, stored_time
from adapters.interactive_brokers.sandbox.contracts import ContractDirectory
from adapters.interactive_brokers.sandbox.engine import OrderEngine
from adapters.interactive_brokers.sandbox.matching import net_quote
from adapters.interactive_brokers.sandbox.state import SimAdjustment, SimOrder
from adapters.market_model.contract import MarketModel, SimContract

CENT = Decimal("0.01")


class Settlement:
    """Expiry at the close of options trading; early assignments and liquidations on demand."""

    def __init__(
        self,
        market: MarketModel,
        directory: ContractDirectory,
        account: SimAccount,
        book: OrderBook,
        engine: OrderEngine,
    ) -> None:
        self._market = market
        self._directory = directory
        self._account = account
        self._book = book
        self._engine = engine

    def settle_expiries(self) -> bool:
        """Remove expired options and deliver stock; True when a position changed."""
        changed = False
        over = self._market.now() >= self._directory.options_close_at
        for position in self._account.held():
            contract = self._directory.by_con_id(position.con_id)
            if contract is None or contract.expiry is None:
                continue
            today = self._market.session_date
            if contract.expiry < today or (contract.expiry == today and over):
                self._settle(contract, position.quantity)
                changed = True
        return changed

    def _settle(self, contract: SimContract, quantity: int) -> None:
        under = self._market.underlying(contract.symbol)
        spot = Decimal(repr(round(self._account.mark(under.con_id), 2)))
        strike = Decimal(str(contract.strike))
        intrinsic = spot - strike if contract.right == "C" else strike - spot
        if intrinsic >= CENT:
            self._deliver(contract, quantity, "exercised" if quantity > 0 else "assigned")
        else:
            self._remove(contract, quantity, "expired")

    def _remove(self, contract: SimContract, quantity: int, cause: str) -> None:
        at = stored_time(self._market.now())
        self._book.add_adjustment(
            SimAdjustment(contract.con_id, -quantity, Decimal(0), 100, at, cause)
        )

    def _deliver(self, contract: SimContract, quantity: int, cause: str) -> None:
        """The options are gone; a hundred shares for each change hands at the strike."""
        self._remove(contract, quantity, cause)
        under = self._market.underlying(contract.symbol)
        shares = quantity * 100 * (1 if contract.right == "C" else -1)
        strike, at = Decimal(str(contract.strike)), stored_time(self._market.now())
        self._book.add_adjustment(SimAdjustment(under.con_id, shares, strike, 1, at, cause))

    def assign(self, con_id: int) -> bool:
        """The holder of one option that we sold exercises it before its expiry."""
        position = self._account.positions.get(con_id)
        contract = self._directory.by_con_id(con_id)
        if position is None or contract is None or position.quantity >= 0:
            return False
        self._deliver(contract, -1, "assigned")
        return True

    def liquidate(self, con_id: int) -> bool:
        """Close a position, of options or shares, by no order of a client: as IB does by force, and
        as a human in TWS looks to the API. Order id 0, no reference, liquidation 1."""
        position = self._account.positions.get(con_id)
        contract = self._directory.by_con_id(con_id)
        if position is None or contract is None or not position.quantity:
            return False
        order = SimOrder(
            order_id=0,
            client_id=0,
            perm_id=self._book.new_perm_id(),
            con_id=con_id,
            symbol=contract.symbol,
            legs=(),
            action="SELL" if position.quantity > 0 else "BUY",
            quantity=abs(position.quantity),
            order_type="LMT",
            limit_price=CENT,
            stop_price=None,
            tif="DAY",
            account=self._account.name,
            order_ref="",
            oca_group="",
            oca_type=3,
            parent_id=0,
            transmit=True,
        )
        quote = net_quote(self._market, order)
        if quote is None:
            return False
        price = quote.far(order.sign)
        order.limit_price = price
        self._engine.fills.record(order, order.quantity, price, quote, self._market.now())
        return True
