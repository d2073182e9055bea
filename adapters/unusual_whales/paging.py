"""Answers that come in pages: how each endpoint is walked, and which rows lie in a stretch of time.

Pages are numbered from 0 or from 1, nobody says which; cursors are epoch seconds and inclusive at
both ends, so that rows repeat. A walk ends with an empty page, a page that brings nothing new, one
that is not full, one that reaches far enough back, or after a number of pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import msgspec

Asked = dict[str, str | list[str]]
PAGE_LIMIT = 50
"""Rows of a page where the vendor takes no limit."""


class Style(Enum):
    """How the next page is asked for."""

    WHOLE = "everything in one answer"
    PAGE = "page"
    OFFSET = "offset"
    BACK = "older_than"


@dataclass(frozen=True, slots=True)
class Paging:
    """`limit` is the vendor's maximum, `time` the field with the time of a row."""

    style: Style
    limit: int = 0
    time: str = ""


_BOARD = Paging(Style.PAGE, 500, "time")
PAGING: Mapping[str, Paging] = {
    "/api/alerts": Paging(Style.BACK, 500, "tape_time"),
    "/api/darkpool/{ticker}": Paging(Style.BACK, 500, "executed_at"),
    "/api/lit-flow/{ticker}": Paging(Style.BACK, 200, "executed_at"),
    "/api/market/market-tide": Paging(Style.WHOLE, 0, "timestamp"),
    "/api/news/headlines": Paging(Style.PAGE, 100, "created_at"),
    "/api/option-trades": Paging(Style.BACK, 500, "executed_at"),
    "/api/option-trades/flow-alerts": Paging(Style.BACK, 200, "end_time"),
    "/api/option-trades/multi-leg": Paging(Style.OFFSET, 100, "executed_at"),
    "/api/stock/{ticker}/net-prem-ticks": Paging(Style.WHOLE, 0, "tape_time"),
    "/api/stock/{ticker}/ohlc/{candle_size}": Paging(Style.WHOLE, 2500, "start_time"),
    "/api/stock/{ticker}/oi-change": Paging(Style.PAGE, PAGE_LIMIT),
    "/api/stock/{ticker}/option-contracts": Paging(Style.PAGE, 500),
    "/api/stock/{ticker}/spot-exposures": Paging(Style.WHOLE, 0, "time"),
    "/api/stock/{ticker}/spot-exposures/expiry-strike": _BOARD,
    "/api/stock/{ticker}/spot-exposures/strike": _BOARD,
}
_WHOLE = Paging(Style.WHOLE)
_ROWS = ("data", "chains", "si", "trades")


def rows_of(body: bytes) -> list[Any]:
    """The rows of a body in any of the vendor's forms; none of one that has no rows."""
    value = msgspec.json.decode(body)
    if isinstance(value, dict):
        value = next((value[name] for name in _ROWS if name in value), [])
    return value if isinstance(value, list) else []


def row_time(row: Any, name: str) -> datetime | None:
    """When a row happened, from epoch milliseconds or ISO text with a zone; None without one."""
    value = row.get(name) if isinstance(row, dict) else None
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return at if at is not None and at.tzinfo is not None else None


@dataclass(slots=True)
class Walk:
    """One walk through the pages of an endpoint, back to `since` where rows have times."""

    endpoint: str
    asked: Asked
    pages_max: int
    since: datetime | None = None
    until: datetime | None = None
    calls: int = 0
    rows: int = 0
    """Rows between since and until, each counted once; all of them where rows have no times."""
    is_whole: bool = False
    """The walk came to the end, or back to `since`, without a hole."""
    _seen: set[bytes] = field(default_factory=set)

    @property
    def paging(self) -> Paging:
        return PAGING.get(self.endpoint, _WHOLE)

    def first_query(self) -> Asked:
        """What to ask first: where cursors are taken, for the stretch of time alone."""
        asked = dict(self.asked)
        if self.paging.style is Style.BACK:
            if self.since is not None:
                asked["newer_than"] = str(int(self.since.timestamp()))
            if self.until is not None:
                asked["older_than"] = str(int(self.until.timestamp()) + 1)
        return asked

    def next_query(self, body: bytes) -> Asked | None:
        """Take in a page; what to ask for the next one, None when the walk is over.

        It is over, and not whole, with a page that is JSON and still cannot be read, such as one
        with a number beyond any range.
        """
        self.calls += 1
        try:
            page = rows_of(body)
        except msgspec.DecodeError:
            return None
        times = [at for row in page if (at := row_time(row, self.paging.time)) is not None]
        fresh = self._count(page)
        if self.paging.style is Style.WHOLE:
            self.is_whole = True
            return None
        is_back = self.since is not None and bool(times) and min(times) < self.since
        is_first_again = self.paging.style is Style.PAGE and self.calls == 2 and bool(page)
        if is_back or len(page) < self._limit() or not (fresh or is_first_again):
            # A full page of nothing new is a cursor that stands still.
            self.is_whole = is_back or len(page) < self._limit() or self._is_numbered()
            return None
        return self._next(times) if self.calls < self.pages_max else None

    def _limit(self) -> int:
        given = self.asked.get("limit", "")
        return int(given) if isinstance(given, str) and given.isdecimal() else self.paging.limit

    def _is_numbered(self) -> bool:
        return self.paging.style in (Style.PAGE, Style.OFFSET)

    def _count(self, page: list[Any]) -> int:
        """How many rows of the page were not seen before."""
        fresh = 0
        for row in page:
            text = msgspec.json.encode(row)
            if text in self._seen:
                continue
            self._seen.add(text)
            fresh += 1
            at = row_time(row, self.paging.time)
            begins = self.since is None or at is None or at >= self.since
            self.rows += begins and (self.until is None or at is None or at <= self.until)
        return fresh

    def _next(self, times: list[datetime]) -> Asked | None:
        asked = self.first_query()
        match self.paging.style:
            case Style.PAGE:
                # Page 1 is the second page, or the first one again.
                asked["page"] = str(self.calls)
            case Style.OFFSET:
                asked["offset"] = str(self.calls * self._limit())
            case _:
                if not times:
                    return None
                asked["older_than"] = str(int(min(times).timestamp()) + 1)
        return asked
