"""The schedule of REST calls: pure, over whole days, half days and the changes of the clock."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest

from adapters.calendar import plan_session
from domain.events.system import PlannedDay
from domain.instruments import SYMBOLS
from domain.payloads.unusual_whales.endpoint import Each, Priority
from domain.session import new_york
from run.feeds.broker_chains import calendar_expiries
from run.feeds.rest_plan import (
    BATCH_SECONDS,
    DOWN_FOR_MAX,
    HELD_CONTRACTS_MAX,
    NOTHING,
    Job,
    Pace,
    Situation,
    cadence,
    due_at,
    fitted,
    jobs,
    load_a_minute,
    load_until,
    slower,
)

SESSION = date(2026, 10, 6)
HALF_DAY = date(2026, 11, 27)
WINTER = date(2026, 11, 3)
STOCK = "/api/stock/{ticker}"
FLOWING = frozenset({"off_lit_trades", "option_trades", "price"})


def of_day(session: date, held: tuple[str, ...] = ()) -> tuple[PlannedDay, dict[str, Job]]:
    plan = plan_session(session)
    return plan.day, jobs(calendar_expiries(plan), held, session)


DAY, JOBS = of_day(SESSION)
NOON = DAY.open_at + timedelta(hours=2)


def at(now: datetime, day: PlannedDay = DAY, **given: object) -> Situation:
    begun_at = day.open_at - timedelta(hours=12)
    return Situation(now, day, begun_at, **{"flowing": FLOWING, **given})  # type: ignore[arg-type]


def of(path: str, symbol: str = "SPY", known: dict[str, Job] = JOBS) -> Job:
    return next(j for j in known.values() if j.endpoint.path == path and j.symbol == symbol)


def without_further(known: dict[str, Job]) -> list[Job]:
    """As the vendor's facts count the load: the expiries beyond the next one are our own wish."""
    return [job for job in known.values() if job.schedule.each is not Each.FURTHER]


# The load.


def calls(known: list[Job], situation: Situation, pace: Pace) -> float:
    return load_a_minute(known, situation).at(pace)


def test_the_load_of_a_minute_is_what_the_facts_say() -> None:
    known = without_further(JOBS)
    assert 42 <= calls(known, at(NOON), Pace(useful=0)) <= 47
    assert 60 <= calls(known, at(NOON), Pace()) <= 68
    assert 42 + 3 - 1 <= calls(known, at(NOON, flowing=frozenset()), Pace(useful=0)) <= 48


def test_ten_held_contracts_are_watched_at_most() -> None:
    _, known = of_day(SESSION, tuple(f"SPY261006C00{n}000" for n in range(700, 715)))
    watched = [job for job in known.values() if job.schedule.each is Each.HELD]
    assert len(watched) == HELD_CONTRACTS_MAX
    more = (
        load_a_minute(known.values(), at(NOON)).useful
        - load_a_minute(JOBS.values(), at(NOON)).useful
    )
    assert more == HELD_CONTRACTS_MAX


def test_the_load_while_the_socket_is_down_stays_below_a_hundred() -> None:
    down = at(NOON, flowing=frozenset(), down_since=NOON - timedelta(minutes=5))
    assert 90 <= calls(without_further(JOBS), down, Pace()) <= 100
    assert load_a_minute(JOBS.values(), down).at(Pace()) <= 100


def test_outside_the_session_less_than_one_call_a_minute_is_made() -> None:
    for hours in (-5, 8):
        assert (
            0
            < load_a_minute(JOBS.values(), at(DAY.open_at + timedelta(hours=hours))).at(Pace())
            < 1
        )


def test_the_batches_of_the_morning_and_of_the_close_are_small() -> None:
    morning = [j for j in JOBS.values() if any(t < time(8) for t in j.schedule.daily_at)]
    assert 0 < sum(j.schedule.pages_max for j in morning) <= 60
    assert 0 < sum(len(j.schedule.after_close) for j in JOBS.values()) <= 80


