"""Hot views of what Unusual Whales says now: prices, exposures, boards, tide, alerts, headlines.

Pure: an event in, Redis commands out. A payload that cannot be read changes nothing here; the feed
tables say why. Nothing expires by itself, because a rebuild must give the same bytes: where age
matters `stale_after` tells when a value is no longer one, and a new session begins with empty
boards, sums and halts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any

import msgspec

from domain.event import Recorded
from domain.events.feed_health import FeedDriftSeen, FeedRateChanged
from domain.events.feeds import (
    UwContractScreenerReceived,
    UwFlowAlertReceived,
    UwFrame,
    UwGexReceived,
    UwGexStrikeExpiryReceived,
    UwGexStrikeReceived,
    UwInterpolatedIvReceived,
    UwIntervalFlowReceived,
    UwIvTermStructureReceived,
    UwMarketTideReceived,
    UwNetFlowReceived,
    UwNewsReceived,
    UwPriceReceived,
    UwRestReceived,
    UwTradingHaltReceived,
)
from domain.events.system import SessionPlanned
from domain.instruments import SYMBOLS
from domain.payloads import unusual_whales as uw
from domain.payloads.unusual_whales.reading import rows_of
from projections.hot.fields import named, put
from projections.redis_target import Command

ALERTS_MAX = 500
HEADLINES_MAX = 200
DRIFTS_MAX = 200
PRICE_SECONDS = 20
GEX_SECONDS = 120
TIDE_SECONDS = 30
INCREMENT_MAX = 10**12
"""Dollars or contracts of one increment: Redis counts in 64 bits and refuses what is beyond."""
TOTAL_MAX = 10**15
_SNAPSHOTS = {
    f"/api/stock/{{ticker}}/{name}": name.replace("/", "-")
    for name in ("gex-levels", "stock-state", "volatility/stats")
}
_RENEWED = (
    *(("boards", "board:"), ("halts", ""), ("tide", ""), ("screener", "")),
    *((f"{family}:{symbol}", "") for family in ("net-flow", "interval-flow") for symbol in SYMBOLS),
)
View = Callable[[Recorded, Any], list[Command]]


def _json(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()


def _until(at: datetime, seconds: int) -> datetime:
    return at + timedelta(seconds=seconds)


def _newest(key: str, text: str, count: int) -> list[Command]:
    """A list of texts, the newest first, of at most so many."""
    return [("LPUSH", key, text), ("LTRIM", key, "0", str(count - 1))]


def _counted(key: str, sums: Mapping[str, Any]) -> list[Command]:
    """Increments of sums, money in cents; none when one is beyond anything that is traded."""
    if any(abs(value or 0) > INCREMENT_MAX for value in sums.values()):
        return []
    return [
        ("HINCRBY", key, f"{name}_cents", str(int((value * 100).to_integral_value())))
        if isinstance(value, Decimal)
        else ("HINCRBY", key, name, str(value or 0))
        for name, value in sums.items()
    ]


def typed(view: Callable[[Recorded, Any], list[Command]]) -> View:
    """A view of a frame's typed value; none of one that cannot be read, or whose time plus its
    limit is beyond the calendar."""

    @wraps(view)
    def commands(event: Recorded, body: UwFrame) -> list[Command]:
        try:
            value = uw.READERS[type(body)](bytes(body.payload), uw.ticker(body.channel))
            return view(event, value)
        except (uw.PayloadError, OverflowError):
            return []

    return commands


@typed
def price(event: Recorded, value: uw.Price) -> list[Command]:
    return [
        put(
            f"price:{value.symbol}",
            price=value.close,
            session_volume=value.session_volume,
            at=value.at,
            stale_after=_until(value.at, PRICE_SECONDS),
            position=event.position,
        )
    ]


@typed
def exposure(event: Recorded, value: uw.Exposure) -> list[Command]:
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    stale_after = _until(value.at, GEX_SECONDS)
    return [put(f"gex:{value.symbol}", **fields, stale_after=stale_after, position=event.position)]


@typed
def strike(_: Recorded, value: uw.StrikeExposure) -> list[Command]:
    """One JSON text a strike. A board is of a symbol, or of a symbol and expiry."""
    name = value.symbol if value.expiry is None else f"{value.symbol}:{value.expiry}"
    text = _json(
        at=value.at,
        call_gamma_oi=value.call_gamma_oi,
        put_gamma_oi=value.put_gamma_oi,
        call_gamma_volume=value.call_gamma_volume,
        put_gamma_volume=value.put_gamma_volume,
        charm_oi=_sum(value.call_charm_oi, value.put_charm_oi),
        vanna_oi=_sum(value.call_vanna_oi, value.put_vanna_oi),
    )
    return [put("boards", **{name: value.at}), put(f"board:{name}", **{str(value.strike): text})]


def _sum(call: float | None, of_put: float | None) -> float | None:
    return None if call is None or of_put is None else call + of_put


@typed
def tide(event: Recorded, value: uw.MarketTide) -> list[Command]:
    """Sums of the session, of increments."""
    stale_after = _until(value.at, TIDE_SECONDS)
    sums = {"net_call_premium": value.net_call_premium, "net_put_premium": value.net_put_premium}
    return [
        *_counted("tide", sums | {"net_volume": value.net_volume}),
        put("tide", at=value.at, stale_after=stale_after, position=event.position),
    ]


@typed
def net_flow(event: Recorded, value: uw.NetFlow) -> list[Command]:
    key = f"net-flow:{value.symbol}"
    sums = {name: getattr(value, name) for name in value.__struct_fields__ if name[:4] == "net_"}
    return [*_counted(key, sums), put(key, at=value.at, position=event.position)]


@typed
def flow_alert(event: Recorded, value: uw.FlowAlert) -> list[Command]:
    about = {name: getattr(value, name) for name in value.__struct_fields__ if name != "trade_ids"}
    return _newest("flow-alerts", _json(**about, position=event.position), ALERTS_MAX)


@typed
def news(event: Recorded, value: uw.News) -> list[Command]:
    about = {name: getattr(value, name) for name in value.__struct_fields__}
    return _newest("headlines", _json(**about, position=event.position), HEADLINES_MAX)


@typed
def halt(event: Recorded, value: uw.TradingHalt) -> list[Command]:
    about = _json(state=value.state, reason=value.reason, at=value.at, position=event.position)
    return [put("halts", **{value.symbol: about})]


@typed
def interval_flow(_: Recorded, value: uw.IntervalFlow) -> list[Command]:
    """The newest state of the newest window of each kind."""
    if value.symbol not in SYMBOLS:
        return []
    about = {name: getattr(value, name) for name in value.__struct_fields__}
    return [put(f"interval-flow:{value.symbol}", **{value.interval_type: _json(**about)})]


@typed
def screened(_: Recorded, value: uw.ScreenedContract) -> list[Command]:
    if value.symbol not in SYMBOLS:
        return []
    about = {name: getattr(value, name) for name in value.__struct_fields__}
    return [put("screener", **{value.option_symbol: _json(**about)})]


@typed
def interpolated_iv(_: Recorded, value: uw.InterpolatedIv) -> list[Command]:
    about = {name: getattr(value, name) for name in value.__struct_fields__}
    return [put(f"interpolated-iv:{value.symbol}", **{str(value.days): _json(**about)})]


@typed
def expiry_iv(_: Recorded, value: uw.ExpiryIv) -> list[Command]:
    about = {name: getattr(value, name) for name in value.__struct_fields__}
    return [put(f"term-structure:{value.symbol}", **{str(value.expiry): _json(**about)})]


def answer(event: Recorded, body: UwRestReceived) -> list[Command]:
    """Snapshots of a symbol, and the totals by which the sums of the tide are put right."""
    if body.status != 200:
        return []
    try:
        if body.endpoint == "/api/market/market-tide":
            return _tide_total(event, body)
        name = _SNAPSHOTS.get(body.endpoint)
        if name is None:
            return []
        rows = rows_of(bytes(body.payload))
    except uw.PayloadError:
        return []
    fields = {key: value for row in rows[:1] for key, value in row.items()}
    about = {"received_at": body.received_at, "position": event.position}
    return [put(f"{name}:{body.symbol}", **fields | about)]


def _tide_total(event: Recorded, body: UwRestReceived) -> list[Command]:
    rows = uw.read_market_tide_rows(bytes(body.payload))
    rows = [row for row in rows if row.at <= event.market_time]
    if not rows:
        return []
    last = max(rows, key=lambda row: row.at)
    if max(map(abs, (last.net_call_premium, last.net_put_premium, last.net_volume))) > TOTAL_MAX:
        return []
    return [
        put(
            "tide",
            net_call_premium_cents=round(last.net_call_premium * 100),
            net_put_premium_cents=round(last.net_put_premium * 100),
            net_volume=last.net_volume,
            total_at=last.at,
        )
    ]


def drift(event: Recorded, body: FeedDriftSeen) -> list[Command]:
    return _newest("drifts", _json(**named(body), at=event.recorded_at), DRIFTS_MAX)


def rate(event: Recorded, body: FeedRateChanged) -> list[Command]:
    said = _json(**named(body), kind="rate", at=event.recorded_at)
    return _newest("drifts", said, DRIFTS_MAX)


def session(_: Recorded, body: SessionPlanned) -> list[Command]:
    """What belongs to one session is empty at the start of the next."""
    day = str(body.day.session_date)
    return [("RENEW", key, members, day) for key, members in _RENEWED]


VIEWS: Mapping[type[Any], View] = {
    UwPriceReceived: price,
    UwGexReceived: exposure,
    UwGexStrikeReceived: strike,
    UwGexStrikeExpiryReceived: strike,
    UwMarketTideReceived: tide,
    UwNetFlowReceived: net_flow,
    UwFlowAlertReceived: flow_alert,
    UwNewsReceived: news,
    UwTradingHaltReceived: halt,
    UwIntervalFlowReceived: interval_flow,
    UwContractScreenerReceived: screened,
    UwInterpolatedIvReceived: interpolated_iv,
    UwIvTermStructureReceived: expiry_iv,
    UwRestReceived: answer,
    FeedDriftSeen: drift,
    FeedRateChanged: rate,
    SessionPlanned: session,
}
