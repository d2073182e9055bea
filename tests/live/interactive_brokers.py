"""Looks at TWS or Gateway once, under a client id of its own: contracts, a few lines, the clock.

It never asks for orders, positions or accounts, and has no way to place an order.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from ib_async import Contract, ContractDetails

from adapters.interactive_brokers.contracts import REQUEST_SECONDS, stock
from adapters.interactive_brokers.link import ClientIdInUse, LinkError, RequestFailed
from adapters.interactive_brokers.market_link import MarketLink
from domain.event import MarketEvent
from domain.events.feeds import (
    FeedMessageRejected,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
)
from domain.instruments import MULTIPLIER

CLIENT_ID = 77
"""Apart from those of the trader and the feed."""
SYMBOLS = ("SPY", "QQQ", "IWM")
AUCTION = "225"
OPEN_INTEREST = "101"
DEPTH_ROWS = 5
BAR_SECONDS = 5
CLOCK_LOOKS = 3
EVENTS_KEPT_MAX = 20_000
LOOK_SECONDS = 0.05
OVER = "the look is over"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class IbMaterial:
    """What TWS said."""

    server_version: int = 0
    accounts: int = 0
    has_wanted_account: bool = False
    next_valid_id: int = 0
    second_refusal: str = ""
    """How a second connection of the same client id ended."""
    failure: str = ""
    clock: list[tuple[float, float]] = field(default_factory=list)
    """Broker's second less ours, and the round trip, in seconds."""
    stocks: dict[str, list[ContractDetails]] = field(default_factory=dict)
    expiry: date | None = None
    definitions: list[tuple[str, str, str, object]] = field(default_factory=list)
    """Exchange, trading class, multiplier and underlying contract id of the chain of SPY."""
    chain: list[ContractDetails] = field(default_factory=list)
    lines: dict[int, str] = field(default_factory=dict)
    """Names of the lines by request."""
    data_types: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    events: list[MarketEvent] = field(default_factory=list)
    codes: list[tuple[str, int, str]] = field(default_factory=list)
    """Line, or empty, code and text of each error and notice."""
    seconds: float = 0.0

    def ticks(self, con_id: int | None = None) -> list[IbTicksReceived]:
        found = [event for event in self.events if isinstance(event, IbTicksReceived)]
        return [event for event in found if con_id in (None, event.con_id)]

    def kinds(self, *, is_option: bool) -> set[int]:
        return {
            kind
            for event in self.ticks()
            if bool(event.right) == is_option
            for kind, _price, _size in event.ticks
        }

    def bars(self) -> list[IbBarReceived]:
        return [event for event in self.events if isinstance(event, IbBarReceived)]

    def depth(self) -> list[IbDepthReceived]:
        return [event for event in self.events if isinstance(event, IbDepthReceived)]

    def unreadable(self) -> int:
        return sum(isinstance(event, FeedMessageRejected) for event in self.events)


class _Link(MarketLink):
    """The feed's link, with an ear for what the feed does not need."""

    def __init__(self, material: IbMaterial, now: Callable[[], datetime]) -> None:
        self._material = material
        super().__init__("live-check", now, time.monotonic, self._heard, self._said, self._lost)

    def _heard(self, event: MarketEvent) -> None:
        if len(self._material.events) < EVENTS_KEPT_MAX:
            self._material.events.append(event)

    def _said(self, request: int, code: int, text: str) -> None:
        self._material.codes.append((self._material.lines.get(request, ""), code, text))

    def _lost(self, reason: str) -> None:
        if reason != OVER:
            self._material.failure = reason

    def marketDataType(self, request_id: int, kind: int) -> None:
        self._material.data_types[request_id].append(kind)
        super().marketDataType(request_id, kind)

    def securityDefinitionOptionParameter(
        self,
        request_id: int,
        exchange: str,
        con_id: object,
        trading_class: str,
        multiplier: str,
        expirations: list[str],
        strikes: list[float],
    ) -> None:
        self._material.definitions.append((exchange, trading_class, multiplier, con_id))
        super().securityDefinitionOptionParameter(
            request_id, exchange, con_id, trading_class, multiplier, expirations, strikes
        )


async def look_at_broker(
    host: str,
    port: int,
    account: str,
    seconds: float,
    material: IbMaterial,
    *,
    client_id: int = CLIENT_ID,
    now: Callable[[], datetime] = _utc_now,
    is_enough: Callable[[IbMaterial], bool] = lambda _: False,
) -> None:
    """Connect, ask, and listen to the lines for `seconds` or until `is_enough`."""
    link = _Link(material, now)
    try:
        await link.open(host, port, client_id)
    except LinkError as problem:
        material.failure = str(problem)
        return
    try:
        material.server_version = link.client.serverVersion()
        served = link.client.getAccounts()
        material.accounts, material.next_valid_id = len(served), link.next_valid_id
        material.has_wanted_account = not account or account in served
        await _second_connection(host, port, client_id, material)
        await _measure_clock(link, material, now)
        await _look_up(link, material)
        await _listen(link, material, seconds, now, is_enough)
    except LinkError as problem:
        material.failure = str(problem)
    finally:
        link.close(OVER)


