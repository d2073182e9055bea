"""REST bodies about the option chain of a symbol: what traded, and the screener of contracts.

Field names and types are the vendor's as recorded publicly or documented. Rows are kept few, so
that a fast day stays cheap.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from adapters.market_model.options import OptionMarket
from adapters.unusual_whales.sandbox.rest_ask import Answerer, Ask, rows_body
from adapters.unusual_whales.sandbox.rest_chain_reader import ROWS_MAX, ChainReader, Mask
from adapters.unusual_whales.sandbox.wire import (
    JsonOut,
    Row,
    decimal,
    occ,
    short,
    zulu,
    zulu_micro,
)

STOCK = "/api/stock/{ticker}"


class VolumeBodies(ChainReader):
    """One method an endpoint."""

    def routes(self) -> Iterable[tuple[str, Answerer]]:
        yield f"{STOCK}/atm-chains", self.atm_chains
        yield f"{STOCK}/flow-per-expiry", self.flow_by_expiry
        yield f"{STOCK}/flow-per-strike", self.flow_by_strike
        yield f"{STOCK}/flow-per-strike-intraday", self.flow_by_strike_in_day
        yield f"{STOCK}/option/volume-oi-expiry", self.volume_and_interest
        yield "/api/screener/option-contracts", self.screened_contracts
        yield "/api/option-contract/{id}/intraday", self.contract_minutes

    def _flow(self, options: OptionMarket, mask: Mask) -> Row:
        """Volumes and premiums by right and side."""
        tape, calls = options.tape, options.chain.call
        row: Row = {}
        for right, side in (("call", mask & calls), ("put", mask & ~calls)):
            ask, bid = int(tape.at_ask[side].sum()), int(tape.at_bid[side].sum())
            volume = ask + bid + int(tape.between[side].sum())
            premium = float(tape.premium[side].sum())
            row |= {
                f"{right}_volume": volume,
                f"{right}_volume_ask_side": ask,
                f"{right}_volume_bid_side": bid,
                f"{right}_trades": volume // 8,
                f"{right}_premium": decimal(premium),
                f"{right}_premium_ask_side": decimal(premium * ask / max(volume, 1)),
                f"{right}_premium_bid_side": decimal(premium * bid / max(volume, 1)),
                f"{right}_otm_volume": volume // 2,
                f"{right}_otm_premium": decimal(premium / 3),
                f"{right}_otm_trades": volume // 16,
            }
        return row

    def flow_by_expiry(self, ask: Ask) -> JsonOut:
        """A bare array."""
        options = self._options(ask)
        return [
            {"ticker": ask.symbol, "date": self._day(), "expiry": expiry.isoformat()}
            | self._flow(options, self._in(options, [expiry]))
            for expiry in options.chain.expiries
        ]

    def _flow_by_strike(self, ask: Ask, count: int) -> list[Row]:
        options = self._options(ask)
        every = np.ones(len(options.chain.contracts), dtype=np.bool_)
        head: Row = {
            "ticker": ask.symbol,
            "date": self._day(),
            "timestamp": zulu_micro(self._market.now().replace(second=0, microsecond=0)),
        }
        return [
            head
            | {"strike": short(thousandths / 1000)}
            | self._flow(options, options.chain.strike == thousandths / 1000)
            for thousandths in self._near(options, every, count)
        ]

    def flow_by_strike(self, ask: Ask) -> JsonOut:
        """A bare array."""
        return self._flow_by_strike(ask, ROWS_MAX)

    def flow_by_strike_in_day(self, ask: Ask) -> JsonOut:
        return rows_body(self._flow_by_strike(ask, 20))

    def volume_and_interest(self, ask: Ask) -> JsonOut:
        options = self._options(ask)
        volume = self._volume(options)
        rows: list[Row] = []
        for expiry in options.chain.expiries:
            mask = self._in(options, [expiry])
            rows.append(
                {
                    "expires": expiry.isoformat(),
                    "volume": int(volume[mask].sum()),
                    "oi": int(options.open_interest[mask].sum()),
                }
            )
        return rows_body(rows)

    def atm_chains(self, ask: Ask) -> JsonOut:
        """The call and the put nearest to the price, of each expiry asked for."""
        market, options = self._market, self._options(ask)
        spot = options.snapshot(market.seconds_since_open).spot
        rows: list[Row] = []
        for expiry in ask.expiries:
            pairs = self._pairs(options, expiry)
            if pairs:
                _, call, put = min(pairs, key=lambda pair: abs(pair[0] - spot))
                rows += [self._contract(ask.symbol, index) for index in (call, put)]
        return rows_body(rows)

    def _contract(self, symbol: str, index: int) -> Row:
        """A contract as the screener shows it."""
        market, options = self._market, self._market.options[symbol]
        tape, contract = options.tape, options.chain.contracts[index]
        volume = int(self._volume(options)[index])
        last = int(tape.last_ticks[index]) / 100
        now = options.snapshot(market.seconds_since_open)
        return {
            "option_symbol": occ(contract),
            "ticker_symbol": symbol,
            "stock_price": decimal(now.spot),
            "open": decimal(last),
            "high": decimal(int(tape.high_ticks[index]) / 100),
            "low": decimal(int(tape.low_ticks[index]) / 100) if volume else "0",
            "close": decimal(last),
            "avg_price": decimal(int(tape.premium[index]) / max(volume, 1) / 100, 8),
            "chain_prev_close": decimal(last * 0.96),
            "premium": decimal(int(tape.premium[index])),
            "roc": "0",
            "delta": decimal(float(now.priced.delta[index]), 10),
            "gamma": decimal(float(now.priced.gamma[index]), 10),
            "theta": decimal(float(now.priced.theta[index]), 10),
            "vega": decimal(float(now.priced.vega[index]), 10),
            "implied_volatility": decimal(float(now.priced.implied_volatility[index]), 12),
            "last_fill": zulu(market.now()),
            "volume": volume,
            "open_interest": int(options.open_interest[index]),
            "trades": volume // 8,
            "bid_side_volume": int(tape.at_bid[index]),
            "ask_side_volume": int(tape.at_ask[index]),
            "sweep_volume": int(tape.sweep[index]),
            "multileg_volume": int(tape.multi_leg[index]),
            "days_of_oi_increases": 0,
            "days_of_vol_greater_than_oi": 0,
            "bid_side_perc_7_day": "0.4285714286",
            "ask_side_perc_7_day": "0.5714285714",
        }

    def screened_contracts(self, ask: Ask) -> JsonOut:
        """Falling volume; contracts below 200 are left out."""
        wanted = {s for s in ask.query.get("ticker_symbol", "").split(",") if s}
        found: list[tuple[int, str, int]] = []
        for symbol in self._market.symbols:
            if not wanted or symbol in wanted:
                volume = self._volume(self._market.options[symbol])
                top = np.argsort(-volume, kind="stable")[:ROWS_MAX]
                found += [(int(volume[i]), symbol, int(i)) for i in top if volume[i] >= 200]
        found.sort(key=lambda one: -one[0])
        kept = found[: min(ask.capped(50, 250), ROWS_MAX)]
        return rows_body(self._contract(symbol, index) for _, symbol, index in kept)

    def contract_minutes(self, ask: Ask) -> JsonOut:
        """The running minute of a contract; none of one that is not listed."""
        market = self._market
        for symbol in market.symbols:
            options = market.options[symbol]
            for index, contract in enumerate(options.chain.contracts):
                if occ(contract) == ask.name:
                    return rows_body([self._minute(symbol, index)])
        return rows_body([])

    def _minute(self, symbol: str, index: int) -> Row:
        market, options = self._market, self._market.options[symbol]
        tape, contract = options.tape, options.chain.contracts[index]
        assert contract.expiry is not None
        level = decimal(float(options.greeks(contract.con_id, 0.0).implied_volatility), 12)
        last = decimal(int(tape.last_ticks[index]) / 100)
        ask, bid, mid = (int(s[index]) for s in (tape.at_ask, tape.at_bid, tape.between))
        premium = int(tape.premium[index])
        return {
            "start_time": zulu(market.now().replace(second=0, microsecond=0)),
            "expiry": contract.expiry.isoformat(),
            "option_symbol": occ(contract),
            **dict.fromkeys(("open", "high", "low", "close", "avg_price"), last),
            "iv_high": level,
            "iv_low": level,
            "volume_ask_side": ask,
            "volume_bid_side": bid,
            "volume_mid_side": mid,
            "volume_no_side": 0,
            "volume_multi": int(tape.multi_leg[index]),
            "volume_stock_multi": 0,
            "premium_ask_side": decimal(premium / 2),
            "premium_bid_side": decimal(premium / 2),
            "premium_mid_side": "0",
            "premium_no_side": "0",
        }
