"""The operator changes hours of sessions to come within the calendar's, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from adapters.calendar import plan_session
from domain.events.session_hours import OVERRIDES_STREAM, SessionOverridden
from domain.events.system import SESSION_STREAM
from run.config import Settings
from run.session import Refused, changed, override, require_to_come
from run.worker import Recorder
from store.postgres import PostgresStore

DAY = date(2026, 12, 9)
PLAN = plan_session(DAY)
MORNING = PLAN.day.open_at - timedelta(hours=2)
NOON = PLAN.day.open_at + timedelta(hours=2, minutes=30)


def said(day: date = DAY, opening: datetime | None = PLAN.day.open_at) -> SessionOverridden:
    closing = None if opening is None else PLAN.day.close_at - timedelta(hours=3)
    return SessionOverridden(
        session_date=day, open_at=opening, close_at=closing, who="ann", why="storm"
    )


def test_a_time_that_is_not_given_is_the_calendars() -> None:
    day = PLAN.day
    assert changed(day, None, time(13), closed=False) == (
        day.open_at,
        datetime(2026, 12, 9, 18, tzinfo=UTC),
    )
    assert changed(day, time(10, 30), None, closed=False) == (
        datetime(2026, 12, 9, 15, 30, tzinfo=UTC),
        day.close_at,
    )
    assert changed(day, None, None, closed=False) == (day.open_at, day.close_at)
    assert changed(day, None, None, closed=True) == (None, None)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [(None, time(16, 1)), (time(9, 29), None), (time(13), time(13)), (time(14), time(13))],
)
def test_hours_beyond_the_calendars_are_refused(opening: time | None, closing: time | None) -> None:
    with pytest.raises(Refused, match="must be within 09:30 to 16:00"):
        changed(PLAN.day, opening, closing, closed=False)


@pytest.mark.parametrize(
    ("body", "now", "is_sandbox", "refused"),
    [
        (said(), NOON, False, ""),
        (said(opening=None), MORNING, False, ""),
        (said(opening=None), NOON, False, "has begun"),
        (said(opening=None), MORNING, True, "has begun"),
        (said(opening=PLAN.day.open_at + timedelta(hours=1)), NOON, False, "has begun"),
        (said(DAY - timedelta(days=1)), MORNING, False, "must be from"),
        (said(DAY + timedelta(days=81)), MORNING, False, "must be from"),
        (said(DAY + timedelta(days=1), None), NOON, True, ""),
    ],
)
def test_what_has_begun_or_is_over_stays(
    body: SessionOverridden, now: datetime, is_sandbox: bool, refused: str
) -> None:
    if not refused:
        require_to_come(PLAN, body, now, is_sandbox=is_sandbox)
        return
    with pytest.raises(Refused, match=refused):
        require_to_come(PLAN, body, now, is_sandbox=is_sandbox)


async def test_the_change_is_on_the_log_though_no_feed_answers(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    await Recorder(store, "feeds", "build", "run").record(SESSION_STREAM, PLAN)
    settings = Settings(_env_file=None, database_url=database_url, redis_url="", var_dir=tmp_path)
    outcome = await override(settings, said(DAY + timedelta(days=1)), 0.1)
    (event,) = await store.read_stream(OVERRIDES_STREAM)
    assert (outcome.state, event.event_id) == ("requested", outcome.event_id)
