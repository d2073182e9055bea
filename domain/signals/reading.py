"""What a strategy reads at an evaluation point: a symbol's metrics and the chain of one expiry.

Built by the stage from MetricComputed and ChainEvaluated; missing is None and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct

from domain.events.analytics import ChainEvaluated, ExDividend, Metric, Quality
from domain.instruments import TICK, OptionContract, Right

AVAILABLE = frozenset({Quality.OK, Quality.WARMUP_MODEL, Quality.DEGRADED})


@dataclass(frozen=True, slots=True)
class Reading:
    """Metrics of a symbol at one evaluation point."""

    symbol: str
    at: datetime
    metrics: Mapping[str, Metric]

    def metric(self, name: str) -> Metric | None:
        found = self.metrics.get(name)
        if found is None or found.value is None or found.quality not in AVAILABLE:
            return None
        return found

    def number(self, name: str) -> float | None:
        found = self.metric(name)
        if found is None or isinstance(found.value, str):
            return None
        return found.value

    def text(self, name: str) -> str | None:
        found = self.metric(name)
        return found.value if found is not None and isinstance(found.value, str) else None

    def quality(self, name: str) -> str:
        found = self.metrics.get(name)
        return Quality.MISSING.value if found is None else found.quality.value

    def reason(self, name: str) -> str:
        found = self.metrics.get(name)
        return "" if found is None else found.reason


class ChainRow(Struct, frozen=True, gc=False):
    """One contract of the traded expiry. None is unknown; prices are dollars a share."""

    con_id: int
    strike: Decimal
    right: Right
    bid: Decimal | None
    ask: Decimal | None
    bid_size: int | None
    ask_size: int | None
    age_seconds: float | None
    """Age of the quote as it counts, at the refresh."""
    volatility: float | None
    own_volatility: bool
    """False when interpolated on the smile."""
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    open_interest: int | None
    """Of the day; not known before it is published."""
    volume: int
    on_line: bool
    """The quote is from an open broker line."""
    broker_delta: float | None = None

    @property
    def mid(self) -> Decimal | None:
        if self.bid is None or self.ask is None:
            return None
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> Decimal | None:
        return None if self.bid is None or self.ask is None else self.ask - self.bid

    @property
    def is_two_sided(self) -> bool:
        """Bid of a cent or more, not locked, not crossed, sizes above 0 where there are any."""
        return (
            self.bid is not None
            and self.ask is not None
            and self.bid >= TICK
            and self.ask > self.bid
            and self.bid_size != 0
            and self.ask_size != 0
        )

    @property
    def has_greeks(self) -> bool:
        return None not in (self.volatility, self.delta, self.gamma, self.vega, self.theta)


@dataclass(frozen=True, slots=True)
class Chain:
    """The traded expiry of a symbol as of its last refresh."""

    symbol: str
    expiry: date
    at: datetime
    spot_escrowed: float
    """Spot less the present value of dividends before expiry."""
    years: float
    rate: float
    spot: float
    dividends: tuple[ExDividend, ...]
    """Those up to the expiry."""
    rows: tuple[ChainRow, ...]
    """Ascending by strike, calls before puts."""

    def of(self, right: Right) -> tuple[ChainRow, ...]:
        return tuple(row for row in self.rows if row.right is right)

    def row(self, con_id: int) -> ChainRow | None:
        return next((row for row in self.rows if row.con_id == con_id), None)

    def contract(self, row: ChainRow) -> OptionContract:
        return OptionContract(
            con_id=row.con_id,
            symbol=self.symbol,
            expiry=self.expiry,
            strike=row.strike,
            right=row.right,
        )


NUMBERS_KEPT_MAX = 8_192


@lru_cache(NUMBERS_KEPT_MAX)
def _price(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


@lru_cache(NUMBERS_KEPT_MAX)
def _strike(value: float) -> Decimal:
    exact = Decimal(repr(value))
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact.normalize()


_RIGHTS = {right.value: right for right in Right}
CHAINS_KEPT_MAX = 32
_built: dict[tuple[str, date], tuple[ChainEvaluated, Chain]] = {}


def chain_of(body: ChainEvaluated) -> Chain:
    """The rows of a refresh, in its order.

    Put together once however many strategies ask: the newest one of a symbol and expiry is kept,
    and taken only for the very same event.
    """
    key = body.symbol, body.expiry
    kept = _built.get(key)
    if kept is not None and kept[0] is body:
        return kept[1]
    if kept is None and len(_built) >= CHAINS_KEPT_MAX:
        del _built[next(iter(_built))]
    chain = _chain_of(body)
    _built[key] = body, chain
    return chain


def _chain_of(body: ChainEvaluated) -> Chain:
    rows = tuple(
        ChainRow(
            con_id=con_id,
            strike=_strike(body.strike[i]),
            right=_RIGHTS[body.right[i]],
            bid=_price(body.bid[i]),
            ask=_price(body.ask[i]),
            bid_size=body.bid_size[i],
            ask_size=body.ask_size[i],
            age_seconds=body.quote_age_seconds[i],
            volatility=body.implied_volatility[i],
            own_volatility=body.own_volatility[i],
            delta=body.delta[i],
            gamma=body.gamma[i],
            vega=body.vega[i],
            theta=body.theta[i],
            open_interest=body.open_interest[i],
            volume=body.volume[i] or 0,
            on_line=body.from_line[i],
            broker_delta=body.broker_delta[i],
        )
        for i, con_id in enumerate(body.con_id)
    )
    return Chain(
        symbol=body.symbol,
        expiry=body.expiry,
        at=body.evaluated_at,
        spot_escrowed=body.forward * math.exp(-body.rate * body.years),
        years=body.years,
        rate=body.rate,
        spot=body.spot,
        dividends=body.dividends,
        rows=rows,
    )
