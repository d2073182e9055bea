"""The dividends of an underlying: those paid and declared, and what is expected after them.

Folded from HistoryImported by the analytics and by the trader alike. The vendor's answer tells
what was paid; what the operator enters takes the place of the vendor's in its quarters. A quarter
ahead of which nobody knows anything is expected to pay what it paid a year before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import msgspec

from domain.events.feeds import HistoryImported
from domain.payloads.unusual_whales import read_dividends
from domain.pricing.dividends import Dividend
from domain.session import Session, third_friday

ENTERED = "dividends"
PAID = "uw.dividends"
REQUESTS = frozenset({ENTERED, PAID})
ANSWERS_KEPT = 45
KEPT = timedelta(days=500)
AMOUNT_MAX = 50.0
"""Dollars a share: more is a slip, of the operator or of the vendor."""
_ON_THIRD_FRIDAY = frozenset({"SPY"})
"""The others keep their distance in days from the third Friday of a year before."""


def _quarter(day: date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


@dataclass(slots=True)
class DividendTable:
    """Of one symbol; answers by the last session that they cover."""

    entered: dict[date, tuple[Dividend, ...]] = field(default_factory=dict)
    paid: dict[date, tuple[Dividend, ...]] = field(default_factory=dict)

    def take(self, event: HistoryImported) -> None:
        """
        Raises:
            DecodeError, LookupError, TypeError, ValueError: the answer cannot be read.
        """
        if event.request == PAID:
            rows = read_dividends(event.payload.encode())
            found = [Dividend(row.ex_date, float(row.amount), False) for row in rows]
        else:
            entered = msgspec.json.decode(event.payload)
            found = [
                Dividend(date.fromisoformat(row[0][:10]), float(row[1]), bool(row[2]))
                for row in entered
            ]
        if any(not 0 <= d.amount <= AMOUNT_MAX for d in found):
            raise ValueError(f"a dividend must be at least 0 and at most {AMOUNT_MAX}")
        series = self.paid if event.request == PAID else self.entered
        since = event.session_date - KEPT
        recent = (d for d in found if d.ex_date >= since)
        series[event.session_date] = tuple(sorted(recent, key=lambda d: (d.ex_date, d.amount)))
        while len(series) > ANSWERS_KEPT:
            del series[min(series)]

    def ahead(
        self, symbol: str, session: Session, *, before: date | None = None
    ) -> tuple[Dividend, ...]:
        """Those from the session on, by ex-date; of the answers before a day if one is given."""
        entered = _newest(self.entered, before)
        theirs = {_quarter(d.ex_date) for d in entered}
        paid = [d for d in _newest(self.paid, before) if _quarter(d.ex_date) not in theirs]
        known = sorted((*paid, *entered), key=lambda d: (d.ex_date, d.amount))
        every = (*known, *expected(symbol, known, session))
        today = session.session_date
        return tuple(
            sorted(
                (d for d in every if d.ex_date >= today and d.amount > 0),
                key=lambda d: (d.ex_date, d.amount),
            )
        )


def _newest(series: dict[date, tuple[Dividend, ...]], before: date | None) -> tuple[Dividend, ...]:
    days = [day for day in series if before is None or day < before]
    return series[max(days)] if days else ()


def expected(symbol: str, known: Sequence[Dividend], session: Session) -> Iterable[Dividend]:
    """The amount of a year before, in each quarter to come of which nothing is known."""
    quarters = {_quarter(d.ex_date) for d in known}
    for dividend in known:
        year, quarter = _quarter(dividend.ex_date)
        if dividend.ex_date >= session.session_date or (year + 1, quarter) in quarters:
            continue
        ex_date = _a_year_later(symbol, dividend.ex_date, session)
        if ex_date >= session.session_date:
            yield Dividend(ex_date, dividend.amount, True)


def _a_year_later(symbol: str, day: date, session: Session) -> date:
    """As far from the third Friday as the year before; the session before when that is closed."""
    shift = timedelta(0)
    if symbol not in _ON_THIRD_FRIDAY:
        shift = day - third_friday(day.year, day.month)
    found = third_friday(day.year + 1, day.month) + shift
    plan = session.plan
    planned = sorted(
        one.session_date for one in (plan.day, *plan.later) if one.session_date <= found
    )
    is_planned = bool(plan.later) and found <= plan.later[-1].session_date
    return planned[-1] if is_planned and planned else found
