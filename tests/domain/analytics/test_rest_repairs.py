"""Answers of the flow vendor that fill a gap: they correct totals and lead to nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from domain.analytics.ingest_rest import on_rest
from domain.analytics.state import AnalyticsState
from domain.events.feeds import UwRestReceived
from tests.domain.analytics.build import OPEN, raw, recorded, session, snapshot

NOW = OPEN + timedelta(minutes=30)
ROWS: dict[str, list[dict[str, object]]] = {
    "/api/market/market-tide": [
        {
            "timestamp": NOW.isoformat(),
            "net_call_premium": "1200.0",
            "net_put_premium": "-300.0",
            "net_volume": 5,
        }
    ],
    "/api/news/headlines": [
        {"headline": "Fed raises rates", "created_at": NOW.isoformat(), "is_major": True}
    ],
}


def state() -> AnalyticsState:
    made = AnalyticsState()
    made.session = session()
    return made


def take(made: AnalyticsState, endpoint: str, purpose: str) -> None:
    body = UwRestReceived(
        endpoint=endpoint,
        path=endpoint,
        query="",
        symbol="",
        status=200,
        headers={},
        received_at=NOW,
        payload=raw({"data": ROWS[endpoint]}),
        purpose=purpose,
    )
    on_rest(made, recorded(body, NOW))


@pytest.mark.parametrize("purpose", ["poll", "backfill"])
def test_totals_of_the_vendor_repair_the_sum_of_increments(purpose: str) -> None:
    made = state()
    made.tide.add_increment(100.0, 50.0, 0.0)
    take(made, "/api/market/market-tide", purpose)
    assert (made.tide.calls, made.tide.puts) == (1200.0, -300.0)


def test_a_total_older_than_the_last_increment_repairs_nothing() -> None:
    """The row of 10:00 ended at 10:05: an increment of 10:05:01 is not in it."""
    for late, (calls, at) in ((0, (1200.0, 300.0)), (1, (100.0, 301.0))):
        made = state()
        made.tide.add_increment(100.0, 50.0, (NOW + timedelta(seconds=300 + late)).timestamp())
        body = tide_answer("poll", NOW + timedelta(minutes=6))
        on_rest(made, recorded(body, NOW + timedelta(minutes=6)))
        assert made.tide.calls == calls
        assert made.tide.updated_at == NOW.timestamp() + at


def tide_answer(purpose: str, at: datetime) -> UwRestReceived:
    endpoint = "/api/market/market-tide"
    return UwRestReceived(
        endpoint=endpoint,
        path=endpoint,
        query="",
        symbol="",
        status=200,
        headers={},
        received_at=at,
        payload=raw({"data": ROWS[endpoint]}),
        purpose=purpose,
    )


def test_a_headline_of_the_schedule_is_a_caution_and_one_that_fills_a_gap_is_none() -> None:
    """What fills the gap must not hide it from the schedule's next answer either."""
    made = state()
    for purpose, is_caution in (("backfill", False), ("poll", True)):
        take(made, "/api/news/headlines", purpose)
        until = [symbol.news.caution_until for symbol in made.symbols.values()]
        assert all((at > NOW.timestamp()) == is_caution for at in until), purpose


def test_a_snapshot_that_fills_a_gap_quotes_no_contract() -> None:
    made = state()
    table = made.symbols["SPY"].chain.table
    body = snapshot("SPY", NOW, 600.0, 0)
    for purpose, is_quoted in (("backfill", False), ("poll", True)):
        on_rest(made, recorded(replace(body, purpose=purpose), NOW))
        assert bool((table.quoted_at == NOW.timestamp()).any()) == is_quoted, purpose
