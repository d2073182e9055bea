"""The timeline goes through to the archive: what it shows of a day is the same in both places."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from api import log_pages
from api.archived_log import ArchivedLog
from api.log_filter import Filter
from api.log_pages import LogPages
from domain.event import Retention, derived_id
from run.api import open_pool
from store import archiver
from tests.store.archived_log import BOUNDS, LAST, Desk, archivable

FILTERS = {
    "desk": Filter(),
    "market": Filter(retention="market"),
    "all": Filter(retention="all"),
    "types": Filter(retention="all", types=("HaltRequested",)),
    "without types": Filter(retention="all", without_types=("HaltRequested",)),
    "beginning of the stream": Filter(retention="all", stream="halt/3"),
    "a wildcard is none": Filter(retention="all", stream="halt_"),
    "worker": Filter(retention="all", worker="test"),
    "nobody": Filter(retention="all", worker="nobody"),
    "symbol": Filter(retention="all", symbol="SPY"),
    "text in capitals": Filter(retention="all", text='CLOSE":"65'),
    "text of a stream": Filter(retention="all", text="Halt/6"),
    "a story": Filter(retention="all", correlation=derived_id("uw/price:SPY", 29)),
    "two together": Filter(retention="all", types=("UwPriceReceived",), text="64"),
}


@pytest.fixture
async def desk(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """Files of several groups, and windows that end within days."""
    monkeypatch.setattr(archiver, "ROWS_PER_GROUP", 10)
    monkeypatch.setattr(log_pages, "_FIRST_WINDOW", 25)
    monkeypatch.setattr(log_pages, "_ARCHIVED_WINDOW_MAX", 15)
    async with archivable(database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def pages(desk: Desk, database_url: str) -> AsyncIterator[LogPages]:
    pool = await open_pool(database_url)
    yield LogPages(pool, ArchivedLog(pool, desk.folder), asyncio.get_running_loop().time)
    await pool.close()


async def walked(pages: LogPages, wanted: Filter, order: Any, limit: int) -> list[Any]:
    """All pages of what was there before anything was archived."""
    found: list[Any] = []
    after: int | None = LAST + 1 if order == "newest" else 0
    while after is not None:
        page = await pages.page(wanted, order=order, after=after, limit=limit)
        found.append([row for row in page.rows if row["position"] <= LAST])
        after = page.next if page.next is None or page.next <= LAST else None
    while found and not found[-1]:
        found.pop()
    return found


async def answers(desk: Desk, pages: LogPages) -> dict[str, Any]:
    """Everything that the API asks of pages, by a name."""
    found: dict[str, Any] = {}
    for name, wanted in FILTERS.items():
        for order, limit in (("newest", 20), ("oldest", 500)):
            found[f"{name}, {order}"] = await walked(pages, wanted, order, limit)
    for first, last in ((1, 10), (10, 55), (49, 50), (50, 51), (51, 71), (60, 99), (100, 100)):
        page = await pages.page(
            Filter(retention="all"),
            order="oldest",
            after=None,
            limit=500,
            since=recorded_at(desk, first),
            until=recorded_at(desk, last),
            time_kind="recorded",
        )
        assert [row["position"] for row in page.rows] == list(range(first, last + 1))
        found[f"recorded {first} to {last}"] = page.rows
    streams = ["uw/price:SPY", *(f"halt/{key}" for key in (9, 30, 63, 99, 102, 555))]
    for position in (1, 9, 10, 63, 99, 100):
        since = recorded_at(desk, position)
        found[f"tails since {position}"] = await pages.tails(streams, since)
        of_types = await pages.of_types(streams, ["HaltRequested"], since, recorded_at(desk, 99))
        found[f"of types since {position}"] = of_types
    return found


def recorded_at(desk: Desk, position: int) -> datetime:
    """When an event of a past day was recorded."""
    day = desk.days[sum(bound < position for bound in BOUNDS)]
    return datetime.combine(day, time(15), UTC) + timedelta(milliseconds=position)


async def test_what_a_page_shows_of_a_day_is_the_same_before_and_after(
    desk: Desk, pages: LogPages
) -> None:
    before = await answers(desk, pages)
    assert [row["stream"] for row in before["tails since 63"]][:3] == [
        "halt/102",
        "halt/63",
        "halt/99",
    ]
    assert [row["position"] for row in before["of types since 10"]] == [30, 63]
    empty = [name for name, found in before.items() if not found]
    assert {name.split(",")[0] for name in empty} == {
        "a wildcard is none",
        "nobody",
        "of types since 99",
        "of types since 100",
    }
    await desk.archiver().run({Retention.MARKET: desk.days[-1] + timedelta(days=1)})
    assert await answers(desk, pages) == before
    await desk.archiver().run(desk.all_days())
    hot = await desk.owner.fetchval("SELECT count(*) FROM events WHERE position <= $1", BOUNDS[-1])
    assert hot == 0
    assert await answers(desk, pages) == before


async def test_a_page_that_is_read_while_days_move_shows_every_event_once(
    desk: Desk, pages: LogPages
) -> None:
    moving = asyncio.create_task(desk.archiver().run(desk.all_days()))
    seen = 0
    while not moving.done() or not seen:
        page = await pages.page(Filter(retention="all"), order="oldest", after=None, limit=500)
        positions = [row["position"] for row in page.rows]
        assert positions == list(range(1, len(positions) + 1)) and len(positions) >= LAST
        seen += 1
    assert len(await moving) == 6


async def test_a_file_that_is_gone_is_named_to_whoever_asks_for_its_day(
    api: Any, desk: Desk
) -> None:
    await desk.archiver().run(desk.all_days())
    await api.login()
    (lost,) = desk.folder.rglob(f"desk-{desk.days[0]}.parquet")
    lost.unlink()
    answer = await api.get("/timeline", to=f"{desk.days[0]}T23:00:00Z", time="recorded")
    assert (answer.status_code, answer.json()["error"]) == (503, "archive_unreadable")
    assert lost.name in answer.json()["detail"]
    assert (await api.get("/timeline", retention="market")).status_code == 200
