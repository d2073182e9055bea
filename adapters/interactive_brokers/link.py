"""One connection to TWS: ib_async's Client with a wrapper of our own, used once and thrown away.

ib_async's IB class keeps orders and tickers of its own and drops what it has not asked for
(repeated statuses, the OCA group of a known order, a commission that overtakes its execution) or
rewrites it (an error becomes a cancel). Its Client and Decoder hand everything over as it came;
this module is the wrapper behind them. OrderLink and MarketLink build on it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar, cast

from ib_async import Client, Contract, ExecutionFilter, Order

from adapters.interactive_brokers.tap import Tap, TappedClient

CONNECT_SECONDS = 4.0
CLIENT_ID_IN_USE = 326
FARM_CODES = range(2100, 2200)
"""Notices, mostly about TWS's connections to its data farms; no request fails by them."""
NO_ANSWER = 0
"""In the place of TWS's code."""


class LinkError(ConnectionError):
    """The connection cannot be used: refused, lost, or closed."""


class NotReady(LinkError):
    """TWS took the connection, or may have, and said nothing in time."""


class ClientIdInUse(LinkError):
    """Another connection holds our client id. Wait; never take another id."""


class RequestTimedOut(LinkError):
    """No answer in time. A late one could be taken for the next: the connection must go."""


class RequestFailed(RuntimeError):
    """TWS answered a request with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class IbClient(Protocol):
    """The part of ib_async.Client that is used, with types."""

    conn: Any
    decoder: Any
    throttleStart: Any
    throttleEnd: Any

    async def connectAsync(
        self,
        host: str,
        port: int,
        clientId: int,
        timeout: float,  # noqa: ASYNC109  the library's own name
    ) -> None: ...
    def disconnect(self) -> None: ...
    def isReady(self) -> bool: ...
    def serverVersion(self) -> int: ...
    def getAccounts(self) -> list[str]: ...
    def getReqId(self) -> int: ...
    def updateReqId(self, minReqId: int) -> None: ...
    def reqCurrentTime(self) -> None: ...
    def reqAllOpenOrders(self) -> None: ...
    def reqCompletedOrders(self, apiOnly: bool) -> None: ...
    def reqExecutions(self, reqId: int, execFilter: ExecutionFilter) -> None: ...
    def reqPositions(self) -> None: ...
    def cancelPositions(self) -> None: ...
    def reqAccountUpdates(self, subscribe: bool, acctCode: str) -> None: ...
    def reqPnL(self, reqId: int, account: str, modelCode: str) -> None: ...
    def placeOrder(self, orderId: int, contract: Contract, order: Order) -> None: ...
    def cancelOrder(self, orderId: int, manualCancelOrderTime: str = "") -> None: ...
    def reqContractDetails(self, reqId: int, contract: Contract) -> None: ...
    def reqSecDefOptParams(
        self, reqId: int, symbol: str, exchange: str, secType: str, conId: int
    ) -> None: ...
    def reqMktData(
        self,
        reqId: int,
        contract: Contract,
        genericTickList: str,
        snapshot: bool,
        regulatorySnapshot: bool,
        mktDataOptions: list[object],
    ) -> None: ...
    def cancelMktData(self, reqId: int) -> None: ...
    def reqMktDepth(
        self,
        reqId: int,
        contract: Contract,
        numRows: int,
        isSmartDepth: bool,
        mktDepthOptions: list[object],
    ) -> None: ...
    def cancelMktDepth(self, reqId: int, isSmartDepth: bool) -> None: ...
    def reqRealTimeBars(
        self,
        reqId: int,
        contract: Contract,
        barSize: int,
        whatToShow: str,
        useRTH: bool,
        realTimeBarsOptions: list[object],
    ) -> None: ...
    def cancelRealTimeBars(self, reqId: int) -> None: ...
    def reqHistoricalData(
        self,
        reqId: int,
        contract: Contract,
        endDateTime: str,
        durationStr: str,
        barSizeSetting: str,
        whatToShow: str,
        useRTH: int,
        formatDate: int,
        keepUpToDate: bool,
        chartOptions: list[object],
    ) -> None: ...
    def cancelHistoricalData(self, reqId: int) -> None: ...


class _Unreadable(logging.Handler):
    """Hears of messages that ib_async could not decode; it only logs them."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard(record.getMessage())


