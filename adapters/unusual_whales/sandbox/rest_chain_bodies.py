"""REST bodies about the option chain of a symbol: greeks, exposures, open interest.

Field names and types are the vendor's as recorded publicly. Rows are kept few, so that a fast day
stays cheap.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np

from adapters.market_model.options import OptionMarket
from adapters.unusual_whales.sandbox.exposures import GREEKS, exposures, strike_fields
from adapters.unusual_whales.sandbox.rest_ask import Answerer, Ask, read_number, rows_body
from adapters.unusual_whales.sandbox.rest_chain_reader import ROWS_MAX, ChainReader, Mask
from adapters.unusual_whales.sandbox.wire import (
    JsonOut,
    Row,
    decimal,
    occ,
    short,
    zulu,
)

STOCK = "/api/stock/{ticker}"


class ChainBodies(ChainReader):
    """One method an endpoint."""

    def routes(self) -> Iterable[tuple[str, Answerer]]:
        yield f"{STOCK}/greeks", self.greeks
        yield f"{STOCK}/spot-exposures/expiry-strike", self.expiry_board
        yield f"{STOCK}/greek-exposure", self.exposure_by_day
        yield f"{STOCK}/greek-exposure/strike", self.exposure_by_strike
        yield f"{STOCK}/greek-exposure/expiry", self.exposure_by_expiry
        yield f"{STOCK}/greek-exposure/strike-expiry", self.exposure_by_strike
        yield f"{STOCK}/oi-change", self.interest_changes
        yield f"{STOCK}/oi-per-strike", self.interest_by_strike
        yield f"{STOCK}/oi-per-expiry", self.interest_by_expiry
        yield f"{STOCK}/option-chains", self.symbols_of_chain
        yield f"{STOCK}/max-pain", self.max_pain
        yield "/api/market/oi-change", self.market_interest_changes

    # -- exposures -----------------------------------------------------------------------------

    def greeks(self, ask: Ask) -> JsonOut:
        """Ascending strike; the longest decimals of all endpoints."""
        options = self._options(ask)
        priced: Any = options.snapshot(self._market.seconds_since_open).priced
        names = ("delta", "gamma", "theta", "vega", "rho", "charm", "vanna")
        rows: list[Row] = []
        for strike, call, put in self._pairs(options, ask.expiry):
            row: Row = {
                "date": self._day(),
                "expiry": ask.expiry.isoformat(),
                "strike": short(strike),
                "call_option_symbol": occ(options.chain.contracts[call]),
                "put_option_symbol": occ(options.chain.contracts[put]),
            }
            for right, index in (("call", call), ("put", put)):
                row |= {
                    f"{right}_{n}": decimal(float(getattr(priced, n)[index]), 24) for n in names
                }
                row[f"{right}_volatility"] = decimal(float(priced.implied_volatility[index]), 24)
            rows.append(row)
        return rows_body(rows)

    def expiry_board(self, ask: Ask) -> JsonOut:
        """Descending strike; the whole chain's shares of a strike stand for the expiry's."""
        market, options = self._market, self._options(ask)
        found = exposures(options, market.seconds_since_open)
        low = read_number(ask.query.get("min_strike"), 0.0)
        high = read_number(ask.query.get("max_strike"), float("inf"))
        head: Row = {
            "ticker": ask.symbol,
            "date": self._day(),
            "time": zulu(market.now() - timedelta(seconds=12)),
        }
        fields = strike_fields(found, "", with_split_delta=True)
        rows: list[Row] = []
        for expiry in ask.expiries:
            listed = set(np.unique(options.chain.strike[self._in(options, [expiry])]))
            for strike, row in zip(found.strikes[::-1], fields[::-1], strict=True):
                if low <= strike <= high and strike in listed:
                    rows.append(head | {"expiry": expiry.isoformat()} | row)
        return rows_body(rows[: ask.capped(ROWS_MAX, 500)])

    def _exposure(self, options: OptionMarket, mask: Mask, gamma: str, share: float = 1.0) -> Row:
        """The eight fields of greek-exposure; in shares, not dollars for one percent."""
        found = exposures(options, self._market.seconds_since_open)
        row: Row = {}
        for right, side in (("call", found.call), ("put", ~found.call)):
            for greek in GREEKS:
                values = found.unit[greek] * found.weights["oi"]
                total = float(values[mask & side].sum()) * share / found.spot
                row[f"{right}_{gamma if greek == 'gamma' else greek}"] = decimal(total, 4)
        return row

    def exposure_by_day(self, ask: Ask) -> JsonOut:
        """Oldest first; the groups of charm and vanna are null on the oldest rows."""
        options = self._options(ask)
        every = np.ones(len(options.chain.contracts), dtype=np.bool_)
        days = [row[0] for row in self._market.daily_bars(ask.symbol, 20)]
        rows: list[Row] = []
        for index, day in enumerate([*days, self._market.session_date]):
            share = 1.0 - 0.01 * (len(days) - index)
            row: Row = {"date": day.isoformat()}
            row |= self._exposure(options, every, "gamma", share)
            if index < 3:
                row |= {f"{r}_{g}": None for r in ("call", "put") for g in ("charm", "vanna")}
            rows.append(row)
        return rows_body(rows)

    def exposure_by_strike(self, ask: Ask) -> JsonOut:
        options = self._options(ask)
        expiries = ask.expiries or tuple(options.chain.expiries)
        mask = self._in(options, expiries)
        rows: list[Row] = []
        for thousandths in self._near(options, mask):
            strike = thousandths / 1000
            row: Row = {"date": self._day(), "strike": short(strike)}
            if ask.expiries:
                row |= {
                    "expiry": ask.expiry.isoformat(),
                    "dte": (ask.expiry - self._market.session_date).days,
                }
            row |= self._exposure(options, mask & (options.chain.strike == strike), "gex")
            rows.append(row)
        return rows_body(rows)

    def exposure_by_expiry(self, ask: Ask) -> JsonOut:
        options = self._options(ask)
        rows: list[Row] = []
        for expiry in options.chain.expiries:
            head: Row = {
                "date": self._day(),
                "expiry": expiry.isoformat(),
                "dte": (expiry - self._market.session_date).days,
            }
            rows.append(head | self._exposure(options, self._in(options, [expiry]), "gex"))
        return rows_body(rows)

    # -- open interest -------------------------------------------------------------------------

    def _changes(self, symbol: str, count: int) -> list[Row]:
        """The largest increases of open interest, from the night before."""
        options = self._market.options[symbol]
        interest = options.open_interest
        rows: list[Row] = []
        for index in np.argsort(-interest, kind="stable")[:count]:
            now = int(interest[index])
            before = now - now // 40
            quote = options.snapshot(0.0).quotes
            bid, ask = int(quote.bid[index]) / 100, int(quote.ask[index]) / 100
            rows.append(
                {
                    "option_symbol": occ(options.chain.contracts[int(index)]),
                    "underlying_symbol": symbol,
                    "curr_date": self._day(),
                    "last_date": self._market.plan.earlier[-1].session_date.isoformat(),
                    "curr_oi": now,
                    "last_oi": before,
                    "oi_diff_plain": now - before,
                    "oi_change": decimal((now - before) / before, 10) if before else "0",
                    "volume": now // 8,
                    "trades": now // 90,
                    "rnk": len(rows) + 1,
                    "days_of_oi_increases": 1,
                    "days_of_vol_greater_than_oi": 0,
                    "prev_ask_volume": now // 20,
                    "prev_bid_volume": now // 22,
                    "prev_mid_volume": now // 80,
                    "prev_neutral_volume": now // 80,
                    "prev_multi_leg_volume": now // 50,
                    "prev_stock_multi_leg_volume": 0,
                    "percentage_of_total": decimal(now / max(int(interest.sum()), 1), 8),
                    "avg_price": decimal((bid + ask) / 2, 8),
                    "last_fill": decimal((bid + ask) / 2),
                    "last_bid": decimal(bid),
                    "last_ask": decimal(ask),
                    "prev_total_premium": decimal((bid + ask) / 2 * (now // 8) * 100),
                }
            )
        return rows

    def interest_changes(self, ask: Ask) -> JsonOut:
        """Fifty rows a page, pages from 0, two in all."""
        page = int(read_number(ask.query.get("page"), 0.0))
        rows = self._changes(ask.symbol, 70)
        return rows_body(rows[page * ROWS_MAX : (page + 1) * ROWS_MAX])

    def market_interest_changes(self, ask: Ask) -> JsonOut:
        rows = [row for symbol in self._market.symbols for row in self._changes(symbol, 30)]
        rows.sort(key=lambda row: -int(str(row["oi_diff_plain"])))
        return rows_body(rows[: ask.capped(100, 200)])

    def _interest(self, options: OptionMarket, mask: Mask) -> Row:
        calls = options.chain.call
        return {
            "call_oi": int(options.open_interest[mask & calls].sum()),
            "put_oi": int(options.open_interest[mask & ~calls].sum()),
        }

    def interest_by_strike(self, ask: Ask) -> JsonOut:
        options = self._options(ask)
        return rows_body(
            {"date": self._day(), "strike": short(float(strike))}
            | self._interest(options, options.chain.strike == strike)
            for strike in np.unique(options.chain.strike)
        )

    def interest_by_expiry(self, ask: Ask) -> JsonOut:
        options = self._options(ask)
        return rows_body(
            {"date": self._day(), "expiry": expiry.isoformat()}
            | self._interest(options, self._in(options, [expiry]))
            for expiry in options.chain.expiries
        )

    def symbols_of_chain(self, ask: Ask) -> JsonOut:
        """Texts in no order."""
        names = [occ(contract) for contract in self._options(ask).chain.contracts]
        return {"data": sorted(names, key=lambda name: name[::-1])}

    def max_pain(self, ask: Ask) -> JsonOut:
        """Ascending expiry; the strike at which least is paid out."""
        market, options = self._market, self._options(ask)
        bars = market.bars(ask.symbol, market.session_date, 300)
        close = market.last(ask.symbol)[0]
        rows: list[Row] = []
        for expiry in options.chain.expiries:
            mask = self._in(options, [expiry])
            strikes = np.unique(options.chain.strike[mask])
            strike, call = options.chain.strike[mask], options.chain.call[mask]
            gap = strikes[:, None] - strike[None, :]
            paid = np.maximum(np.where(call, gap, -gap), 0) @ options.open_interest[mask]
            least = int(np.argmin(paid))
            rows.append(
                {
                    "expiry": expiry.isoformat(),
                    "max_pain": short(float(strikes[least])),
                    "close": short(close),
                    "open": short(bars[0].open if bars else close),
                    "next_upper_strike": short(float(strikes[min(least + 1, len(strikes) - 1)])),
                    "next_lower_strike": short(float(strikes[least - 1])) if least else None,
                }
            )
        return {"data": rows, "date": self._day()}
