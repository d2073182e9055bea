"""Builders for the tests of signals: metrics, chains priced by the model, and a driven strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from domain.event import Body
from domain.events.analytics import ChainEvaluated, Metric, MetricComputed, Quality
from domain.events.feeds import LineOpened
from domain.instruments import OptionContract, Right
from domain.parameter import ParameterState
from domain.pricing.black_scholes import greeks, prices
from domain.session import YEAR_SECONDS
from domain.signals.bucket import Bucket
from domain.signals.reading import Chain, ChainRow, Reading, chain_of
from domain.signals.score import MEASURES, Inputs, Measured, Score, score
from domain.signals.strategy import StrategyStage
from domain.signals.zero_dte import ZERO_DTE, ZeroDteStage
from tests.domain.risk.build import (
    DAY,
    NOON,
    Driven,
    changed,
    contract,
    desk_events,
    session,
)

SPOT = 600.0
VOLATILITY = 0.24
STRIKES = tuple(range(575, 626))

TREND: dict[str, float | str | None] = {
    "spot_mid": SPOT,
    "spot_bid": SPOT - 0.01,
    "spot_ask": SPOT + 0.01,
    "quote_age_s": 0.3,
    "bar_age_s": 1.0,
    "vwap": 598.0,
    "vwap_dev": 2.0,
    "noise_x": 1.4,
    "noise_upper": 599.0,
    "noise_lower": 594.0,
    "minute_close": 600.0,
    "or_break": 1.0,
    "ofi_5m_z": 2.0,
    "fi_s": 0.5,
    "delta_flow_z": 1.5,
    "sweep_z": 1.5,
    "tide_slope_z": 1.5,
    "gex_norm": -0.08,
    "gex_regime": "NEG",
    "flip_side": "BELOW",
    "call_wall": 606.0,
    "put_wall": 594.0,
    "em_1sd_0dte": 3.0,
    "peers_x": 0.8,
    "skew_chg_z": 0.5,
    "late_mom_x": 0.0,
    "term_slope": 0.0,
    "atm_iv_0dte": VOLATILITY,
    "forward_ok_0dte": 1.0,
    "surface_valid_strikes_0dte": 30.0,
    "vrp_0dte": 1.09,
    "v_rem": 2.2e-5,
    "v_to_expiry_0dte": 2.2e-5,
    "rv_hat_day": 5e-5,
    "beta": 1.0,
    "news_state": "NONE",
    "calendar_state": "CLEAR",
    "calendar_today": "",
}
"""A bullish trend day at noon: every gate passes."""

RANGE: dict[str, float | str | None] = {
    **TREND,
    "vwap": 600.0,
    "vwap_dev": 0.0,
    "noise_x": 0.0,
    "or_break": 0.0,
    "ofi_5m_z": 0.0,
    "fi_s": 0.0,
    "delta_flow_z": 0.0,
    "sweep_z": 0.0,
    "tide_slope_z": 0.0,
    "gex_norm": 0.10,
    "gex_regime": "POS",
    "flip_side": "ABOVE",
    "call_wall": 603.0,
    "put_wall": 597.0,
    "peers_x": 0.0,
    "skew_chg_z": 0.0,
    "em_1sd_0dte": 2.6,
    "atm_iv_0dte": 0.23,
    "vrp_0dte": 1.4,
    "v_rem": 1.34e-5,
    "v_to_expiry_0dte": 1.34e-5,
}
"""A quiet, positive-gamma noon with dear options: the premium seller's day."""


def metrics(
    values: dict[str, float | str | None],
    at: datetime = NOON,
    symbol: str = "SPY",
    qualities: dict[str, Quality] | None = None,
) -> MetricComputed:
    found = []
    for name, value in values.items():
        quality = (qualities or {}).get(name, Quality.OK if value is not None else Quality.MISSING)
        found.append(Metric(name, value, "", at, quality))
    return MetricComputed(symbol=symbol, evaluated_at=at, params_version=1, metrics=found)


def reading(**changes: float | str | None) -> Reading:
    body = metrics({**TREND, **changes})
    return Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})


def measure(
    found: Reading, name: str, *, bucket: Bucket = ZERO_DTE, expiration: bool = False
) -> Measured:
    """One feature of the day's session."""
    return MEASURES[name](Inputs(found, session(), bucket.metrics.em_1sd, expiration))


def scored(
    found: Reading,
    parameters: ParameterState,
    *,
    bucket: Bucket = ZERO_DTE,
    a: float = 0.0,
    b: float = 0.5,
) -> Score:
    """The score of a reading in the day's session."""
    return score(bucket, Inputs(found, session(), bucket.metrics.em_1sd), a, b, parameters)


