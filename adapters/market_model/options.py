"""The option market of one symbol: chain, surface, open interest, tape and current quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.chain import Chain, build_chain, open_interest
from adapters.market_model.contract import SimGreeks, SimQuote
from adapters.market_model.flow import TradeSource, interpolated, quote_rows
from adapters.market_model.history import HistoricDay, realised_variances
from adapters.market_model.paths import (
    ADV_SHARES,
    AFTER_CLOSE_SECONDS,
    BEFORE_OPEN_SECONDS,
    pressure,
)
from adapters.market_model.pricing import Book, Priced
from adapters.market_model.scenario import Scenario
from adapters.market_model.seconds import SecondTable
from adapters.market_model.session_plan import SessionPlan
from adapters.market_model.surface import Surface, dividends
from adapters.market_model.tape import OptionTape
from adapters.market_model.tide import FlowScale
from adapters.market_model.variance import forecast_next, variance_density

Floats = NDArray[np.float64]

FORECAST_SESSIONS = 22
OPTIONS_AFTER_CLOSE_SECONDS = 900
OPEN_INTEREST_SCALE = {"SPY": 6000.0, "QQQ": 5000.0, "IWM": 4500.0}
SNAPSHOT_SLOTS_PER_SECOND = 4


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Values and quotes of the whole chain at one moment; row r is chain.contracts[r]."""

    seconds_since_open: float
    spot: float
    priced: Priced
    quotes: Book


