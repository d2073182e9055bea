"""How fast the REST schedule may run: calls of the minute and of the day against what it needs.

Before the open, and as soon as the vendor has told its quota, the plan of the day is compared with
what is left of it: RestBudgetPlanned. Later the used part of the quota decides alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from adapters.unusual_whales import UwRest
from adapters.unusual_whales.quota import SCHEDULED_SHARE_MAX, USEFUL_SHARE_MAX, next_quota_day
from domain.events.feed_health import RestBudgetPlanned
from domain.events.system import PlannedDay
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.rest_endpoints import REST, STREAM
from run.feeds.rest_plan import (
    NOTHING,
    Job,
    Pace,
    Situation,
    fitted,
    load_a_minute,
    load_until,
    slower,
)

PLANNED_SHARE_MAX = 0.95
"""Part of what is left of the quota that a plan may use."""
BEFORE_OPEN = timedelta(minutes=30)


class RestBudget:
    """The pace of the schedule; plans the day's calls."""

    def __init__(self, rest: UwRest, intake: Intake, clock: MarketClock, day: PlannedDay) -> None:
        self._rest = rest
        self._intake = intake
        self._clock = clock
        self._day = day
        self._of_day = Pace()
        self._plans = 0
        self._replans_at = day.open_at - BEFORE_OPEN

    def replans_at(self, now: datetime) -> datetime | None:
        """When the day is to be planned again."""
        return self._replans_at if now < self._replans_at else None

    def look(self, now: datetime) -> tuple[object, ...]:
        """What the pace hangs on; a new value asks for a new one."""
        share = self._rest.quota_share
        return (
            self._rest.calls_left is not None,
            (share >= USEFUL_SHARE_MAX) + (share >= SCHEDULED_SHARE_MAX),
            now >= self._replans_at,
            self._clock.speed,
        )

    def pace(self, situation: Situation, known: Collection[Job]) -> Pace:
        """The pace that the calls of the minute and of the day allow."""
        share = self._rest.quota_share
        if share >= SCHEDULED_SHARE_MAX:
            return NOTHING
        self._plan(situation, known)
        calls_max = self._clock.calls_a_minute(self._rest.limiter.scheduled_a_minute)
        pace = slower(self._of_day, fitted(load_a_minute(known, situation), calls_max))
        return replace(pace, useful=0.0) if share >= USEFUL_SHARE_MAX else pace

    def _plan(self, situation: Situation, known: Collection[Job]) -> None:
        left = self._rest.calls_left
        due = 1 + (situation.now >= self._replans_at)
        if left is None or self._plans >= due:
            return
        self._plans = due
        load = load_until(known, situation, next_quota_day(situation.now))
        self._of_day = fitted(load, left * PLANNED_SHARE_MAX)
        is_off = not self._of_day.useful
        body = RestBudgetPlanned(
            session_date=self._day.session_date,
            calls_planned=round(load.at(self._of_day)),
            calls_left=left,
            calls_a_minute_max=self._rest.limiter.scheduled_a_minute,
            dropped=tuple(sorted({j.endpoint.path for j in known if is_off and j.is_useful})),
        )
        self._intake.put(STREAM, body, feed=REST)