@pytest.mark.parametrize(
    ("quota", "pace"),
    [
        (40_000, Pace()),
        (30_000, Pace(useful=2)),
        (20_000, Pace(needed=2, useful=4)),
        (15_000, Pace(needed=4, useful=8)),
    ],
)
def test_a_smaller_quota_slows_priority_2_first_and_what_decides_last(
    quota: int, pace: Pace
) -> None:
    start = datetime(2026, 10, 6, 0, 0, tzinfo=UTC)
    load = load_until(JOBS.values(), at(start), start + timedelta(days=1))
    assert fitted(load, quota * 0.95) == pace
    assert load.at(pace) <= quota * 0.95


def test_no_number_of_calls_is_too_small_to_plan_with() -> None:
    load = load_a_minute(JOBS.values(), at(NOON))
    for calls_max in (1.0, 5.0, 25.0, 50.0, 100.0):
        pace = fitted(load, calls_max)
        assert load.at(pace) <= calls_max * 1.001
        assert pace.decides <= max(pace.needed, 1.0)
    assert slower(Pace(), NOTHING) == NOTHING


# A day, call by call.


def run_day(
    day: PlannedDay, known: dict[str, Job], begin: datetime, end: datetime
) -> list[tuple[datetime, Job]]:
    """Every call of a stretch, each made when it is due."""
    made: list[tuple[datetime, Job]] = []
    asked: dict[str, datetime] = {}
    now = begin
    while now < end:
        situation = at(now, day)
        for key, job in known.items():
            due = due_at(job, situation, asked.get(key))
            if due is not None and due <= now:
                made.append((now, job))
                asked[key] = now
        now += timedelta(seconds=1)
    return made


@pytest.fixture(scope="module")
def ten_minutes() -> list[tuple[datetime, Job]]:
    return run_day(DAY, JOBS, NOON, NOON + timedelta(minutes=10))


def test_calls_are_spread_over_the_minute(ten_minutes: list[tuple[datetime, Job]]) -> None:
    settled = [(t, j) for t, j in ten_minutes if t >= NOON + timedelta(minutes=2)]
    by_minute = Counter(t.replace(second=0) for t, _ in settled)
    assert max(by_minute.values()) <= 90
    assert max(Counter(t for t, _ in settled).values()) <= 8


def test_each_call_keeps_its_cadence(ten_minutes: list[tuple[datetime, Job]]) -> None:
    by_job = Counter(job.key for _, job in ten_minutes)
    for key, job in JOBS.items():
        seconds = cadence(job, at(NOON))
        if seconds:
            extra = 1 if job.schedule.decides else 0
            assert abs(by_job[key] - extra - 600 / seconds) <= 1.5, key


def test_rows_of_the_running_minute_are_asked_for_from_second_8_on(
    ten_minutes: list[tuple[datetime, Job]],
) -> None:
    series = [t for t, job in ten_minutes if job.schedule.second and t > NOON]
    assert series
    assert min(t.second for t in series) >= 8


def test_what_decisions_read_is_asked_at_once() -> None:
    early = DAY.open_at - timedelta(minutes=5)
    at_once = [j for j in JOBS.values() if due_at(j, at(early), None) == early]
    assert {j.endpoint.path for j in at_once} >= {
        f"{STOCK}/option-contracts", "/api/market/market-tide", "/api/news/headlines",
    }  # fmt: skip
    assert all(j.schedule.decides for j in at_once if not j.schedule.daily_at)


def test_two_runs_of_a_day_ask_alike() -> None:
    again = run_day(DAY, JOBS, NOON, NOON + timedelta(minutes=1))
    assert again == run_day(DAY, JOBS, NOON, NOON + timedelta(minutes=1))


def test_a_pause_is_followed_by_one_call_and_not_by_all_that_were_missed() -> None:
    job = of(f"{STOCK}/gex-levels")
    asked = NOON - timedelta(minutes=30)
    due = due_at(job, at(NOON), asked)
    assert due is not None
    assert due < NOON
    after = due_at(job, at(NOON), NOON)
    assert after is not None
    assert NOON + timedelta(seconds=15) < after <= NOON + timedelta(seconds=90)


# Times of day.