async def _second_connection(host: str, port: int, client_id: int, material: IbMaterial) -> None:
    second = _Link(IbMaterial(), _utc_now)
    try:
        await second.open(host, port, client_id)
    except ClientIdInUse as refusal:
        material.second_refusal = f"326: {refusal}"
    except LinkError as refusal:
        material.second_refusal = str(refusal)
    else:
        second.close(OVER)


async def _measure_clock(link: _Link, material: IbMaterial, now: Callable[[], datetime]) -> None:
    for _ in range(CLOCK_LOOKS):
        sent = now().timestamp()
        answer = await link.current_time(REQUEST_SECONDS)
        received = now().timestamp()
        material.clock.append((answer.timestamp() - (sent + received) / 2, received - sent))


async def _look_up(link: _Link, material: IbMaterial) -> None:
    for symbol in SYMBOLS:
        asked = Contract(secType="STK", symbol=symbol, exchange="SMART", currency="USD")
        material.stocks[symbol] = await _details(link, asked)
    con_id = _con_id(material, "SPY")
    if not con_id:
        return
    request = link.client.getReqId()
    try:
        found = await link.ask_by_number(
            request,
            lambda: link.client.reqSecDefOptParams(request, "SPY", "", "STK", con_id),
            REQUEST_SECONDS,
        )
    except RequestFailed:
        return
    days = {
        datetime.strptime(text, "%Y%m%d").date()
        for _exchange, trading_class, multiplier, expirations in found
        if (trading_class, multiplier) == ("SPY", str(MULTIPLIER))
        for text in expirations
    }
    if days:
        material.expiry = min(days)
        material.chain = await _details(link, _whole_expiry(material.expiry))


def _whole_expiry(expiry: date) -> Contract:
    return Contract(
        secType="OPT",
        symbol="SPY",
        lastTradeDateOrContractMonth=f"{expiry:%Y%m%d}",
        exchange="SMART",
        currency="USD",
        multiplier=str(MULTIPLIER),
        tradingClass="SPY",
    )


async def _details(link: _Link, asked: Contract) -> list[ContractDetails]:
    request = link.client.getReqId()
    try:
        return await link.ask_by_number(
            request, lambda: link.client.reqContractDetails(request, asked), REQUEST_SECONDS
        )
    except RequestFailed:
        return []


def _con_id(material: IbMaterial, symbol: str) -> int:
    found = material.stocks.get(symbol, [])
    return found[0].contract.conId if len(found) == 1 and found[0].contract else 0


async def _listen(
    link: _Link,
    material: IbMaterial,
    seconds: float,
    now: Callable[[], datetime],
    is_enough: Callable[[IbMaterial], bool],
) -> None:
    """Three lines of quotes, one of bars, one book, and then an option at the money."""
    began, began_at = time.monotonic(), now()
    for symbol in SYMBOLS:
        if con_id := _con_id(material, symbol):
            _quotes(link, material, stock(symbol, con_id), AUCTION)
    if con_id := _con_id(material, "SPY"):
        spy = stock("SPY", con_id)
        bars = _line(link, material, spy, "bars")
        link.client.reqRealTimeBars(bars, spy, BAR_SECONDS, "TRADES", False, [])
        depth = _line(link, material, spy, "depth")
        link.client.reqMktDepth(depth, spy, DEPTH_ROWS, True, [])
    option_asked = False
    while link.is_open and time.monotonic() - began < seconds and not is_enough(material):
        option = None if option_asked else _at_the_money(material)
        if option is not None:
            option_asked = True
            _quotes(link, material, option, OPEN_INTEREST)
        await asyncio.sleep(LOOK_SECONDS)
    material.seconds = (now() - began_at).total_seconds()


def _line(link: _Link, material: IbMaterial, contract: Contract, kind: str) -> int:
    request = link.add_line(contract, kind, is_vital=False, is_renewed=False)
    material.lines[request] = link.lines[request].name
    return request


def _quotes(link: _Link, material: IbMaterial, contract: Contract, generic: str) -> None:
    request = _line(link, material, contract, "ticks")
    link.client.reqMktData(request, contract, generic, False, False, [])


def _at_the_money(material: IbMaterial) -> Contract | None:
    """A call of the nearest expiry, once a price of SPY is known; last, else close."""
    prices = {
        kind: price
        for event in material.ticks(_con_id(material, "SPY"))
        for kind, price, _size in event.ticks
        if kind in (1, 2, 4, 9, 68, 75) and price > 0
    }
    contracts = [d.contract for d in material.chain if d.contract and d.contract.right[:1] == "C"]
    if not prices or not contracts:
        return None
    price = next(iter(prices.values()))
    return min(contracts, key=lambda contract: abs(contract.strike - price))