class IbLink:
    """Connection, requests and errors. Subclasses add the callbacks of what they read."""

    def __init__(
        self, on_lost: Callable[[str], None], connection: str = "", tap: Tap | None = None
    ) -> None:
        self._on_lost = on_lost
        self._futures: dict[object, asyncio.Future[list[Any]]] = {}
        self._results: dict[object, list[Any]] = {}
        self._serial = asyncio.Lock()
        self._refused: asyncio.Future[LinkError] = asyncio.get_running_loop().create_future()
        self._is_open = False
        self.is_throttled = False
        self.next_valid_id = 0
        # What ib_async's decoder reads from its wrapper.
        self.ib = SimpleNamespace(TimezoneTWS="US/Eastern")
        self.defaultTimezone = UTC
        client = TappedClient(self, tap, connection) if tap else Client(self)  # type: ignore[no-untyped-call]
        self.client = cast(IbClient, client)
        self.client.throttleStart += self._throttle_started
        self.client.throttleEnd += self._throttle_ended
        logger = logging.Logger("ib_async.Decoder")  # one for each link, not in the registry
        logger.addHandler(_Unreadable(self.message_unreadable))
        self.client.decoder.logger = logger

    # Connecting.

    @property
    def is_open(self) -> bool:
        return self._is_open and self.client.isReady()

    async def open(
        self, host: str, port: int, client_id: int, seconds: float = CONNECT_SECONDS
    ) -> None:
        """Connect and wait for account and next valid id.

        Raises:
            ClientIdInUse: TWS still has a client of this id.
            NotReady: no word within `seconds`.
            LinkError: refused, or closed.
        """
        connecting = asyncio.ensure_future(self.client.connectAsync(host, port, client_id, seconds))
        either: list[asyncio.Future[Any]] = [connecting, self._refused]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._refused.done():
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            self._abort()
            raise self._refused.result()
        try:
            connecting.result()
        except OSError as problem:
            self._abort()
            kind = type(problem).__name__
            failure = NotReady if isinstance(problem, TimeoutError) else LinkError
            raise failure(f"TWS at {host}:{port} must become ready, was {kind}") from None
        self._is_open = True
        self._keep_alive()

    def _keep_alive(self) -> None:
        """ib_async sets no keepalive: a cut network would go unnoticed for ever."""
        connection: socket.socket = self.client.conn.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def close(self, reason: str) -> None:
        """Give the link up. Says so once, and fails whatever waits."""
        if not self._is_open:
            return
        self._is_open = False
        self._abort()
        self._fail_all(LinkError(f"the link was closed: {reason}"))
        self._on_lost(reason)

    def _abort(self) -> None:
        transport = self.client.conn.transport
        self.client.disconnect()
        if transport is not None:
            transport.abort()  # a frozen peer would hold a graceful close for ever

    def _fail_all(self, problem: Exception) -> None:
        for future in self._futures.values():
            if not future.done():
                future.set_exception(problem)
        self._futures.clear()
        self._results.clear()

    def _throttle_started(self) -> None:
        self.is_throttled = True

    def _throttle_ended(self) -> None:
        self.is_throttled = False

    def unsent_bytes(self) -> int:
        """Bytes that the socket has not taken yet."""
        transport = self.client.conn.transport
        return 0 if transport is None else int(transport.get_write_buffer_size())

    # Requests.

    async def ask(self, key: object, send: Callable[[], None], seconds: float) -> list[Any]:
        """Send a request and wait for the end of its answer; the caller knows the types.

        Raises:
            RequestFailed: TWS refused it.
            RequestTimedOut: no end of the answer in time; the link is closed.
            LinkError: the link is or was lost.
        """
        try:
            return await self._answer(key, send, seconds)
        except TimeoutError:
            reason = f"no answer to {key} within {seconds:g} s"
            self.close(reason)
            raise RequestTimedOut(reason) from None

    async def ask_by_number(
        self, request: int, send: Callable[[], None], seconds: float
    ) -> list[Any]:
        """As `ask`, for an answer that carries the number of its request: a late one is known as
        such and passed over, so that the link stays.

        Raises:
            RequestFailed: TWS refused it, or gave no answer in time.
            LinkError: the link is or was lost.
        """
        try:
            return await self._answer(request, send, seconds)
        except TimeoutError:
            raise RequestFailed(NO_ANSWER, f"no answer within {seconds:g} s") from None

    async def _answer(self, key: object, send: Callable[[], None], seconds: float) -> list[Any]:
        if not self.is_open:
            raise LinkError("the link must be open, was closed")
        assert key not in self._futures, f"one request of a kind at a time, was {key!r} twice"
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._futures[key] = future
        self._results[key] = []
        try:
            send()
            # Not wait_for: in Python 3.11 it swallows a cancel that meets the answer.
            async with asyncio.timeout(seconds):
                return await future
        finally:
            self._futures.pop(key, None)
            self._results.pop(key, None)

    async def ask_alone(self, key: object, send: Callable[[], None], seconds: float) -> list[Any]:
        """As `ask`, one at a time: these requests share one slot in TWS's answers."""
        async with self._serial:
            return await self.ask(key, send, seconds)

    def part(self, key: object, item: object) -> None:
        """One piece of an answer."""
        if key in self._results:
            self._results[key].append(item)

    def end(self, key: object) -> None:
        future = self._futures.get(key)
        if future is not None and not future.done():
            future.set_result(self._results[key])

    async def current_time(self, seconds: float) -> datetime:
        """TWS's clock, whole seconds."""
        (epoch,) = await self.ask("currentTime", self.client.reqCurrentTime, seconds)
        return datetime.fromtimestamp(epoch, UTC)

    # What subclasses override.

    def heard_error(self, request_id: int, code: int, text: str) -> None:
        """An error or a notice."""

    def message_unreadable(self, text: str) -> None:
        """ib_async could not decode a message; it is lost but for this text."""

    # ib_async's callbacks.

    def connectAck(self) -> None: ...

    def setEventsDone(self) -> None:
        """The socket closed, ready or not."""
        if not self._is_open and not self._refused.done():
            self._refused.set_result(LinkError("TWS must accept the connection, was closed by it"))

    def connectionClosed(self) -> None:
        self.close("the socket was closed")

    def managedAccounts(self, accounts: str) -> None: ...

    def nextValidId(self, next_id: int) -> None:
        self.next_valid_id = next_id

    def currentTime(self, epoch: int) -> None:
        self.part("currentTime", epoch)
        self.end("currentTime")

    def error(self, request_id: int, code: int, text: str, _reject_json: str) -> None:
        if code == CLIENT_ID_IN_USE and not self._refused.done():
            self._refused.set_result(ClientIdInUse(text))
        future = self._futures.get(request_id) if request_id >= 0 else None
        if future is not None and not future.done() and code not in FARM_CODES:
            future.set_exception(RequestFailed(code, text))
        self.heard_error(request_id, code, text)


LinkT = TypeVar("LinkT", bound=IbLink)


def opened(link: LinkT | None) -> LinkT:
    """The link, which is open.

    Raises:
        LinkError: there is none, or it is closed.
    """
    if link is None or not link.is_open:
        raise LinkError("a connection must be open, was none")
    return link
