"""The sandbox answers every call of the schedule, in the vendor's form."""

from __future__ import annotations

import time
from datetime import timedelta

import msgspec
import pytest

from adapters.unusual_whales import UwRest
from adapters.unusual_whales.paging import row_time, rows_of
from domain.payloads.unusual_whales import rest_drift
from domain.payloads.unusual_whales.derived_rows import read_derived_rows
from domain.payloads.unusual_whales.endpoints import SCHEDULED
from run.feeds.rest_plan import Job, jobs
from tests.adapters.unusual_whales.conftest import Wire

EMPTY = {
    "/api/alerts",
    "/api/potus/posts",
    "/api/news/headlines",
    "/api/option-trades/flow-alerts",
}
"""Of our own account, and what may not have happened yet."""
BODY_SECONDS_MAX = 1.0


def schedule(wire: Wire) -> list[Job]:
    options = wire.market.options
    expiries = {symbol: options[symbol].chain.expiries for symbol in options}
    contract = wire.market.contracts("SPY")[0]
    held = f"SPY{contract.expiry:%y%m%d}{contract.right}{round(contract.strike * 1000):08d}"
    return list(jobs(expiries, (held,), wire.market.session_date).values())


async def test_every_scheduled_call_has_a_body(wire: Wire, rest: UwRest) -> None:
    wire.move(5)
    wire.clock.speed = 10.0  # the sandbox's cap follows it
    rest.limiter.window.calls_max = 1_200
    prices = {symbol: wire.market.spot(symbol) for symbol in wire.market.symbols}
    asked = schedule(wire)
    assert {job.endpoint.path for job in asked} == {e.path for e in SCHEDULED}
    for job in asked:
        began = time.monotonic()
        answer = await rest.get(job.endpoint.path, job.path, job.query(wire.market.now(), prices))
        assert time.monotonic() - began < BODY_SECONDS_MAX, job.key
        assert (answer.status, answer.fault) == (200, ""), (job.key, answer.body_bytes)
        value = msgspec.json.decode(answer.body_bytes)
        assert isinstance(value, list) == (job.endpoint.body == "[]"), job.key
        if job.endpoint.body.startswith("data{}"):
            assert isinstance(value["data"], dict), job.key
        elif job.endpoint.path not in EMPTY:
            assert rows_of(answer.body_bytes), job.key
        assert rest_drift(job.endpoint.path, answer.body_bytes) == [], job.key
        if (key := job.endpoint.row_key) is not None:
            told = read_derived_rows(job.endpoint.body, key, answer.body_bytes)
            assert told.rows and not told.fault, (job.key, told.fault)
            assert all(row.at for row in told.rows) or not key.at or "date" in key.fields[0], (
                job.key
            )


@pytest.mark.parametrize(
    "path", ["/api/darkpool/SPY", "/api/option-trades", "/api/option-trades/flow-alerts"]
)
async def test_rows_are_walked_back_by_the_time_of_the_oldest(
    wire: Wire, rest: UwRest, path: str
) -> None:
    """Cursors are epoch seconds and inclusive at both ends."""
    for _ in range(3):
        wire.move(20)
    now = wire.market.now()
    older, newer = (str(int((now - timedelta(seconds=s)).timestamp())) for s in (20, 40))
    asked = {"ticker_symbol": "SPY", "limit": "200", "newer_than": newer}
    part = rows_of((await rest.get(path, path, {**asked, "older_than": older})).body_bytes)
    name = "end_time" if path.endswith("flow-alerts") else "executed_at"
    times = [row_time(row, name) for row in part]
    assert times == sorted((at for at in times if at is not None), reverse=True)
    assert all(int(newer) <= at.timestamp() <= int(older) for at in times if at is not None)
    newest = rows_of((await rest.get(path, path, asked)).body_bytes)
    assert part[:1] != newest[:1]


async def test_pages_of_open_interest_end_with_one_that_is_not_full(rest: UwRest) -> None:
    path = "/api/stock/QQQ/oi-change"
    sizes = [
        len(rows_of((await rest.get(path, path, {"page": page})).body_bytes)) for page in "012"
    ]
    assert sizes == [50, 20, 0]