def contracts(symbol: str = "SPY", expiry: date = DAY) -> list[OptionContract]:
    return [
        contract(strike, right, symbol=symbol, expiry=expiry)
        for strike in STRIKES
        for right in (Right.CALL, Right.PUT)
    ]


def chain_body(
    at: datetime = NOON,
    *,
    symbol: str = "SPY",
    spot: float = SPOT,
    volatility: float = VOLATILITY,
    spread: float = 0.02,
    expiry: date = DAY,
) -> ChainEvaluated:
    """Every strike at its model price, rounded to the cent, on lines with size."""
    closing = session().closing(expiry)
    assert closing is not None
    years = max(60.0, (closing - at).total_seconds()) / YEAR_SECONDS
    listed = contracts(symbol, expiry)
    calls = [1.0 if c.right is Right.CALL else 0.0 for c in listed]
    strikes = [float(c.strike) for c in listed]
    asked = spot, strikes, years, 0.0, volatility, calls
    found = greeks(*asked)
    mids = [max(0.02, round(float(price), 2)) for price in prices(*asked)]
    count = len(listed)
    return ChainEvaluated(
        symbol=symbol,
        expiry=expiry,
        evaluated_at=at,
        params_version=1,
        spot=spot,
        forward=spot,
        years=years,
        rate=0.0,
        quality=Quality.OK,
        reason="",
        con_id=[c.con_id for c in listed],
        strike=strikes,
        right="".join(c.right.value for c in listed),
        bid=[round(mid - spread / 2, 2) for mid in mids],
        ask=[round(mid + spread / 2, 2) for mid in mids],
        bid_size=[500] * count,
        ask_size=[500] * count,
        usable=[True] * count,
        quote_age_seconds=[0.5] * count,
        from_line=[True] * count,
        implied_volatility=[volatility] * count,
        own_volatility=[True] * count,
        delta=[float(x) for x in found.delta],
        gamma=[float(x) for x in found.gamma],
        vega=[float(x) for x in found.vega],
        theta=[float(x) for x in found.theta],
        broker_delta=[None] * count,
        open_interest=[5_000] * count,
        volume=[50_000] * count,
    )


def chain(**options: Any) -> Chain:
    return chain_of(chain_body(**options))


def with_row(found: Chain, con_id: int, **changes: Any) -> Chain:
    """The chain with one row changed."""

    def one(row: ChainRow) -> ChainRow:
        return msgspec.structs.replace(row, **changes) if row.con_id == con_id else row

    return replace(found, rows=tuple(one(row) for row in found.rows))


def filtered(found: Chain, keep: Callable[[ChainRow], bool]) -> Chain:
    return replace(found, rows=tuple(row for row in found.rows if keep(row)))


CHEAP_RANGE: dict[str, float] = {
    "signals__0dte__range__wing": 0.003,
    "risk__fees__commission_usd": 0.0,
    "risk__fees__exchange_usd": 0.0,
}
"""Wings of two dollars and no fees: a flat smile pays too little for more."""


class Strategy(Driven):
    """A stage, 0DTE at noon if not said otherwise, the desk ready and every option on a line."""

    def __init__(
        self,
        *,
        lines: bool = True,
        at: datetime = NOON,
        stage: StrategyStage | None = None,
        expiry: date = DAY,
        usual: dict[str, float | str | None] | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(stage or ZeroDteStage(), worker="signals")
        self.at, self.expiry, self.usual = at, expiry, usual or TREND
        self.when(changed(**parameters))
        for body in desk_events():
            self.when(body)
        if lines:
            for listed in contracts(expiry=expiry):
                self.when(LineOpened(contract=listed))

    def evaluate(
        self,
        values: dict[str, float | str | None] | None = None,
        *,
        after: float = 5.0,
        body: ChainEvaluated | None = None,
        qualities: dict[str, Quality] | None = None,
        **changes: float | str | None,
    ) -> list[Body]:
        """A chain refresh and the evaluation point behind it, `after` seconds on."""
        values = values or self.usual
        spot = float(changes.get("spot_mid") or values.get("spot_mid") or SPOT)
        volatility = float(values.get(self.state.bucket.metrics.atm_iv) or VOLATILITY)
        chain = chain_body(self.at, spot=spot, volatility=volatility, expiry=self.expiry)
        self.when(chain if body is None else body)
        emitted = self.when(metrics({**values, **changes}, self.at, qualities=qualities))
        self.tick_forward(after)
        return emitted

    def tick_forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
