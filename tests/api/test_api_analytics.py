"""What analytics say now is read with units, qualities and meaning, from the hot state alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.event import Body
from domain.events.analytics import Metric, MetricComputed, PredictionMade, Quality
from domain.events.forecasts import DriftPredicted
from projections import hot
from projections.projector import Projector
from projections.redis_target import RedisTarget
from tests.projections.story import numbered, with_fields

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


async def project(store: Any, redis: Redis, *bodies: Body) -> None:
    await store.append(numbered(bodies))
    await Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)).rebuild()


def report(*metrics: Metric) -> MetricComputed:
    made: MetricComputed = with_fields(
        MetricComputed, symbol="SPY", metrics=list(metrics), evaluated_at=AT
    )
    return made


async def test_a_metric_of_the_minute_stays_beside_those_of_each_bar(
    api: Any, store: Any, redis: Redis
) -> None:
    await api.login()
    await project(
        store,
        redis,
        report(
            Metric("vwap", 670.25, "$", AT, Quality.OK, ""),
            Metric("pcr_oi", None, "ratio", AT, Quality.WARMUP, "VOLATILITIES"),
        ),
        report(
            Metric("vwap", 670.5, "$", AT, Quality.OK, ""),
            Metric("gex_regime", "NEG", "text", AT, Quality.DEGRADED, "SOURCE_VENDOR"),
        ),
    )
    told = (await api.get("/analytics")).json()
    rows = {row["metric"]: row for row in told["metrics"]}
    assert rows["vwap"]["unit"] == "$" and "volume-weighted" in rows["vwap"]["meaning"]
    assert rows["vwap"]["symbols"]["SPY"] == {
        "value": "670.5", "quality": "OK", "reason": "", "as_of": "2026-10-06T14:00:00Z",
    }  # fmt: skip
    assert rows["pcr_oi"]["symbols"]["SPY"]["value"] is None
    assert rows["pcr_oi"]["symbols"]["SPY"]["reason"] == "VOLATILITIES"
    assert rows["gex_regime"]["symbols"]["SPY"]["value"] == "NEG"
    assert rows["vwap"]["symbols"]["QQQ"] is None, "no report of it yet"
    assert told["evaluated_at"]["SPY"].startswith("2026-10-06T14:00")


async def test_the_newest_forecast_of_each_model_is_told_by_its_values(
    api: Any, store: Any, redis: Redis
) -> None:
    await api.login()
    about: dict[str, Any] = {"symbol": "SPY", "model": "P2", "kind": "prob", "bucket": "0DTE"}
    drift = with_fields(DriftPredicted, symbol="SPY", horizons_seconds=[10, 60], ticks=[0.5, -2.0])
    await project(
        store,
        redis,
        with_fields(PredictionMade, **about, values={"p": 0.5}),
        with_fields(PredictionMade, **about, values={"p": 0.58}),
        drift,
    )
    forecasts = (await api.get("/analytics")).json()["forecasts"]
    assert [(row["model"], row["values"]) for row in forecasts] == [
        ("P1", {"ticks_10s": "0.5", "ticks_60s": "-2"}),
        ("P2", {"p": "0.58"}),
    ]


@pytest.mark.parametrize("api_redis", ["redis://127.0.0.1:1/0"], indirect=True)
async def test_without_redis_the_remedy_is_told(api: Any) -> None:
    await api.login()
    answer = await api.get("/analytics")
    assert (answer.status_code, answer.json()["error"]) == (503, "redis_unavailable")
    assert "start Redis" in answer.json()["remedy"]
