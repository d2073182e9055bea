"""What the vendors sent, verbatim, and which lines of the broker are wanted and open.

Payloads are kept as they came: Unusual Whales frames and bodies byte for byte (`payload` is raw
JSON text), Interactive Brokers fields as the client delivers them. Typed reading is done by
domain/payloads and by the audit projection. How the feeds are is in feed_health.py.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from domain.event import DeskEvent, MarketEvent
from domain.events.feed_health import FeedGapClosed as FeedGapClosed
from domain.events.feed_health import FeedGapOpened as FeedGapOpened
from domain.events.feed_health import FeedStateChanged as FeedStateChanged
from domain.instruments import OptionContract, Right, Value


class UwFrame(MarketEvent, frozen=True):
    """One frame of the Unusual Whales socket. Stream `uw/<channel>`, channel as joined.

    `connection` is the epoch of the socket and `sequence` the number of the frame in it: with
    them a frame without a vendor key has an identity. They are transport, not content.
    """

    channel: str
    connection: str
    sequence: int
    received_at: datetime
    payload: msgspec.Raw
    """Element 1 of the frame, byte for byte."""


class UwOptionTradeReceived(UwFrame, frozen=True):
    """Channel option_trades:<TICKER>; natural key: the trade's id."""


class UwFlowAlertReceived(UwFrame, frozen=True):
    """Channel flow-alerts; natural key: the alert's id."""


class UwPriceReceived(UwFrame, frozen=True):
    """Channel price:<TICKER>."""


class UwNewsReceived(UwFrame, frozen=True):
    """Channel news; natural key: source, timestamp and headline."""


class UwGexReceived(UwFrame, frozen=True):
    """Channel gex:<TICKER>."""


class UwGexStrikeReceived(UwFrame, frozen=True):
    """Channel gex_strike:<TICKER>."""


class UwGexStrikeExpiryReceived(UwFrame, frozen=True):
    """Channel gex_strike_expiry:<TICKER>."""


class UwMarketTideReceived(UwFrame, frozen=True):
    """Channel market_tide: increments of about two seconds, not totals."""


class UwNetFlowReceived(UwFrame, frozen=True):
    """Channel net_flow:<TICKER>."""


class UwTradingHaltReceived(UwFrame, frozen=True):
    """Channel trading_halts."""


class UwIntervalFlowReceived(UwFrame, frozen=True):
    """Channel interval_flow: a 5-minute window of one ticker, restated while it fills."""


class UwContractScreenerReceived(UwFrame, frozen=True):
    """Channel contract_screener: a snapshot of one active contract."""


class UwLitTradeReceived(UwFrame, frozen=True):
    """Channel lit_trades:<TICKER>, or the global one."""


class UwOffLitTradeReceived(UwFrame, frozen=True):
    """Channel off_lit_trades:<TICKER>, or the global one."""


class UwCustomAlertReceived(UwFrame, frozen=True):
    """Channel custom_alerts: alerts that were set up on our account at the vendor."""


class UwInterpolatedIvReceived(UwFrame, frozen=True):
    """Channel interpolated_iv:<TICKER>."""


class UwIvTermStructureReceived(UwFrame, frozen=True):
    """Channel iv_term_structure:<TICKER>: only expiries whose values changed."""


class UwPeriscopeReceived(UwFrame, frozen=True):
    """Channel periscope:<ROOT>: a part of a snapshot, complete with the last of its frames."""


class UwFuturesTradeReceived(UwFrame, frozen=True):
    """Channel futures_trades or futures:<CONTRACT>."""


class UwOtherReceived(UwFrame, frozen=True):
    """Any further channel: kept, read by nobody yet."""


