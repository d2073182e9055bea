"""A driven forecasts stage with bars, metrics and chains of one symbol."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from domain.event import Body
from domain.events.analytics import ChainEvaluated
from domain.events.feeds import IbBarReceived
from domain.forecasts.stage import ForecastStage
from domain.forecasts.state import ForecastState
from tests.domain.risk.build import DAY, OPEN, Driven, changed, session_planned
from tests.domain.signals.build import chain_body, metrics

METRICS: dict[str, float | str | None] = {
    "spot_mid": 600.0,
    "micro_price": 600.002,
    "ofi_norm": 1.0,
    "book_imbalance": 0.2,
    "last_close": 600.0,
    "rv_1d": 5e-5,
    "rv_5d": 6e-5,
    "rv_22d": 7e-5,
    "rho": 0.8,
    "v_rem": 4e-5,
    "rv_today": 1e-5,
    "atm_iv_0dte": 0.16,
    "atm_iv_1dte": 0.16,
    "atm_iv_14d": 0.16,
    "v_to_expiry_0dte": 2.5e-5,
    "v_to_expiry_1dte": 1e-4,
    "v_to_expiry_14d": 1.6e-3,
}


class Forecasts(Driven):
    """The stage at some time after the open, the first session planned."""

    def __init__(
        self, at: datetime = OPEN + timedelta(minutes=4, seconds=55), **parameters: Any
    ) -> None:
        super().__init__(ForecastStage(), worker="signals", at=at)
        self.when(changed(**parameters))
        self.when(session_planned())

    @property
    def state(self) -> ForecastState:
        found = self.consumer.states[0]
        assert isinstance(found, ForecastState)
        return found

    def evaluate(self, *, after: float = 5.0, **values: float | str | None) -> list[Body]:
        """An evaluation point `after` seconds on, the usual metrics changed."""
        self.at += timedelta(seconds=after)
        return self.when(metrics({**METRICS, **values}, self.at))

    def bar(self, *, low: float = 599.9, high: float = 600.1, close: float = 600.0) -> None:
        """The bar that ends now."""
        self.when(
            IbBarReceived(
                con_id=1,
                symbol="SPY",
                connection="c",
                received_at=self.at,
                start=self.at - timedelta(seconds=5),
                open=600.0,
                high=high,
                low=low,
                close=close,
                volume=1.0,
                wap=600.0,
                count=1,
            )
        )

    def bars(self, until: datetime) -> None:
        """One quiet bar every 5 s up to `until`, from now."""
        while self.at < until:
            self.at += timedelta(seconds=5)
            self.bar()

    def chain(self, expiry: date = DAY) -> ChainEvaluated:
        body = chain_body(self.at, expiry=expiry)
        self.when(body)
        return body
