"""The live tables: kept up to date from the log, with marks and profit and loss added on reading.

Called by api/reads.py and api/health.py. A reader brings the fold up to the head of the log first,
so what it shows is never older than the request. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from api.archived_log import LogRow
from api.desk_fold import TYPES, apply
from api.fold_state import DeskFold, Row, at
from api.fold_trades import EXPLAINED
from api.log_pages import LogPages
from domain.events.controls import CONTROL_STREAM
from domain.events.system import PARAMETERS_STREAM
from store.contract import EventStore, Selection

_PAGE = 1_000
_CONTROL_TAIL = 500
_MARKS_SINCE = timedelta(days=4)
"""Marks are as old as the last session at most: a long weekend."""


class DeskTables:
    """The tables of one API process; derived from the log and gone with the process."""

    def __init__(
        self, store: EventStore, pages: LogPages, now: Callable[[], datetime], history_days: int
    ) -> None:
        self._store = store
        self._pages = pages
        self._now = now
        self._history = timedelta(days=history_days)
        self._fold: DeskFold | None = None
        self._turn = asyncio.Lock()

    async def fold(self) -> DeskFold:
        """The tables as of now."""
        async with self._turn:
            fold = self._fold or await self._start()
            head = await self._store.head()
            after = fold.position
            while after < head:
                events = await self._store.read(after, Selection(types=TYPES), _PAGE, head)
                for event in events:
                    apply(fold, event)
                after = events[-1].position if len(events) == _PAGE else head
                await asyncio.sleep(0)
            fold.position = max(fold.position, head)
            self._fold = fold
            return fold

    async def _start(self) -> DeskFold:
        """An empty fold before the days it covers, that knows an older halt and older limits."""
        fold = DeskFold()
        first = await self._pages.first_position_of((self._now() - self._history).date())
        version = await self._store.stream_version(CONTROL_STREAM)
        tail = await self._store.read_stream(CONTROL_STREAM, max(0, version - _CONTROL_TAIL))
        limits = await self._store.read_stream(PARAMETERS_STREAM, 0)
        for event in (*limits, *tail):
            if event.position < first:
                apply(fold, event)
        fold.position = max(0, first - 1)
        return fold

    async def positions(self) -> list[Row]:
        """Open positions first, then the newest closed; with their last mark."""
        fold = await self.fold()
        rows = [dict(row) for row in fold.positions.values()]
        open_ids = [row["position_id"] for row in rows if not row["is_over"]]
        marks = await self._marks(open_ids)
        now = self._now()
        for row in rows:
            row |= _mark(marks.get(row["position_id"]), now)
        return newest_first(rows, open_first=True)

    async def _marks(self, position_ids: list[str]) -> dict[str, LogRow]:
        if not position_ids:
            return {}
        streams = [f"marks/{position_id}" for position_id in position_ids]
        tails = await self._pages.tails(streams, self._now() - _MARKS_SINCE)
        return {row["stream"].removeprefix("marks/"): row for row in tails}

    async def pnl(self) -> Row:
        """Profit and loss after fees, in dollars: what is open and what closed this session.

        In all, by strategy and by signal, each with its parts by greek as far as they are known.
        """
        rows = await self.positions()
        fold = await self.fold()
        session_date = fold.clock.get("session_date")
        counted = [row for row in rows if not row["is_over"] or _day(row) == session_date]
        return {
            "session_date": session_date,
            "total": _sum(counted),
            "strategies": _by("strategy", counted),
            "signals": _by("signal_id", counted),
            "account": fold.account,
            "as_of": max((row["as_of"] for row in counted), default=None),
        }


def newest_first(rows: Iterable[Row], *, open_first: bool = False) -> list[Row]:
    """Newest first; what is not over before what is, when asked."""
    ordered = sorted(rows, key=lambda row: -row["position"])
    return sorted(ordered, key=lambda row: bool(row["is_over"])) if open_first else ordered


def _mark(mark: LogRow | None, now: datetime) -> Row:
    if mark is None:
        return {"mark": None, "unrealised_pnl": None, "mark_at": None, "mark_age_seconds": None}
    body: dict[str, Any] = msgspec.json.decode(mark["data"])
    return {
        "mark": body["mark"],
        "bid": body["bid"],
        "ask": body["ask"],
        "unrealised_pnl": body["unrealised_pnl"],
        "mark_quality": body["quality"],
        "quote_age_seconds": round(body["quote_age_seconds"], 1),
        "mark_at": at(mark["market_time"]),
        "mark_age_seconds": round((now - mark["recorded_at"]).total_seconds(), 1),
        "mark_event_id": str(mark["event_id"]),
    }


def _day(row: Row) -> str | None:
    """The UTC day of a close: sessions of the exchange lie within one."""
    closed_at: str | None = row["closed_at"]
    return None if closed_at is None else closed_at[:10]


def _by(name: str, rows: list[Row]) -> list[Row]:
    values = sorted({row[name] for row in rows})
    return [{name: value, **_sum([row for row in rows if row[name] == value])} for value in values]


def _explained(rows: list[Row]) -> Row:
    known = [row["explained"] for row in rows if row["explained"] is not None]
    parts: Row = {
        name: str(sum((Decimal(part[name]) for part in known), Decimal(0))) for name in EXPLAINED
    }
    return parts | {"positions": len(known)}


def _sum(rows: list[Row]) -> Row:
    realised = sum((Decimal(row["realised_pnl"]) for row in rows), Decimal(0))
    unrealised = sum((Decimal(row["unrealised_pnl"] or 0) for row in rows), Decimal(0))
    return {
        "realised": str(realised),
        "unrealised": str(unrealised),
        "total": str(realised + unrealised),
        "fees": str(sum((Decimal(row["fees"]) for row in rows), Decimal(0))),
        "explained": _explained(rows),
        "open": sum(1 for row in rows if not row["is_over"]),
        "without_mark": sum(1 for row in rows if not row["is_over"] and row["mark"] is None),
    }