class UwRestReceived(MarketEvent, frozen=True):
    """One REST answer. Stream `uw/rest/<endpoint>`; the body is kept byte for byte."""

    schema_version = 2

    endpoint: str
    """Template, such as /api/stock/{ticker}/option-contracts."""
    path: str
    query: str
    symbol: str
    status: int
    headers: dict[str, str]
    received_at: datetime
    payload: msgspec.Raw
    purpose: str = "poll"
    """poll, backfill, operator. What fills a gap never triggers a signal."""
    gap_id: str = ""
    """The gap that it fills (FeedGapOpened.gap_id)."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """In the first version every answer was one of the schedule."""
        return state


class IbTicksReceived(MarketEvent, frozen=True):
    """Ticks of one market-data line in one packet. Stream `ib/ticks/<symbol>`.

    For the underlying `con_id` is the ETF's; for an option line expiry, strike and right are
    given too. `ticks` are (tick type, price, size) and `computations` are (tick type,
    implied_volatility, delta, price, pv_dividend, gamma, vega, theta, underlying_price) as
    ib_async hands them over, None where unset. `market_data_type` 1 is live; others never trade.
    """

    con_id: int
    symbol: str
    expiry: str
    """YYYY-MM-DD, empty for an underlying or a basket member."""
    strike: float
    right: str
    connection: str
    received_at: datetime
    market_data_type: int
    ticks: list[tuple[int, float, float]]
    computations: list[
        tuple[
            int,
            float | None,
            float | None,
            float | None,
            float | None,
            float | None,
            float | None,
            float | None,
            float | None,
        ]
    ]


class IbBarReceived(MarketEvent, frozen=True):
    """A 5-second bar of an underlying; `start` is the bar's start. Stream `ib/bars/<symbol>`.

    Natural key: symbol and start.
    """

    con_id: int
    symbol: str
    connection: str
    received_at: datetime
    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    wap: float
    count: int


class IbDepthReceived(MarketEvent, frozen=True):
    """Depth ticks in one packet: (position, market maker, operation, side, price, size).

    operation 0 insert, 1 update, 2 delete; side 0 ask, 1 bid. Stream `ib/depth/<symbol>`.
    """

    con_id: int
    symbol: str
    connection: str
    received_at: datetime
    ticks: list[tuple[int, str, int, int, float, float]]


class FeedMessageRejected(MarketEvent, frozen=True):
    """Bytes that could not be read, kept with the reason. Stream `rejected/<vendor>`."""

    vendor: str
    feed: str
    reason: str
    payload_base64: str
    received_at: datetime


class HistoryImported(DeskEvent):
    """One answer to a history request, verbatim. Stream `history/<vendor>/<symbol>`.

    Natural key: vendor, request, symbol and session_date. `session_date` is the last session the
    answer covers; a stage refuses one that is not before the session it trades.

    request, with the shape of `payload` (JSON text):
      ib.bars.1day    [[date, open, high, low, close, volume, wap, count], ...] oldest first
      ib.bars.5mins   one session: [[start ISO, open, high, low, close, volume, wap, count], ...]
      ib.bars.1min    one session, same shape
      uw.market-tide, uw.net-prem-ticks, uw.iv-rank, uw.option-contracts, uw.dividends,
      uw.economic-calendar:
                      the vendor's REST body as it came
      dividends       [[ex_date, amount, estimated], ...] of the symbol, entered by the operator
    """

    vendor: str
    request: str
    symbol: str
    session_date: date
    payload: str


class HistoryReady(DeskEvent):
    """The import is done; `warmup` names what is still missing. Stream `history`."""

    session_date: date
    imported: int
    warmup: tuple[str, ...]


class ListedOption(Value):
    con_id: int
    strike: Decimal
    right: Right


class ChainListed(DeskEvent):
    """The contracts of one expiry as the broker lists them. Stream `chain/<symbol>`."""

    symbol: str
    expiry: date
    trading_class: str
    multiplier: int
    contracts: tuple[ListedOption, ...]


class UnderlyingListed(DeskEvent):
    """Contract details of an underlying or basket member. Stream `chain/<symbol>`."""

    symbol: str
    con_id: int
    primary_exchange: str
    size_multiplier: int
    """1 when the feed's sizes are shares, 100 when they are round lots."""


class WantedLine(Value):
    contract: OptionContract
    reason: str


class LinesWanted(DeskEvent):
    """A stage wants these option lines open; it replaces the same requester's earlier wish.

    Stream `lines/<requester>`. Feeds obeys inside its budget; underlyings are always open.
    """

    requester: str
    lines: tuple[WantedLine, ...]


class LineOpened(DeskEvent):
    """An option line was asked for. Stream `lines/<symbol>`."""

    contract: OptionContract


class LineClosed(DeskEvent):
    """An option line was given up. Stream `lines/<symbol>`."""

    contract: OptionContract
    reason: str


class LineRefused(DeskEvent):
    """A line of the broker stays shut, or brings less than was asked. Stream `lines/<symbol>`."""

    symbol: str
    con_id: int
    kind: str
    """ticks, bars or depth."""
    code: int
    """The broker's error code; 0 when our own budget of lines has no room."""
    reason: str


class DepthWanted(DeskEvent):
    """A requester wants these books open, in order of importance; it replaces the same
    requester's earlier wish. Stream `lines/<requester>`.

    Feeds obeys inside the broker's limit of three.
    """

    requester: str
    symbols: tuple[str, ...]
