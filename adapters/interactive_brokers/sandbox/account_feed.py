"""Account, position and P&L messages of one client.

Answers the account requests and pushes changes to a client that subscribed. The session owns it.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.contracts import (
    NEW_YORK,
    ContractDirectory,
    local_symbol,
)
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.state import SimPosition
from adapters.interactive_brokers.sandbox.wire import FieldCursor
from adapters.market_model.contract import MarketModel

SUMMARIES_MAX = 2
Send = Callable[..., None]


class AccountFeed:
    """Subscriptions to the account of one session."""

    def __init__(
        self,
        market: MarketModel,
        directory: ContractDirectory,
        account: SimAccount,
        faults: Faults,
        send: Send,
    ) -> None:
        self._market = market
        self._directory = directory
        self._account = account
        self._faults = faults
        self._send = send
        self._positions = False
        self._updates = False
        self._summaries: dict[int, frozenset[str]] = {}
        self._pnl: dict[int, tuple[float, float, float] | None] = {}
        self._single_pnl: dict[int, int] = {}
        self._told: dict[tuple[str, str], str] = {}
        self._listed: dict[int, int] = {}

    def positions(self, _: FieldCursor) -> None:
        self._positions = True
        for position in self._account.held():
            self._send_position(position)
        self._listed = {p.con_id: p.quantity for p in self._account.held()}
        if not self._faults.is_on("swallow_position_end"):
            self._send(62, 1)

    def cancel_positions(self, _: FieldCursor) -> None:
        self._positions = False

    def updates(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        self._updates = cursor.flag()
        self._told = {}
        if not self._updates:
            self._send(4, 2, -1, 2100, "API client has been unsubscribed from account data.", "")
            return
        self._send_values()
        self._send_portfolio()
        self._send(54, 1, self._account.name)

    def updates_multi(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id = cursor.integer()
        for (key, currency), value in self._account.values().items():
            self._send(73, 1, request_id, self._account.name, "", key, value, currency)
        self._send(74, 1, request_id)

    def summary(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id, _group = cursor.integer(), cursor.text()
        tags = frozenset(cursor.text().split(","))
        if len(self._summaries) >= SUMMARIES_MAX and request_id not in self._summaries:
            text = (
                "Error processing request.-'cM' : cause - Maximum number of account summary "
                "requests exceeded; desubscribe to previous request first"
            )
            self._send(4, 2, request_id, 322, text, "")
            return
        self._summaries[request_id] = tags
        for (key, currency), value in self._account.values().items():
            if key in tags or any(tag.startswith("$LEDGER") for tag in tags):
                self._send(63, 1, request_id, self._account.name, key, value, currency)
        self._send(64, 1, request_id)

    def cancel_summary(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        self._summaries.pop(cursor.integer(), None)

    def pnl(self, cursor: FieldCursor) -> None:
        self._pnl[cursor.integer()] = None
        self.push_pnl()

    def cancel_pnl(self, cursor: FieldCursor) -> None:
        self._pnl.pop(cursor.integer(), None)

    def single_pnl(self, cursor: FieldCursor) -> None:
        request_id = cursor.integer()
        cursor.skip(2)
        self._single_pnl[request_id] = cursor.integer()
        self.push_pnl()

    def cancel_single_pnl(self, cursor: FieldCursor) -> None:
        self._single_pnl.pop(cursor.integer(), None)

    def push_pnl(self) -> None:
        """Called about once a second."""
        figures = self._account.pnl()
        for request_id, told in self._pnl.items():
            if told != figures:
                self._pnl[request_id] = figures
                self._send(94, request_id, *(round(figure, 2) for figure in figures))
        for request_id, con_id in self._single_pnl.items():
            position = self._account.positions.get(con_id) or SimPosition(
                con_id, 0, self._account.cash * 0
            )
            value = round(self._account.market_value(position), 2)
            unrealised = round(self._account.unrealised(position), 2)
            self._send(95, request_id, position.quantity, unrealised, unrealised, 0.0, value)

    def push_changes(self) -> None:
        """After a fill or an adjustment, and every three minutes."""
        if self._positions:
            now = {p.con_id: p.quantity for p in self._account.held()}
            for con_id in sorted(self._listed.keys() | now.keys()):
                if self._listed.get(con_id, 0) != now.get(con_id, 0):
                    self._send_position(self._account.positions[con_id])
            self._listed = now
        if self._updates:
            self._send_values()
            self._send_portfolio()

    def _send_position(self, position: SimPosition) -> None:
        contract = self._directory.by_con_id(position.con_id)
        if contract is None:
            return
        self._send(
            61,
            3,
            self._account.name,
            *self._directory.head(contract),
            "",
            "USD",
            local_symbol(contract),
            contract.symbol,
            position.quantity,
            round(position.average_cost, 6),
        )

    def _send_values(self) -> None:
        for (key, currency), value in self._account.values().items():
            if self._told.get((key, currency)) != value:
                self._told[(key, currency)] = value
                self._send(6, 2, key, value, currency, self._account.name)
        clock = self._market.now().astimezone(NEW_YORK)
        self._send(8, 1, f"{clock:%H:%M}")

    def _send_portfolio(self) -> None:
        for position in self._account.held():
            contract = self._directory.by_con_id(position.con_id)
            if contract is None:
                continue
            self._send(
                7,
                8,
                *self._directory.head(contract),
                contract.primary_exchange,
                "USD",
                local_symbol(contract),
                contract.symbol,
                position.quantity,
                round(self._account.mark(position.con_id), 4),
                round(self._account.market_value(position), 2),
                round(position.average_cost, 6),
                round(self._account.unrealised(position), 2),
                0.0,
                self._account.name,
            )