class OptionMarket:
    """Listed options of one symbol over the simulated day."""

    def __init__(
        self,
        seed: int,
        plan: SessionPlan,
        scenario: Scenario,
        table: SecondTable,
        history: Sequence[HistoricDay],
        symbol: str,
        before: OptionMarket | None = None,
    ) -> None:
        """`before` is the market of the last session of `history` where that was played too."""
        self.scenario = scenario
        self._session_seconds = plan.day.seconds
        first = BEFORE_OPEN_SECONDS
        self._spots = np.concatenate(([table.close[first - 1]], table.close[first:]))
        session = self._spots[: plan.day.seconds + 1]
        sessions = [plan.day, *plan.later]
        days = [s.session_date for s in sessions]
        self.chain: Chain = build_chain(
            symbol,
            days[0],
            days[1:],
            float(session[0]),
            scenario.contracts_max,
            before.chain.contracts if before else (),
        )
        self.realised: list[float] = (
            [*before.realised[1:], history[-1].variance]
            if before
            else realised_variances(seed, symbol, history[-FORECAST_SESSIONS:])
        )
        """Five-minute variances of the last sessions."""
        self.forecast = forecast_next(symbol, self.realised)
        self.dividend_spot = float(session[0])
        self.dividends = dividends(symbol, self.dividend_spot, days)
        self.surface = Surface(
            self.chain,
            scenario,
            days,
            [s.close_at for s in sessions],
            session,
            self.forecast,
            sum(self.realised) / len(self.realised),
            self.dividends,
        )
        self.adv_shares = sum(day.volume for day in history[-20:]) / len(history[-20:])
        reference = min(int(scenario.gex_reference_minute * 60), plan.day.seconds - 1)
        index = self.chain.expiry_index
        self.open_interest = open_interest(
            self.chain,
            seed,
            float(self._spots[reference]),
            self.surface.variance(reference)[index],
            self.surface.years(reference)[index],
            scenario.rate,
            scenario.gex_norm * self.adv_shares * float(self._spots[reference]),
            OPEN_INTEREST_SCALE[symbol],
            scenario.wall_percent,
        )
        self.lean = self._lean(scenario)
        rate = scenario.trades_per_second[tuple(ADV_SHARES).index(symbol)]
        minutes = plan.day.seconds // 60
        activity = variance_density(plan.day.seconds).reshape(minutes, 60).sum(axis=1) * minutes
        activity[[0, -1]] *= scenario.burst_times
        self._source = TradeSource(
            seed,
            self.chain,
            self.surface,
            scenario,
            self._spots,
            self.lean,
            rate,
            np.concatenate((activity, np.full(OPTIONS_AFTER_CLOSE_SECONDS // 60, 0.3))),
        )
        self.tape = OptionTape(self._source, len(self.chain.contracts))
        self._rows = np.arange(len(self.chain.contracts))
        self._snapshot: Snapshot | None = None

    def _lean(self, scenario: Scenario) -> Floats:
        """Direction of option flow by the second: the tape's pressure and the scenario's bias."""
        lean = pressure(self._spots)
        ramp = (np.arange(len(lean)) / 60 - scenario.flow_bias_minute) / 15
        lean = lean + scenario.flow_bias * np.clip(ramp, 0.0, 1.0)
        clipped: Floats = np.clip(lean, -1.0, 1.0)
        return clipped

    def flow_scale(self) -> FlowScale:
        """Size of this symbol's flow, measured on the trades of one minute."""
        minute = 20
        chunk = self._source.draw(minute)
        premium = (chunk.price_ticks * chunk.size).astype(float)
        trades = max(len(chunk), 1)
        rate = self.scenario.trades_per_second[tuple(ADV_SHARES).index(self.chain.symbol)]
        return FlowScale(
            trades_per_minute=rate * 60,
            contracts=float(chunk.size.sum()) / trades,
            premium=float(premium.sum()) / trades,
            premium_square=float((premium**2).sum()) / trades,
            delta_shares=float(np.abs(chunk.greeks.delta * chunk.size * 100).sum()) / trades,
            alignment=self.scenario.flow_alignment,
        )

    def spot(self, seconds_since_open: float) -> float:
        return float(interpolated(self._spots, np.array([max(seconds_since_open, 0.0)]))[0])

    def is_trading(self, seconds_since_open: float) -> bool:
        """Options trade from the open until 15 minutes after the close."""
        return 0 <= seconds_since_open < self._session_seconds + OPTIONS_AFTER_CLOSE_SECONDS

    def snapshot(self, seconds_since_open: float) -> Snapshot:
        """The whole chain now, on a grid of quarter seconds; made once for each moment."""
        slot = int(seconds_since_open * SNAPSHOT_SLOTS_PER_SECOND) / SNAPSHOT_SLOTS_PER_SECOND
        at = min(max(slot, 0.0), float(self._session_seconds + AFTER_CLOSE_SECONDS))
        if self._snapshot is None or self._snapshot.seconds_since_open != at:
            spot = self.spot(at)
            rows = len(self._rows)
            priced, quotes = quote_rows(
                self.chain,
                self.surface,
                self.scenario,
                self._rows,
                np.full(rows, at),
                np.full(rows, spot),
            )
            self._snapshot = Snapshot(at, spot, priced, quotes)
        return self._snapshot

    def quote(self, con_id: int, seconds_since_open: float) -> SimQuote | None:
        row = self.chain.rows[con_id]
        if not self.is_trading(seconds_since_open):
            after = seconds_since_open > 0
            return None if after and self.chain.expiry_index[row] == 0 else SimQuote(0, 0, 0, 0)
        quotes = self.snapshot(seconds_since_open).quotes
        return SimQuote(
            int(quotes.bid[row]) / 100,
            int(quotes.ask[row]) / 100,
            int(quotes.bid_size[row]),
            int(quotes.ask_size[row]),
        )

    def greeks(self, con_id: int, seconds_since_open: float) -> SimGreeks:
        now = self.snapshot(seconds_since_open)
        return self.greeks_row(now.priced, self.chain.rows[con_id], now.spot)

    @staticmethod
    def greeks_row(priced: Priced, row: int, spot: float) -> SimGreeks:
        return SimGreeks(
            implied_volatility=float(priced.implied_volatility[row]),
            delta=float(priced.delta[row]),
            gamma=float(priced.gamma[row]),
            vega=float(priced.vega[row]),
            theta=float(priced.theta[row]),
            rho=float(priced.rho[row]),
            price=float(priced.price[row]),
            underlying_price=spot,
        )
