"""The sandbox TWS: a local server that speaks the TWS socket protocol over the market model.

The market sandbox process starts it, hands it every update of the model, and may flip its fault
switches. Orders, executions and positions are kept in `state_dir` and outlive the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.book import OrderBook, session_of
from adapters.interactive_brokers.sandbox.contracts import NEW_YORK, ContractDirectory
from adapters.interactive_brokers.sandbox.engine import OrderEngine
from adapters.interactive_brokers.sandbox.faults import Faults, FaultValue
from adapters.interactive_brokers.sandbox.history import HistoryService
from adapters.interactive_brokers.sandbox.market_feed import MarketFeed
from adapters.interactive_brokers.sandbox.session import ClientSession, Office
from adapters.interactive_brokers.sandbox.settlement import Settlement
from adapters.interactive_brokers.sandbox.state import LedgerView
from adapters.market_model.contract import BarClosed, MarketModel, MarketUpdate, SimClock

CLIENTS_MAX = 32
POLL_SECONDS = 0.1
PNL_POLLS = 10
ACCOUNT_REFRESH_MARKET_SECONDS = 180.0
LATE_COMMISSION_SECONDS = 0.3
CUT_OFF_POLLS = 20
"""1100 is repeated while TWS is cut off from the broker."""
NOTICES = {
    100: "Max rate of messages per second has been exceeded:max=50 rec=51 (2)",
    101: "Max number of tickers has been reached",
    1100: "Connectivity between IB and Trader Workstation has been lost.",
    1101: "Connectivity between IB and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IB and Trader Workstation has been restored - data maintained.",
    1300: "TWS socket port has been reset and this connection is being dropped. "
    "Please reconnect on the new port",
    2103: "Market data farm connection is broken:usfarm",
    2104: "Market data farm connection is OK:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2106: "HMDS data farm connection is OK:ushmds",
    2108: "Market data farm connection is inactive but should be available upon demand.usopt",
    2110: "Connectivity between Trader Workstation and server is broken. "
    "It will be restored automatically.",
}


FEED_ACTS: dict[str, Callable[[MarketFeed], None]] = {
    "reset_depth": lambda feed: feed.depth.reset(),
    "lose_depth": lambda feed: feed.depth.lose_changes(),
    "bust_bars": MarketFeed.bust_bars,
    "stray_ticks": MarketFeed.send_stray_ticks,
    "unset_ticks": MarketFeed.send_unset_ticks,
}


class TwsSandbox:
    """One TWS with one account; `account` of a live kind when `paper` is False."""

    def __init__(
        self,
        market: MarketModel,
        clock: SimClock,
        state_dir: Path,
        account: str = "DU1234567",
        paper: bool = True,
        seed: int = 1,
    ) -> None:
        if paper != account.startswith("D"):
            raise ValueError(f"account must start with D exactly when paper, was {account!r}")
        self.faults = Faults(self._act)
        self._market = market
        self._clock = clock
        directory = ContractDirectory(market)
        self._account = SimAccount(market, directory, account)
        self._book = OrderBook(state_dir, self._account)
        self._engine = OrderEngine(
            market,
            directory,
            self._account,
            self._book,
            self.faults,
            seed,
            self._publish,
            self._publish_later,
            self._account_changed,
        )
        self._settlement = Settlement(market, directory, self._account, self._book, self._engine)
        self._office = Office(
            market,
            clock,
            directory,
            self._account,
            self._book,
            self._engine,
            HistoryService(market, directory, self.faults),
            self.faults,
        )
        self._sessions: dict[int, ClientSession] = {}
        self._connections: set[ClientSession] = set()
        self._server: asyncio.Server | None = None
        self._poll_task: asyncio.Task[None] | None = None
        self._polls = 0
        self._down_until = 0.0
        self._restarted_on: date | None = None
        self._refreshed_at = market.now()
        self._start_session()

    def _start_session(self) -> None:
        """A new trading day: yesterday's DAY orders are gone and today's P&L starts at zero."""
        today = self._market.session_date
        if self._book.last_session == today:
            return
        for order in self._book.working():
            if order.submitted_on < today.isoformat():
                self._engine.expire(order)
        self._settlement.settle_expiries()
        value = Decimal(repr(round(self._account.net_liquidation(), 2)))
        self._book.start_session(today, value)

    async def start(self, host: str, port: int, *, poll: bool = True) -> None:
        """Listen. Without `poll` the owner calls `poll_once` itself (virtual time)."""
        self._server = await asyncio.start_server(self._connected, host, port)
        if poll:
            self._poll_task = asyncio.create_task(self._poll_for_ever(), name="tws-sandbox-poll")

    async def stop(self) -> None:
        if self._poll_task is not None:
            self._poll_task.cancel()
            await asyncio.gather(self._poll_task, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for session in list(self._connections):
            session.close(reset=True)
        if self._server is not None:
            await self._server.wait_closed()
        while self._connections:
            await asyncio.sleep(0.005)
        self._book.close()

    @property
    def port(self) -> int:
        assert self._server is not None, "the sandbox must be started"
        return int(self._server.sockets[0].getsockname()[1])

    def on_updates(self, updates: Sequence[MarketUpdate]) -> None:
        """Push what the market did to subscribers and let orders meet it."""
        for session in list(self._sessions.values()):
            for update in updates:
                if not self._is_out(update):
                    session.feed.on_update(update)
        self._market_moved()

    def poll_once(self) -> None:
        """Option lines, order matching, P&L and the periodic account refresh."""
        self._polls += 1
        self._restart_when_due()
        if self.faults.is_on("cut_off") and self._polls % CUT_OFF_POLLS == 1:
            self._notice(1100)
        self._market_moved()
        for session in list(self._sessions.values()):
            if not self._market.is_out("ib"):
                session.feed.poll()
            if self._polls % PNL_POLLS == 0:
                session.account.push_pnl()
        elapsed = (self._market.now() - self._refreshed_at).total_seconds()
        if elapsed >= ACCOUNT_REFRESH_MARKET_SECONDS and self._polls % PNL_POLLS == 0:
            self._account_changed()

    def ledger(self) -> LedgerView:
        """What this sandbox knows to have happened, over all its runs."""
        return self._book.view()

    def connected_clients(self) -> tuple[int, ...]:
        return tuple(sorted(self._sessions))

    def _is_out(self, update: MarketUpdate) -> bool:
        symbol = (
            update.bar.symbol if isinstance(update, BarClosed) else getattr(update, "symbol", "")
        )
        return self._market.is_out("ib", symbol)

    def _market_moved(self) -> None:
        assert session_of(self._market.now()) >= self._market.session_date
        self._engine.step()
        if self._settlement.settle_expiries():
            self._account_changed()

    async def _poll_for_ever(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.poll_once()

    # Sessions.

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_down = asyncio.get_running_loop().time() < self._down_until
        refuses = is_down or self.faults.is_on("refuse_connections")
        if refuses or len(self._connections) >= CLIENTS_MAX:
            writer.transport.abort()
            return
        session = ClientSession(self._office, self, reader, writer)
        self._connections.add(session)
        try:
            await session.run()
        finally:
            self._connections.discard(session)

    def enter(self, session: ClientSession) -> bool:
        if session.client_id in self._sessions:
            return False
        self._sessions[session.client_id] = session
        return True

    def leave(self, session: ClientSession) -> None:
        if self._sessions.get(session.client_id) is session:
            del self._sessions[session.client_id]

    # What the engine and the switches call.

    def _publish(self, client_id: int, frames: list[bytes]) -> None:
        session = self._sessions.get(client_id)
        if session is not None:
            session.send_order_frames(frames)

    def _publish_later(self, client_id: int, frames: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(LATE_COMMISSION_SECONDS, self._publish, client_id, frames)

    def _account_changed(self) -> None:
        self._refreshed_at = self._market.now()
        for session in list(self._sessions.values()):
            session.account.push_changes()

    def _act(self, name: str, value: FaultValue) -> None:
        """The fault switches that are acts."""
        if name == "disconnect":
            self._drop_all(reset=value == "reset")
        elif name == "restart":
            self._restart(0 if value is True else int(value))
        elif name == "log_in":
            self.faults.set("silent_handshake", False)
        elif name == "notice":
            self._notice(int(value))
        elif name == "farm_blip":
            self._notice(2103)
            self._notice(2104)
            self._each_feed(MarketFeed.kill_bars)
        elif name in FEED_ACTS:
            self._each_feed(FEED_ACTS[name])
        elif name in ("liquidate", "assign"):
            act = self._settlement.liquidate if name == "liquidate" else self._settlement.assign
            if act(int(value)):
                self._account_changed()

    def _notice(self, code: int) -> None:
        for session in list(self._sessions.values()):
            session.error(-1, code, NOTICES[code])

    def _each_feed(self, act: Callable[[MarketFeed], None]) -> None:
        for session in list(self._sessions.values()):
            act(session.feed)

    def _restart(self, ids: int) -> None:
        """All links end; orders that were not transmitted are lost, ids may go back."""
        self._drop_all(reset=True)
        self._book.forget_untransmitted()
        self._book.roll_back_ids(ids)
        down = self.faults.number("restart_down_seconds")
        self._down_until = asyncio.get_running_loop().time() + down if down else 0.0
        if self.faults.is_on("restart_login_dialog"):
            self.faults.set("silent_handshake")

    def _restart_when_due(self) -> None:
        """Once a day at `restart_at`, New York time."""
        due = self.faults.text("restart_at")
        if not due:
            return
        now = self._clock.now().astimezone(NEW_YORK)
        if self._restarted_on == now.date() or f"{now:%H:%M:%S}" < due:
            return
        self._restarted_on = now.date()
        self._restart(int(self.faults.number("restart_rolls_back_ids")))

    def _drop_all(self, *, reset: bool) -> None:
        for session in list(self._connections):
            session.close(reset=reset)
        self._sessions.clear()
