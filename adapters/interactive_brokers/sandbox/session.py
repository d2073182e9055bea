"""One client of the sandbox TWS: handshake, requests in, messages out.

Reads frames, hands each request to the part that knows it, and writes what comes back, through
the fault switches. A request that cannot be read gets error 321 and the link goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from adapters.interactive_brokers.sandbox import order_messages
from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.account_feed import AccountFeed
from adapters.interactive_brokers.sandbox.book import OrderBook
from adapters.interactive_brokers.sandbox.contracts import ContractDirectory, tws_time
from adapters.interactive_brokers.sandbox.engine import OrderEngine
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.history import HistoryService
from adapters.interactive_brokers.sandbox.market_feed import MarketFeed
from adapters.interactive_brokers.sandbox.requests import read_contract, read_place_order
from adapters.interactive_brokers.sandbox.wire import (
    SERVER_VERSION,
    FieldCursor,
    FieldValue,
    WireError,
    frame,
    read_payload,
    split_fields,
)
from adapters.market_model.contract import MarketModel, SimClock

WRITE_BUFFER_BYTES_MAX = 16_000_000
FARMS = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)
READ_ONLY_ID = 2_147_483_647
READ_ONLY = (
    "Error validating request.-'bP' : cause - The API interface is currently in Read-Only mode."
)
ORDER_MESSAGE = (
    "Order Message: Warning: your order will not be placed at the exchange until the next session."
)
ID_IN_USE = "Unable to connect as the client id is already in use. Retry with a unique client id."


@dataclass(frozen=True, slots=True)
class Office:
    """The parts that all sessions share."""

    market: MarketModel
    clock: SimClock
    directory: ContractDirectory
    account: SimAccount
    book: OrderBook
    engine: OrderEngine
    history: HistoryService
    faults: Faults


class Sessions(Protocol):
    """Where a session enters itself once it knows its client id."""

    def enter(self, session: ClientSession) -> bool: ...

    def leave(self, session: ClientSession) -> None: ...


class ClientSession:
    """The connection of one API client."""

    def __init__(
        self,
        office: Office,
        sessions: Sessions,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._office = office
        self._sessions = sessions
        self._reader = reader
        self._writer = writer
        self._pending: list[bytes] = []
        self.client_id = -1
        market, directory, faults = office.market, office.directory, office.faults
        self.feed = MarketFeed(market, directory, faults, self.send, office.history.paced)
        self.account = AccountFeed(market, directory, office.account, faults, self.send)
        self._handlers = self._table()

    # Out.

    def send(self, *fields: FieldValue) -> None:
        self.send_frames([frame(*fields)])

    def send_frames(self, frames: Iterable[bytes]) -> None:
        """Write soon, in one go with what else this turn of the loop brings."""
        if self._office.faults.is_on("freeze") or self._office.faults.is_on("mute"):
            return
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.extend(frames)

    def send_order_frames(self, frames: list[bytes]) -> None:
        """Order callbacks, which may be delayed, doubled or turned round."""
        faults = self._office.faults
        if faults.is_on("reorder_callbacks"):
            frames = frames[::-1]
        if faults.is_on("duplicate_callbacks"):
            frames = [one for one in frames for _ in range(2)]
        delay = faults.number("delay_callbacks_seconds")
        if delay:
            asyncio.get_running_loop().call_later(delay, self.send_frames, frames)
        else:
            self.send_frames(frames)

    def _flush(self) -> None:
        frames, self._pending = self._pending, []
        if self._writer.is_closing():
            return
        self._writer.write(b"".join(frames))
        if self._writer.transport.get_write_buffer_size() > WRITE_BUFFER_BYTES_MAX:
            self._writer.transport.abort()  # a reader this slow is dropped

    def error(self, request_id: int, code: int, text: str) -> None:
        self.send_frames([order_messages.error(request_id, code, text)])

    def close(self, *, reset: bool = False) -> None:
        if reset:
            self._writer.transport.abort()
        else:
            self._flush()
            self._writer.close()

    # In.

    async def run(self) -> None:
        """Serve until the peer or the server closes."""
        try:
            if await self._handshake():
                while True:
                    self._take(await read_payload(self._reader))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            self._sessions.leave(self)
            self._writer.close()

    async def _handshake(self) -> bool:
        faults = self._office.faults
        if await self._reader.readexactly(4) != b"API\0":
            return False
        offered = (await read_payload(self._reader)).decode()
        low, _, high = offered.removeprefix("v").split(" ")[0].partition("..")
        if not int(low) <= SERVER_VERSION <= int(high or low):
            return False
        if faults.is_on("silent_handshake"):
            await self._reader.read()  # until the peer gives up
            return False
        self.send(SERVER_VERSION, tws_time(self._office.clock.now()))
        start = FieldCursor(split_fields(await read_payload(self._reader)))
        if start.integer() != 71:
            return False
        start.skip(1)
        self.client_id = start.integer()
        if not self._sessions.enter(self):
            self.client_id = -1
            self.error(-1, 326, ID_IN_USE)
            self._flush()
            return False
        self.send(15, 1, "" if faults.is_on("empty_accounts") else self._office.account.name)
        if not faults.is_on("withhold_next_valid_id"):
            self.send(9, 1, self._office.book.next_valid_id(self.client_id))
        for code, text in FARMS:
            self.error(-1, code, text)
        return True

    def _take(self, payload: bytes) -> None:
        faults = self._office.faults
        cursor = FieldCursor(split_fields(payload))
        kind = cursor.integer()
        if faults.is_on("freeze"):
            return
        if kind == 3 and faults.take("drop_next_orders"):
            return
        handler = self._handlers.get(kind)
        if handler is None:
            text = f"Error validating request.-'xx' : cause - request {kind} is not supported"
            self.error(-1, 321, text)
            return
        held = faults.number("order_hold_seconds") if kind == 3 else 0.0
        slow = faults.number("slow_answers_seconds")
        if held:
            asyncio.get_running_loop().call_later(held, self._handle_held, handler, cursor)
        elif slow:
            asyncio.get_running_loop().call_later(slow, self._handle, handler, cursor)
        else:
            self._handle(handler, cursor)

    def _handle_held(self, handler: Callable[[FieldCursor], None], cursor: FieldCursor) -> None:
        """What TWS had taken and not worked on is lost with the connection."""
        if not self._writer.is_closing():
            self._handle(handler, cursor)

    def _handle(self, handler: Callable[[FieldCursor], None], cursor: FieldCursor) -> None:
        try:
            handler(cursor)
        except WireError as problem:
            self.error(-1, 321, f"Error validating request.-'xx' : cause - {problem}")

    def _table(self) -> dict[int, Callable[[FieldCursor], None]]:
        """Every request that ib_async sends in ordinary use, by message id."""
        return {
            1: self.feed.subscribe_line,
            2: self.feed.cancel_line,
            3: self._place,
            4: self._cancel,
            5: self._open_orders_of_client,
            6: self.account.updates,
            7: self._executions,
            8: lambda _: self.send(9, 1, self._office.book.next_valid_id(self.client_id)),
            9: self._contract_details,
            10: self.feed.depth.subscribe,
            11: self.feed.depth.cancel,
            15: lambda _: None,
            16: self._open_orders_of_all,
            17: lambda _: self.send(15, 1, self._office.account.name),
            20: lambda cursor: self._office.history.answer(cursor, self.send),
            25: lambda cursor: self.error(
                cursor.integer(), 366, "No historical data query found for ticker id"
            ),
            49: self._current_time,
            50: self.feed.subscribe_bars,
            51: self.feed.cancel_bars,
            58: lambda _: self._office.engine.cancel_all(),
            59: lambda _: None,
            61: self.account.positions,
            62: self.account.summary,
            63: self.account.cancel_summary,
            64: self.account.cancel_positions,
            76: self.account.updates_multi,
            77: lambda _: None,
            78: self._chain,
            81: self._matching_symbols,
            82: lambda _: self.send(80, 1, "ARCA", "STK", "", "Deep2", ""),
            91: lambda cursor: self.send(93, cursor.integer(), 1, 0.0, 0.01),
            92: self.account.pnl,
            93: self.account.cancel_pnl,
            94: self.account.single_pnl,
            95: self.account.cancel_single_pnl,
            99: self._completed_orders,
        }

    def _place(self, cursor: FieldCursor) -> None:
        faults, asked = self._office.faults, read_place_order(cursor)
        if faults.is_on("read_only"):
            self.error(READ_ONLY_ID, 321, READ_ONLY)
            return
        self._office.engine.place(self.client_id, asked)
        if faults.is_on("order_message"):
            self.error(asked.order_id, 399, ORDER_MESSAGE)

    def _cancel(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        self._office.engine.cancel(self.client_id, cursor.integer())

    def _open_orders_of_client(self, _: FieldCursor) -> None:
        self._send_open_orders(only_own=True)

    def _open_orders_of_all(self, _: FieldCursor) -> None:
        self._send_open_orders(only_own=False)

    def _send_open_orders(self, *, only_own: bool) -> None:
        for order in self._office.book.working():
            if only_own and order.client_id != self.client_id:
                continue
            self.send_frames(
                [
                    order_messages.open_order(order, self._office.directory),
                    order_messages.order_status(order),
                ]
            )
        if not self._office.faults.is_on("swallow_open_order_end"):
            self.send(53, 1)

    def _completed_orders(self, _: FieldCursor) -> None:
        for order in self._office.book.completed(self._office.market.session_date):
            self.send_frames([order_messages.completed_order(order, self._office.directory)])
        if not self._office.faults.is_on("swallow_completed_orders_end"):
            self.send(102)

    def _executions(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id, client_id = cursor.integer(), cursor.integer()
        for execution in self._office.book.executions_of(self._office.market.session_date):
            if client_id in (0, execution.client_id):
                self.send_frames(
                    [
                        order_messages.execution_details(
                            execution, self._office.directory, request_id
                        ),
                        order_messages.commission_report(execution),
                    ]
                )
        if not self._office.faults.is_on("swallow_executions_end"):
            self.send(55, 1, request_id)

    def _contract_details(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id, asked = cursor.integer(), read_contract(cursor)
        cursor.skip(4)
        cursor.finish()
        found = self._office.directory.find(asked)
        if not found:
            text = "No security definition has been found for the request"
            self.error(request_id, 200, text)
            return
        for contract in found:
            self.send(*self._office.directory.details(request_id, contract))
        self.send(52, 1, request_id)

    def _chain(self, cursor: FieldCursor) -> None:
        request_id = cursor.integer()
        cursor.skip(3)
        for message in self._office.directory.chain_messages(request_id, cursor.integer()):
            self.send(*message)

    def _matching_symbols(self, cursor: FieldCursor) -> None:
        request_id, pattern = cursor.integer(), cursor.text()
        found = [s for s in self._office.directory.known_symbols() if s.startswith(pattern)]
        fields: list[FieldValue] = [79, request_id, len(found)]
        for symbol in found:
            contract = self._office.market.underlying(symbol)
            fields += [contract.con_id, symbol, "STK", contract.primary_exchange, "USD"]
            fields += [1, "OPT", symbol, ""]
        self.send(*fields)

    def _current_time(self, _: FieldCursor) -> None:
        if not self._office.faults.is_on("swallow_current_time"):
            self.send(49, 1, int(self._office.clock.now().timestamp()))
