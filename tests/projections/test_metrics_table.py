"""The history of metrics in Postgres: which reports become rows, and what is in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from domain.events.analytics import Metric, MetricComputed, Quality
from projections import feed
from projections.feed.metrics import is_kept
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from store.postgres import PostgresStore
from tests.projections.story import numbered

MINUTE = datetime(2026, 10, 6, 14, 31, tzinfo=UTC)


def report(end: datetime, quality: Quality = Quality.OK, *more: Metric) -> MetricComputed:
    close = Metric("last_close", 660.5, "$", end, quality)
    return MetricComputed("SPY", end + timedelta(milliseconds=40), 3, [close, *more])


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (report(MINUTE), True),
        (report(MINUTE + timedelta(seconds=5)), False),
        (report(MINUTE + timedelta(seconds=5), Quality.STALE), True),
        (MetricComputed("SPY", MINUTE, 1, []), False),
    ],
    ids=["closed minute", "within a minute", "bars stopped", "no bar yet"],
)
def test_reports_of_closed_minutes_and_of_stopped_bars_are_kept(
    body: MetricComputed, kept: bool
) -> None:
    assert is_kept(body) is kept


async def test_each_metric_is_a_row_and_a_rebuild_gives_the_same(
    store: PostgresStore, database_url: str
) -> None:
    text = Metric("gex_regime", "POS", "text", MINUTE, Quality.OK)
    gone = Metric("iv_pct", None, "0-100", MINUTE, Quality.WARMUP, "252 CLOSINGS")
    bodies = [report(MINUTE, Quality.OK, text, gone), report(MINUTE + timedelta(seconds=5))]
    await store.append(numbered(bodies))
    target = PostgresTarget(database_url, feed.SCHEMA)
    connection = await asyncpg.connect(database_url)
    kept: list[list[Any]] = []
    try:
        for _ in range(2):
            await Projector(store, feed.PROJECTION, target).rebuild()
            query = "SELECT * FROM feed.metrics ORDER BY name"
            kept.append([tuple(row) for row in await connection.fetch(query)])
        rows = await connection.fetch(
            "SELECT symbol, name, value, text_value, quality, reason, as_of, params_version"
            " FROM feed.metrics ORDER BY name"
        )
        may_read = "SELECT has_table_privilege('striketape_reader', 'feed.metrics', 'SELECT')"
        assert await connection.fetchval(may_read)
    finally:
        await connection.close()
        await target.close()
    assert kept[0] == kept[1]
    assert [tuple(row) for row in rows] == [
        ("SPY", "gex_regime", None, "POS", "OK", "", MINUTE, 3),
        ("SPY", "iv_pct", None, None, "WARMUP", "252 CLOSINGS", MINUTE, 3),
        ("SPY", "last_close", 660.5, None, "OK", "", MINUTE, 3),
    ]
