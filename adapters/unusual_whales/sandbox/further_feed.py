"""The channels of second and third priority: boards by expiry, windows, screens, prints of shares,
volatility, alerts of our own, index boards, futures.

All of it is read off the market's state at a moment; nothing is drawn, so these channels change
neither the day nor what the others send. What nobody joined is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from adapters.market_model.contract import MarketUpdate, OptionTraded
from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales.sandbox.exposures import exposures, move_fields, strike_fields
from adapters.unusual_whales.sandbox.further_rows import (
    WINDOW_SECONDS,
    Window,
    contract_meta,
    custom_row,
    screened_row,
    share_row,
    window_of,
    window_row,
)
from adapters.unusual_whales.sandbox.settings import THINNED_RATES, ChannelRates
from adapters.unusual_whales.sandbox.volatility import (
    HORIZONS,
    implied_move_share,
    volatility_ahead,
    volatility_levels,
)
from adapters.unusual_whales.sandbox.wire import Row, decimal, milliseconds, occ, short, zulu_micro

INDEX = "SPX"
INDEX_OF = "SPY"
INDEX_TIMES = 10
INDEX_ROWS_A_FRAME_MAX = 50
"""The vendor sends up to 1,024 rows a frame, and several frames a snapshot."""
INDEX_EXPIRIES = 3
FUTURE = "ESZ6"
FUTURE_TIMES = 10.05
STRIKES_NEAR = 30
"""Strikes of one expiry that are sent together."""
ALERT_PREMIUM_MIN = 400_000.0
PRINTS_AT_ONCE_MAX = 200
"""A step that takes long is not made up for print by print."""

Frames = Iterator[tuple[str, Row]]


class FurtherFeed:
    """Writes the frames; keeps where each series is."""

    def __init__(
        self, market: SimulatedMarket, rates: ChannelRates, wants: Callable[[str], bool]
    ) -> None:
        self._market = market
        self._settings = rates
        self._rates = rates
        self._wants = wants
        self._last: dict[str, int] = {}
        self._windows: dict[str, Window] = {}
        self._turn = dict.fromkeys(market.symbols, 0)
        self._told: dict[tuple[str, str], str] = {}
        self._tide_sign = 0

    def frames(self, updates: Iterable[MarketUpdate], thinned: bool) -> list[tuple[str, Row]]:
        """Frames of what happened since the last call, as (channel, payload)."""
        market = self._market
        rates = THINNED_RATES if thinned else self._settings
        if rates is not self._rates:
            # Another pace counts anew, so that nothing is sent for the stretch in between.
            self._rates = rates
            self._last.clear()
        result = list(self._alerts(updates))
        seconds = market.seconds_since_open
        if seconds < 0:
            return result
        if market.now() <= market.close_at:
            for symbol in market.symbols:
                result += self._prints(symbol)
            result += self._futures()
        for symbol in market.symbols:
            if market.options[symbol].is_trading(seconds):
                result += self._windows_of(symbol)
                result += self._boards(symbol)
                result += self._volatility(symbol)
        if market.options[INDEX_OF].is_trading(seconds):
            result += self._screen()
            result += self._index()
        return result

    def _numbers(self, channel: str, seconds: float, series: str = "") -> range:
        """The multiples of `seconds` since the open that were passed since the last call; none of
        a channel that nobody joined."""
        if not self._wants(channel):
            return range(0)
        name = f"{channel} {series}"
        now = int(self._market.seconds_since_open // seconds)
        before = self._last.get(name, now)
        self._last[name] = now
        return range(max(before, now - PRINTS_AT_ONCE_MAX) + 1, now + 1)

    def _is_due(self, channel: str, seconds: float, series: str = "") -> bool:
        return len(self._numbers(channel, seconds, series)) > 0

    def _at(self, number: int, seconds: float) -> datetime:
        return self._market.open_at + timedelta(seconds=number * seconds)

    # -- prints ----------------------------------------------------------------------------------

    def _prints(self, symbol: str) -> Frames:
        for kind, seconds in (
            ("off_lit", self._rates.off_lit_seconds),
            ("lit", self._rates.lit_seconds),
        ):
            channel = f"{kind}_trades:{symbol}"
            for number in self._numbers(channel, seconds):
                row = share_row(self._market, symbol, number, self._at(number, seconds), kind)
                yield channel, row

    def _futures(self) -> Frames:
        seconds = self._rates.futures_seconds
        for channel in (f"futures:{FUTURE}", "futures_trades"):
            for number in self._numbers(channel, seconds):
                price = round(self._market.spot(INDEX_OF) * FUTURE_TIMES * 4) / 4
                yield (
                    channel,
                    {
                        "contract": FUTURE,
                        "executed_at": zulu_micro(self._at(number, seconds)),
                        "price": decimal(price),
                        "size": 1 + number % 5,
                        "side": "ask" if number % 2 else "bid",
                    },
                )

    # -- flow ------------------------------------------------------------------------------------

    def _windows_of(self, symbol: str) -> Frames:
        if not self._is_due("interval_flow", self._rates.window_seconds, symbol):
            return
        market = self._market
        number = int(market.seconds_since_open // WINDOW_SECONDS)
        start = self._at(number, WINDOW_SECONDS)
        level = volatility_ahead(market, symbol, 30)
        window = self._windows.get(symbol)
        if window is None or window.start != start:
            price = market.last(symbol)[0]
            window = window_of(market.options[symbol], start, price, level)
            self._windows[symbol] = window
        for kind in ("All", "OtmOnly"):
            yield "interval_flow", window_row(market, symbol, window, kind, level)

    def _screen(self) -> Frames:
        """The contracts with most volume of all symbols."""
        if not self._is_due("contract_screener", self._rates.screen_seconds):
            return
        found: list[tuple[int, str, int]] = []
        for symbol in self._market.symbols:
            tape = self._market.options[symbol].tape
            volume = tape.at_ask + tape.at_bid + tape.between
            top = np.argsort(-volume, kind="stable")[: self._rates.screen_rows]
            found += [(int(volume[i]), symbol, int(i)) for i in top if volume[i] > 0]
        found.sort(key=lambda one: -one[0])
        for _, symbol, index in found[: self._rates.screen_rows]:
            yield "contract_screener", screened_row(self._market, symbol, index)

    def _alerts(self, updates: Iterable[MarketUpdate]) -> Frames:
        channel, market = "custom_alerts", self._market
        if not self._wants(channel):
            return
        for update in updates:
            if (
                isinstance(update, OptionTraded)
                and update.price * update.size * 100 >= ALERT_PREMIUM_MIN
            ):
                meta = contract_meta(update, market.open_interest(update.contract.con_id))
                name, kind = "Large option print", "option_contract_interval"
                yield channel, custom_row(name, kind, occ(update.contract), update.at, meta)
        calls, puts, *_ = market.tide()
        sign = (calls > puts) - (calls < puts)
        if sign and sign != self._tide_sign:
            if self._tide_sign:
                meta = {"event": "calls above puts" if sign > 0 else "puts above calls"}
                row = custom_row("Market tide cross", "market_tide", None, market.now(), meta)
                yield channel, row
            self._tide_sign = sign

    # -- exposures -------------------------------------------------------------------------------

    def _boards(self, symbol: str) -> Frames:
        """Today's board each time, and the later ones in turn."""
        channel, rates = f"gex_strike_expiry:{symbol}", self._rates
        if not self._is_due(channel, rates.strike_expiry_seconds):
            return
        market = self._market
        options, seconds = market.options[symbol], market.seconds_since_open
        found = exposures(options, seconds)
        live = [int(i) for i in np.nonzero(options.surface.years(seconds) > 0)[0]]
        turn, later = self._turn[symbol], live[1:]
        order = live[:1] + [later[(turn + i) % len(later)] for i in range(len(later))]
        at, left = milliseconds(market.now().replace(microsecond=0)), rates.strike_expiry_rows
        for index in order:
            board = found.of(options.chain.expiry_index == index)
            near = np.argsort(np.abs(board.strikes - found.spot), kind="stable")
            kept = np.sort(near[: min(STRIKES_NEAR, left)])
            mask = np.isin(board.strike, board.strikes[kept])
            expiry = options.chain.expiries[index].isoformat()
            head: Row = {"ticker": symbol, "expiry": expiry, "timestamp": at}
            for row in strike_fields(board.of(mask), "_vol", with_split_delta=False):
                yield channel, head | row
            left -= len(kept)
            if index != live[0]:
                self._turn[symbol] += 1
            if left <= 0:
                return

    def _index(self) -> Frames:
        """Boards of the index, from the fund that follows it."""
        market, rates = self._market, self._rates
        options, seconds = market.options[INDEX_OF], market.seconds_since_open
        at = milliseconds(market.now().replace(microsecond=0))
        if self._is_due(f"gex:{INDEX}", 60.0 if rates is THINNED_RATES else 2.0):
            found = exposures(options, seconds)
            price = decimal(found.spot * INDEX_TIMES)
            head: Row = {"ticker": INDEX, "timestamp": at, "price": price}
            yield f"gex:{INDEX}", head | move_fields(replace(found, spot=found.spot * INDEX_TIMES))
        if not self._is_due(f"periscope:{INDEX}", rates.periscope_seconds):
            return
        found = exposures(options, seconds)
        rows: list[Row] = []
        for index in np.nonzero(options.surface.years(seconds) > 0)[0][:INDEX_EXPIRIES]:
            board = found.of(options.chain.expiry_index == index)
            sums = {
                greek: board.by_strike(greek, "oi", calls=True)
                + board.by_strike(greek, "oi", calls=False)
                for greek in ("gamma", "charm", "vanna")
            }
            expiry = options.chain.expiries[int(index)].isoformat()
            for place, strike in enumerate(board.strikes):
                row: Row = {"strike": short(float(strike) * INDEX_TIMES), "expiry": expiry}
                rows.append(row | {g: round(float(sums[g][place]), 4) for g in sums})
        for first in range(0, len(rows), INDEX_ROWS_A_FRAME_MAX):
            last = first + INDEX_ROWS_A_FRAME_MAX
            yield (
                f"periscope:{INDEX}",
                {
                    "ticker": INDEX,
                    "timestamp": at,
                    "total_rows": len(rows),
                    "has_more": last < len(rows),
                    "rows": rows[first:last],
                },
            )

    # -- volatility ------------------------------------------------------------------------------

    def _volatility(self, symbol: str) -> Frames:
        """By days ahead all, by expiry only those that changed."""
        market, seconds = self._market, self._rates.volatility_seconds
        price, day = market.spot(symbol), market.session_date.isoformat()
        head: Row = {"ticker": symbol, "date": day}
        channel = f"interpolated_iv:{symbol}"
        if self._is_due(channel, seconds):
            exact = {(expiry - market.session_date).days for expiry, _, _ in
                     volatility_levels(market, symbol)}  # fmt: skip
            for days in HORIZONS:
                level = volatility_ahead(market, symbol, days)
                share = implied_move_share(level, days)
                yield (
                    channel,
                    head | {"days": days, "is_exact": days in exact} | _moves(level, share, price),
                )
        channel = f"iv_term_structure:{symbol}"
        if self._is_due(channel, seconds):
            for expiry, level, years in volatility_levels(market, symbol):
                told = f"{level:.6f}"
                if self._told.get((symbol, expiry.isoformat())) == told:
                    continue
                self._told[symbol, expiry.isoformat()] = told
                yield (
                    channel,
                    head
                    | {"expiry": expiry.isoformat()}
                    | _moves(level, level * years**0.5, price),
                )


def _moves(level: float, share: float, price: float) -> Row:
    return {
        "volatility": round(level, 6),
        "implied_move": round(price * share, 4),
        "implied_move_perc": round(share, 6),
    }
