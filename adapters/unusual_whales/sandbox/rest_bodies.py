"""Bodies of the REST endpoints, from the state of the simulated market.

Field names, types, null groups and row orders are the vendor's as recorded publicly.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import numpy as np

from adapters.market_model.market import SimulatedMarket
from adapters.market_model.news import economic_calendar
from adapters.unusual_whales.sandbox.exposures import (
    exposures,
    gamma_flip,
    strike_fields,
    walls,
)
from adapters.unusual_whales.sandbox.feed import FeedWriter
from adapters.unusual_whales.sandbox.rest_ask import (
    Answerer,
    Ask,
    BadParameter,
    epoch_seconds,
    read_number,
)
from adapters.unusual_whales.sandbox.rest_rows import alert_rest_row, minute_row, rank_row
from adapters.unusual_whales.sandbox.wire import (
    JsonOut,
    Row,
    decimal,
    eastern,
    occ,
    short,
    zulu,
)
from domain.session import new_york

TIDE_MINUTES = 5
CONTRACT_ROWS_MAX = 500
CANDLES = frozenset({"1m", "5m", "10m", "15m", "30m", "1h", "4h", "1d"})
CANDLE_MINUTES = {"1h": "60m", "4h": "240m"}
STOCK = "/api/stock/{ticker}"


class UnknownSession(LookupError):
    """No session of the simulated history has that date."""


class RestBodies:
    """One method an endpoint; each answers the body's value."""

    def __init__(self, market: SimulatedMarket, feed: FeedWriter) -> None:
        self._market = market
        self._feed = feed

    def routes(self) -> Iterable[tuple[str, Answerer]]:
        yield "/api/market/market-tide", lambda ask: self.market_tide(ask.day)
        yield "/api/market/economic-calendar", lambda ask: self.economic_calendar()
        yield "/api/news/headlines", lambda ask: self.headlines(ask.capped(50, 100))
        yield "/api/option-trades/flow-alerts", self._alerts
        yield f"{STOCK}/option-contracts", self._contracts
        yield f"{STOCK}/expiry-breakdown", lambda ask: self.expiry_breakdown(ask.symbol)
        yield f"{STOCK}/net-prem-ticks", lambda ask: self.net_premium_ticks(ask.symbol, ask.day)
        yield f"{STOCK}/iv-rank", lambda ask: self.iv_rank(ask.symbol)
        yield f"{STOCK}/gex-levels", lambda ask: self.gex_levels(ask.symbol)
        yield f"{STOCK}/spot-exposures/strike", self._board
        yield f"{STOCK}/stock-state", lambda ask: self.stock_state(ask.symbol)
        yield f"{STOCK}/ohlc/{{candle_size}}", self._candles

    def _alerts(self, ask: Ask) -> Row:
        symbols = {s for s in ask.query.get("ticker_symbol", "").split(",") if s}
        newer = epoch_seconds(ask.query.get("newer_than"))
        older = epoch_seconds(ask.query.get("older_than"), float("inf"))
        return self.flow_alerts(symbols, newer, older, ask.capped(100, 200))

    def _contracts(self, ask: Ask) -> Row:
        expiry = ask.expiries[0] if ask.expiries else None
        return self.option_contracts(ask.symbol, expiry, ask.limit or CONTRACT_ROWS_MAX)

    def _board(self, ask: Ask) -> Row:
        low = read_number(ask.query.get("min_strike"), 0.0)
        high = read_number(ask.query.get("max_strike"), float("inf"))
        return self.strike_board(ask.symbol, ask.capped(50, 500), low, high)

    def _candles(self, ask: Ask) -> Row:
        if ask.name not in CANDLES:
            raise BadParameter(f"candle size {ask.name}")
        size = CANDLE_MINUTES.get(ask.name, ask.name)
        return self.candles(ask.symbol, size, ask.day, ask.capped(2500, 2500))

    def _is_today(self, day: date | None) -> bool:
        if day is None or day == self._market.session_date:
            return True
        if self._market.earlier_session(day) is None:
            raise UnknownSession(str(day))
        return False

    # -- one symbol ------------------------------------------------------------------------------

    def option_contracts(self, symbol: str, expiry: date | None, limit: int) -> Row:
        """By falling volume. The five price fields are null exactly when nothing traded."""
        market = self._market
        options = market.options[symbol]
        tape = options.tape
        now = options.snapshot(market.seconds_since_open)
        volume = tape.at_ask + tape.at_bid + tape.between
        trading = options.is_trading(market.seconds_since_open)
        rows: list[JsonOut] = []
        for index in np.argsort(-volume, kind="stable"):
            contract = options.chain.contracts[int(index)]
            if expiry is not None and contract.expiry != expiry:
                continue
            if len(rows) == min(limit, CONTRACT_ROWS_MAX):
                break
            traded = int(volume[index])
            premium = int(tape.premium[index])
            interest = int(options.open_interest[index])
            prices: Row = {
                "last_price": decimal(int(tape.last_ticks[index]) / 100),
                "avg_price": decimal(premium / max(traded, 1) / 100, 10),
                "high_price": decimal(int(tape.high_ticks[index]) / 100),
                "low_price": decimal(int(tape.low_ticks[index]) / 100),
                "implied_volatility": decimal(float(now.priced.implied_volatility[index]), 12),
            }
            row: Row = {
                "option_symbol": occ(contract),
                "volume": traded,
                "open_interest": interest,
                "prev_oi": interest - interest // 40,
                "ask_volume": int(tape.at_ask[index]),
                "bid_volume": int(tape.at_bid[index]),
                "mid_volume": int(tape.between[index]),
                "no_side_volume": int(tape.between[index]),
                "sweep_volume": int(tape.sweep[index]),
                "floor_volume": 0,
                "multi_leg_volume": int(tape.multi_leg[index]),
                "stock_multi_leg_volume": 0,
                "nbbo_bid": decimal(int(now.quotes.bid[index]) / 100) if trading else "0",
                "nbbo_ask": decimal(int(now.quotes.ask[index]) / 100) if trading else "0",
                "total_premium": decimal(premium) if traded else "0",
            }
            rows.append(row | (prices if traded else dict.fromkeys(prices)))
        return {"data": rows}

    def expiry_breakdown(self, symbol: str) -> Row:
        options = self._market.options[symbol]
        tape = options.tape
        volume = tape.at_ask + tape.at_bid + tape.between
        rows: list[JsonOut] = []
        for index, expiry in enumerate(options.chain.expiries):
            inside = options.chain.expiry_index == index
            rows.append(
                {
                    "expires": expiry.isoformat(),
                    "chains": int(inside.sum()),
                    "open_interest": int(options.open_interest[inside].sum()),
                    "volume": int(volume[inside].sum()),
                }
            )
        return {"data": rows}

    def net_premium_ticks(self, symbol: str, day: date | None) -> Row:
        """Changes by the minute from 09:30, the running minute included; oldest first."""
        market = self._market
        if self._is_today(day):
            minutes, start = market.net_premium(symbol), market.open_at
        else:
            assert day is not None
            session = market.earlier_session(day)
            assert session is not None
            minutes, start = market.past_net_premium(symbol, day), session.open_at
        rows: list[JsonOut] = [
            minute_row(start + timedelta(minutes=index), minute)
            for index, minute in enumerate(minutes)
        ]
        return {"data": rows}

    def iv_rank(self, symbol: str) -> Row:
        """The last five days, today's included; oldest first."""
        market = self._market
        options = market.options[symbol]
        month = options.chain.expiries.index(
            min(options.chain.expiries, key=lambda e: abs((e - market.session_date).days - 30))
        )
        at = max(market.seconds_since_open, 0.0)
        years = float(options.surface.years(at)[month])
        today = float(np.sqrt(options.surface.variance(at)[month] / years))
        days = market.daily_bars(symbol, 4)
        rows: list[JsonOut] = []
        for index, (session, _, _, _, close, _) in enumerate(days):
            level = today * (0.97 + 0.015 * index)
            rows.append(rank_row(session, close, level, today, self._after_close(session)))
        now = market.now()
        rows.append(rank_row(market.session_date, market.last(symbol)[0], today, today, now))
        return {"data": rows}

    @staticmethod
    def _after_close(session: date) -> datetime:
        day = new_york(datetime.fromisoformat(f"{session}T18:00:00+00:00"))
        return day.replace(hour=18, minute=35)

    def gex_levels(self, symbol: str) -> Row:
        market = self._market
        found = exposures(market.options[symbol], market.seconds_since_open)
        call_wall, put_wall = walls(found)
        flip = gamma_flip(market.options[symbol], market.seconds_since_open)
        both = np.abs(found.by_strike("gamma", "oi", calls=True)) + np.abs(
            found.by_strike("gamma", "oi", calls=False)
        )
        data: Row = {
            "call_wall": short(call_wall),
            "put_wall": short(put_wall),
            "gamma_magnet": short(float(found.strikes[int(np.argmax(both))])),
            "gamma_flip": None if flip is None else decimal(flip),
            "date": market.session_date.isoformat(),
            "source": "oi",
        }
        return {"data": data}

    def strike_board(self, symbol: str, limit: int, low: float, high: float) -> Row:
        """spot-exposures/strike: ascending strikes between `low` and `high`."""
        market = self._market
        found = exposures(market.options[symbol], market.seconds_since_open)
        head: Row = {
            "ticker": symbol,
            "date": market.session_date.isoformat(),
            "time": zulu(market.now() - timedelta(seconds=12)),
        }
        rows: list[JsonOut] = [
            head | row
            for row, strike in zip(
                strike_fields(found, "", with_split_delta=True), found.strikes, strict=True
            )
            if low <= strike <= high
        ]
        return {"data": rows[:limit]}

    def stock_state(self, symbol: str) -> Row:
        market = self._market
        last, volume = market.last(symbol)
        bars = market.bars(symbol, market.session_date, 60)
        previous = market.daily_bars(symbol, 1)[-1][4]
        since_open = market.seconds_since_open
        phase = "premarket" if since_open < 0 else "regular"
        if market.now() >= market.close_at:
            phase = "postmarket"
        data: Row = {
            "open": short(bars[0].open if bars else last),
            "high": short(max([last, *(b.high for b in bars)])),
            "low": short(min([last, *(b.low for b in bars)])),
            "close": short(last),
            "prev_close": short(previous),
            "volume": volume,
            "total_volume": volume,
            "tape_time": zulu(market.now()),
            "market_time": phase,
        }
        return {"data": data}

    def candles(self, symbol: str, size: str, day: date | None, limit: int) -> Row:
        """ohlc: minute sizes newest first; 1d oldest first."""
        market = self._market
        if size == "1d":
            rows: list[JsonOut] = [
                {
                    "date": session.isoformat(),
                    "open": short(opening),
                    "high": short(high),
                    "low": short(low),
                    "close": short(close),
                    "volume": volume,
                    "total_volume": volume,
                    "market_time": "r",
                }
                for session, opening, high, low, close, volume in market.daily_bars(symbol, limit)
            ]
            return {"data": rows}
        seconds = int(size.removesuffix("m")) * 60
        session = market.session_date if self._is_today(day) or day is None else day
        total = 0
        candles: list[JsonOut] = []
        for bar in market.bars(symbol, session, seconds):
            total += bar.volume
            candles.append(
                {
                    "open": short(bar.open),
                    "high": short(bar.high),
                    "low": short(bar.low),
                    "close": short(bar.close),
                    "volume": bar.volume,
                    "total_volume": total,
                    "market_time": "r",
                    "start_time": zulu(bar.start),
                    "end_time": zulu(bar.start + timedelta(seconds=seconds)),
                }
            )
        return {"data": candles[::-1][:limit]}

    # -- the market ------------------------------------------------------------------------------

    def market_tide(self, day: date | None) -> Row:
        """Running totals in steps of five minutes, the running one included; oldest first."""
        market = self._market
        if self._is_today(day):
            seconds = min(max(market.seconds_since_open, 0.0), float(market.plan.day.seconds))
            start, shown = market.open_at, market.session_date
            step = TIDE_MINUTES * 60
            count = int(seconds // step) + 1 if market.seconds_since_open >= 0 else 0
            totals = [market.tide(min((k + 1) * step, seconds)) for k in range(count)]
        else:
            assert day is not None
            session = market.earlier_session(day)
            assert session is not None
            start, shown = session.open_at, day
            totals = market.past_tide(day, TIDE_MINUTES * 60)
        rows: list[JsonOut] = [
            {
                "timestamp": eastern(start + timedelta(minutes=TIDE_MINUTES * index)),
                "date": shown.isoformat(),
                "net_call_premium": decimal(total[0], 4),
                "net_put_premium": decimal(total[1], 4),
                "net_volume": total[2],
            }
            for index, total in enumerate(totals)
        ]
        return {"data": rows, "date": shown.isoformat()}

    def economic_calendar(self) -> Row:
        """Newest first."""
        listed = economic_calendar(self._market.open_at, self._market.scenario.calendar)
        entries = sorted(listed, key=lambda entry: entry.at, reverse=True)
        rows: list[JsonOut] = [
            {
                "type": entry.kind,
                "event": entry.event,
                "time": zulu(entry.at),
                "reported_period": entry.reported_period,
                "prev": entry.previous,
                "forecast": entry.forecast,
            }
            for entry in entries
        ]
        return {"data": rows}

    def headlines(self, limit: int) -> Row:
        """Newest first."""
        rows: list[JsonOut] = [
            {
                "headline": news.headline,
                "source": news.source,
                "created_at": zulu(news.at),
                "tickers": list(news.tickers),
                "tags": [],
                "is_major": False,
                "sentiment": "neutral",
                "meta": {},
            }
            for news in list(self._feed.headlines)[:limit]
        ]
        return {"data": rows}

    def flow_alerts(
        self, symbols: set[str], newer_than: float, older_than: float, limit: int
    ) -> Row:
        """Newest first. `newer_than` and `older_than` in epoch seconds, inclusive."""
        rows: list[JsonOut] = []
        for alert in self._feed.alerts:
            ended = int(str(alert["end_time"]))
            if not newer_than <= ended / 1000 <= older_than or (
                symbols and alert["ticker"] not in symbols
            ):
                continue
            if len(rows) == limit:
                break
            rows.append(alert_rest_row(alert))
        newest = rows[0]["created_at"] if rows and isinstance(rows[0], dict) else None
        oldest = rows[-1]["created_at"] if rows and isinstance(rows[-1], dict) else None
        return {"data": rows, "newer_than": newest, "older_than": oldest}
