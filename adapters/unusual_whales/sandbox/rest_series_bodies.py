"""REST bodies that are series: by the minute of the session, or by the day.

Series by the minute are cut to the last rows, so that a fast day stays cheap; the vendor's answers
hold the whole session.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import numpy as np

from adapters.market_model.market import SimulatedMarket
from adapters.market_model.surface import dividends
from adapters.unusual_whales.sandbox.exposures import exposures, move_fields
from adapters.unusual_whales.sandbox.rest_ask import Answerer, Ask, rows_body
from adapters.unusual_whales.sandbox.volatility import (
    HORIZONS,
    implied_move_share,
    volatility_ahead,
    volatility_levels,
)
from adapters.unusual_whales.sandbox.wire import JsonOut, Row, decimal, zulu, zulu_micro

MINUTES_KEPT_MAX = 60
STOCK = "/api/stock/{ticker}"
LEVEL_DAYS = 30
YEAR_SESSIONS = 260
PAYMENT_DAYS = 42


class SeriesBodies:
    """One method an endpoint."""

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self._exposures: dict[str, dict[datetime, Row]] = {s: {} for s in market.symbols}

    def routes(self) -> Iterable[tuple[str, Answerer]]:
        yield "/api/companies/{ticker}/dividends", self.dividends
        yield f"{STOCK}/greek-flow", self.greek_flow
        yield f"{STOCK}/greek-flow/{{expiry}}", self.greek_flow
        yield f"{STOCK}/nope", self.nope
        yield f"{STOCK}/spot-exposures", self.spot_exposures
        yield f"{STOCK}/options-volume", self.options_volume
        yield f"{STOCK}/interpolated-iv", self.interpolated_volatility
        yield f"{STOCK}/volatility/term-structure", self.term_structure
        yield f"{STOCK}/volatility/stats", self.volatility_stats
        yield f"{STOCK}/volatility/realized", self.realised_volatility
        yield f"{STOCK}/historical-risk-reversal-skew", self.risk_reversal
        yield "/api/market/{ticker}/etf-tide", self.fund_tide
        yield "/api/net-flow/expiry", self.net_flow
        yield "/api/market/total-options-volume", self.market_volume

    def _day(self) -> str:
        return self._market.session_date.isoformat()

    def _minutes(self, symbol: str) -> Iterator[tuple[datetime, Row, float]]:
        """Start, sums and net delta of the newest minutes; the running one last."""
        minutes = self._market.net_premium(symbol)
        first = max(0, len(minutes) - MINUTES_KEPT_MAX)
        names = ("call_volume", "put_volume", "net_call_premium", "net_put_premium")
        for index in range(first, len(minutes)):
            at = self._market.open_at + timedelta(minutes=index)
            yield at, {n: minutes[index].value(n) for n in names}, minutes[index].net_delta

    def greek_flow(self, ask: Ask) -> JsonOut:
        rows: list[Row] = []
        for at, sums, delta in self._minutes(ask.symbol):
            volume = int(str(sums["call_volume"])) + int(str(sums["put_volume"]))
            row: Row = {
                "ticker": ask.symbol,
                "timestamp": zulu_micro(at),
                "transactions": volume // 8,
                "volume": volume,
                "dir_delta_flow": decimal(delta, 17),
                "total_delta_flow": decimal(abs(delta) * 1.8, 17),
                "dir_vega_flow": decimal(delta * 0.04, 17),
                "total_vega_flow": decimal(abs(delta) * 0.09, 17),
                "otm_dir_delta_flow": decimal(delta * 0.6, 17),
                "otm_total_delta_flow": decimal(abs(delta), 17),
                "otm_dir_vega_flow": decimal(delta * 0.03, 17),
                "otm_total_vega_flow": decimal(abs(delta) * 0.05, 17),
            }
            if ask.expiries:
                row["expiry"] = ask.expiry.isoformat()
            rows.append(row)
        return rows_body(rows)

    def nope(self, ask: Ask) -> JsonOut:
        shares = self._market.last(ask.symbol)[1]
        rows: list[Row] = []
        for at, sums, delta in self._minutes(ask.symbol):
            rows.append(
                {
                    "timestamp": zulu_micro(at),
                    "call_vol": sums["call_volume"],
                    "put_vol": sums["put_volume"],
                    "stock_vol": shares,
                    "call_delta": decimal(abs(delta) * 0.9, 12),
                    "put_delta": decimal(-abs(delta) * 0.7, 12),
                    "call_fill_delta": decimal(delta, 12),
                    "put_fill_delta": decimal(-delta, 12),
                    "nope": decimal(delta / max(shares, 1), 18),
                    "nope_fill": decimal(delta / max(shares, 1) / 2, 18),
                }
            )
        return rows_body(rows)

    def spot_exposures(self, ask: Ask) -> JsonOut:
        """One row a minute, those of the minutes in which somebody asked."""
        market, kept = self._market, self._exposures[ask.symbol]
        options = market.options[ask.symbol]
        found = exposures(options, market.seconds_since_open)
        minute = market.now().replace(second=0, microsecond=0)
        row: Row = {
            "ticker": ask.symbol,
            "ticker_id": 1,
            "time": zulu_micro(minute),
            "start_time": zulu_micro(minute),
            "price": decimal(found.spot),
        }
        moves = move_fields(found)
        kept[minute] = row | {n: v for n, v in moves.items() if not n.startswith("delta")}
        while len(kept) > MINUTES_KEPT_MAX:
            del kept[next(iter(kept))]
        return rows_body(kept.values())

    def fund_tide(self, ask: Ask) -> JsonOut:
        return rows_body(self._tide(ask.symbol, net_volume_as_text=True))

    def _tide(self, symbol: str, *, net_volume_as_text: bool) -> Iterator[Row]:
        price = decimal(self._market.spot(symbol))
        for at, sums, _ in self._minutes(symbol):
            volume = int(str(sums["call_volume"])) - int(str(sums["put_volume"]))
            yield {
                "timestamp": zulu_micro(at) if net_volume_as_text else zulu(at),
                "date": self._day(),
                "net_call_premium": decimal(float(str(sums["net_call_premium"])), 4),
                "net_put_premium": decimal(float(str(sums["net_put_premium"])), 4),
                "net_volume": str(volume) if net_volume_as_text else volume,
                "underlying_price": price,
            }

    def net_flow(self, ask: Ask) -> JsonOut:
        """Rows inside a row that says again what was asked for."""
        rows = [
            {**row, "net_volume": str(row["net_volume"])}
            for row in self._tide("SPY", net_volume_as_text=False)
        ]
        inner: Row = {
            "data": rows,
            "date": self._day(),
            "expiration": ask.query.get("expiration", "weekly"),
            "moneyness": ask.query.get("moneyness", "all"),
            "tide_type": ask.query.get("tide_type", "all"),
        }
        return rows_body([inner])

    def options_volume(self, ask: Ask) -> JsonOut:
        """Newest first; one row of today, and as many earlier ones as are asked for."""
        tape = self._market.options[ask.symbol].tape
        calls = self._market.options[ask.symbol].chain.call
        interest = self._market.options[ask.symbol].open_interest
        totals = tape.session_totals()
        row: Row = {"date": self._day()}
        for right, side, net in (("call", calls, totals[6]), ("put", ~calls, totals[7])):
            at_ask, at_bid = int(tape.at_ask[side].sum()), int(tape.at_bid[side].sum())
            volume = at_ask + at_bid + int(tape.between[side].sum())
            row |= {
                f"{right}_volume": volume,
                f"{right}_volume_ask_side": at_ask,
                f"{right}_volume_bid_side": at_bid,
                f"{right}_open_interest": int(interest[side].sum()),
                f"{right}_premium": decimal(int(tape.premium[side].sum())),
                f"net_{right}_premium": decimal(net),
                **{f"avg_{n}_day_{right}_volume": decimal(volume * 1.1, 4) for n in (3, 7, 30)},
            }
        row |= {
            "bullish_premium": decimal(max(totals[6], 0)),
            "bearish_premium": decimal(max(totals[7], 0)),
        }
        return rows_body([row])

    def market_volume(self, ask: Ask) -> JsonOut:
        tapes = [options.tape for options in self._market.options.values()]
        totals = [sum(t.session_totals()[n] for t in tapes) for n in range(8)]
        row: Row = {
            "date": self._day(),
            "call_volume": totals[0],
            "put_volume": totals[1],
            "call_premium": decimal(sum(float(t.premium.sum()) for t in tapes) * 0.55),
            "put_premium": decimal(sum(float(t.premium.sum()) for t in tapes) * 0.45),
        }
        return rows_body([row])

    # -- volatility ----------------------------------------------------------------------------

    def interpolated_volatility(self, ask: Ask) -> JsonOut:
        rows: list[Row] = []
        for days in HORIZONS:
            level = volatility_ahead(self._market, ask.symbol, days)
            rows.append(
                {
                    "date": self._day(),
                    "days": days,
                    "volatility": decimal(level, 12),
                    "implied_move_perc": decimal(implied_move_share(level, days), 12),
                    "percentile": decimal(min(0.95, level * 2), 6),
                }
            )
        return rows_body(rows)

    def term_structure(self, ask: Ask) -> JsonOut:
        price = self._market.spot(ask.symbol)
        return rows_body(
            {
                "date": self._day(),
                "ticker": ask.symbol,
                "expiry": expiry.isoformat(),
                "dte": (expiry - self._market.session_date).days,
                "volatility": decimal(level, 12),
                "implied_move": decimal(price * level * float(np.sqrt(years)), 8),
                "implied_move_perc": decimal(level * float(np.sqrt(years)), 12),
            }
            for expiry, level, years in volatility_levels(self._market, ask.symbol)
        )

    def volatility_stats(self, ask: Ask) -> JsonOut:
        level = volatility_ahead(self._market, ask.symbol, LEVEL_DAYS)
        data: Row = {
            "date": self._day(),
            "ticker": ask.symbol,
            "iv": decimal(level, 6),
            "iv_high": decimal(level * 1.9, 6),
            "iv_low": decimal(level * 0.7, 6),
            "rv": decimal(level * 0.85, 6),
            "rv_high": decimal(level * 1.7, 6),
            "rv_low": decimal(level * 0.5, 6),
            "iv_rank": "31.4200",
        }
        return {"data": data}

    def realised_volatility(self, ask: Ask) -> JsonOut:
        """Oldest first; a row's realised value looks a month ahead."""
        level = volatility_ahead(self._market, ask.symbol, LEVEL_DAYS)
        return rows_body(
            {
                "date": day.isoformat(),
                "price": decimal(close),
                "implied_volatility": decimal(level, 6),
                "realized_volatility": decimal(level * 0.9, 6),
                "unshifted_rv_date": (day + timedelta(days=30)).isoformat(),
            }
            for day, _, _, _, close, _ in self._market.daily_bars(ask.symbol, 20)
        )

    def risk_reversal(self, ask: Ask) -> JsonOut:
        return rows_body(
            {
                "date": day.isoformat(),
                "ticker": ask.symbol,
                "delta": int(ask.query.get("delta", "25")),
                "risk_reversal": decimal(-0.04 + 0.0005 * index, 8),
            }
            for index, (day, *_) in enumerate(self._market.daily_bars(ask.symbol, 20))
        )

    def dividends(self, ask: Ask) -> JsonOut:
        """What was paid until today, newest first: the amounts that the market pays a year on."""
        market = self._market
        options = market.options[ask.symbol]
        days = [
            *(row[0] for row in market.daily_bars(ask.symbol, YEAR_SESSIONS)),
            market.session_date,
        ]
        paid = dividends(ask.symbol, options.dividend_spot, days)
        rows: list[JsonOut] = [
            {
                "ex_date": one.ex_date.isoformat(),
                "record_date": one.ex_date.isoformat(),
                "declaration_date": (one.ex_date - timedelta(days=1)).isoformat(),
                "payment_date": (one.ex_date + timedelta(days=PAYMENT_DAYS)).isoformat(),
                "amount": one.amount,
            }
            for one in reversed(paid)
        ]
        return {"data": {"ticker": ask.symbol, "dividends": rows}}