@pytest.mark.parametrize("session", [SESSION, WINTER, HALF_DAY], ids=str)
def test_open_interest_is_asked_at_06_50_new_york_in_summer_and_in_winter(session: date) -> None:
    day, known = of_day(session)
    for symbol in SYMBOLS:
        job = of(f"{STOCK}/oi-change", symbol, known)
        due = due_at(job, at(day.open_at - timedelta(hours=6), day), None)
        assert due is not None
        since = new_york(due) - datetime.combine(session, time(6, 50), new_york(due).tzinfo)
        assert timedelta(0) <= since < timedelta(seconds=BATCH_SECONDS)
        assert due_at(job, at(due, day), due + timedelta(seconds=1)) is None


@pytest.mark.parametrize("session", [SESSION, HALF_DAY], ids=str)
def test_batches_after_the_close_and_the_session_move_with_a_half_day(session: date) -> None:
    day, known = of_day(session)
    job = of("/api/lit-flow/{ticker}", "IWM", known)
    due = due_at(job, at(day.open_at, day), None)
    assert due is not None
    assert day.close_at + timedelta(minutes=5) <= due
    series = of(f"{STOCK}/net-prem-ticks", "SPY", known)
    last = day.options_close_at
    assert cadence(series, at(last - timedelta(seconds=1), day)) == 60
    assert cadence(series, at(last, day)) == 0
    assert cadence(series, at(day.open_at - timedelta(seconds=1), day)) == 0
    assert at(day.open_at, day).changes_at() == last


def test_a_time_of_day_that_was_missed_is_asked_once_late() -> None:
    """A start in the middle of the day spreads what it has missed."""
    job = of(f"{STOCK}/expiry-breakdown")
    situation = Situation(NOON, DAY, begun_at=NOON)
    due = due_at(job, situation, None)
    assert due is not None
    assert NOON <= due < NOON + timedelta(seconds=BATCH_SECONDS)
    assert due_at(job, situation, due) is None


# The socket.


def test_an_outage_changes_the_cadences_for_an_hour() -> None:
    alerts = of("/api/option-trades/flow-alerts", "")
    trades = of("/api/option-trades")
    nope = of(f"{STOCK}/nope")
    for minutes, expected in ((0, (15, 0, 60)), (1, (5, 10, 0)), (61, (15, 0, 60))):
        now = NOON + timedelta(minutes=minutes)
        situation = at(now, flowing=frozenset(), down_since=NOON)
        assert tuple(cadence(job, situation) for job in (alerts, trades, nope)) == expected
    down = at(NOON + timedelta(minutes=1), flowing=frozenset(), down_since=NOON)
    assert down.changes_at() == NOON + DOWN_FOR_MAX


def test_prints_are_asked_for_only_while_their_channel_does_not_flow() -> None:
    job = of("/api/darkpool/{ticker}")
    assert cadence(job, at(NOON)) == 0
    assert cadence(job, at(NOON, flowing=frozenset())) == 60


# What is asked with.


def test_a_board_is_asked_for_around_the_price_and_whole_without_one() -> None:
    board = of(f"{STOCK}/spot-exposures/expiry-strike")
    assert "min_strike" not in board.query(NOON, {})
    query = board.query(NOON, {"SPY": 770.0})
    assert (query["min_strike"], query["max_strike"]) == ("693", "847")
    assert query["expirations[]"] == [e.isoformat() for e in board.expiries]
    assert len(board.expiries) == 2
    assert query["limit"] == "500"


def test_paths_and_queries_are_filled() -> None:
    for job in JOBS.values():
        query = job.query(NOON, {"SPY": 770.0, "QQQ": 740.0, "IWM": 252.0})
        values = [job.path, *(v for given in query.values() for v in given)]
        assert "{" not in "".join(values), job.key
    recent = of("/api/option-trades/flow-alerts", "").query(NOON, {})["newer_than"]
    assert int(str(recent)) == int((NOON - timedelta(minutes=10)).timestamp())


def test_priority_2_is_off_when_its_pace_is_nothing() -> None:
    situation = at(NOON, pace=Pace(useful=0))
    useful = [j for j in JOBS.values() if j.endpoint.priority is Priority.USEFUL]
    assert useful
    assert {due_at(job, situation, None) for job in useful} == {None}
    assert due_at(of(f"{STOCK}/gex-levels"), at(NOON, pace=NOTHING), None) is None
