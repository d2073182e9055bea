"""The REST calls of the session to Unusual Whales: each answer is an event, whatever its status.

One heap of due times, and as many workers as calls may be in flight. What is due when, and with
what, is decided in rest_plan.py; how fast, in rest_budget.py; whether an endpoint may be asked at
all, in rest_endpoints.py.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import msgspec

from adapters.unusual_whales import (
    CALLS_IN_FLIGHT_MAX,
    Rank,
    UwAnswer,
    UwQuotaSpent,
    UwRest,
    UwUnavailable,
)
from adapters.unusual_whales.paging import Walk
from domain.event import Recorded, derived_id
from domain.events.feeds import LinesWanted, UwRestReceived
from domain.events.jobs import RestBatchTaken
from domain.events.system import PlannedDay
from run import metrics
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.rest_budget import RestBudget
from run.feeds.rest_endpoints import REST, RestEndpoints, Verdict
from run.feeds.rest_plan import Job, Situation, batch_due, due_at, jobs
from run.feeds.states import FeedStates
from run.tails import tail
from store.contract import EventStore

TRIES_MAX = 2
"""One second try inside the minute; the next slot is a further one."""
IDLE = timedelta(seconds=30)
"""How long the schedule rests when nothing is due."""
HOLDER = "trader"
HELD = "held"
BATCH_STREAM = "rest-batches/uw"
BATCHES_MAX = 1_000
"""Several sessions of them."""
PRICE_ENDPOINT = "/api/stock/{ticker}/stock-state"


class _State(msgspec.Struct):
    close: str | float


class _StockState(msgspec.Struct):
    data: _State


_stock_state = msgspec.json.Decoder(_StockState)


def rest_body(
    answer: UwAnswer, symbol: str, purpose: str = "poll", gap_id: str = ""
) -> UwRestReceived:
    """An answer as it goes on the log."""
    return UwRestReceived(
        endpoint=answer.endpoint,
        path=answer.path,
        query=answer.query,
        symbol=symbol,
        status=answer.status,
        headers=answer.headers,
        received_at=answer.received_at,
        payload=msgspec.Raw(answer.body_bytes),
        purpose=purpose,
        gap_id=gap_id,
    )


def keep(
    intake: Intake, answer: UwAnswer, symbol: str, purpose: str = "poll", gap_id: str = ""
) -> None:
    """Put an answer on the log: as data, or as bytes that could not be read."""
    metrics.REST_CALLS.labels(str(answer.status)).inc()
    if answer.fault:
        intake.reject(
            "uw", REST, f"{answer.path}: status {answer.status}: {answer.fault}", answer.body_bytes
        )
        return
    body = rest_body(answer, symbol, purpose, gap_id)
    intake.put(f"uw/rest{answer.endpoint}", body, feed=REST, occurred_at=answer.received_at)


async def batches_taken(store: EventStore, session_date: date) -> dict[str, datetime]:
    """Calls by times of the day that the log has for a session, with the newest time of each."""
    found: dict[str, datetime] = {}
    for event in await tail(store, BATCH_STREAM, BATCHES_MAX):
        body = event.body
        if isinstance(body, RestBatchTaken) and body.session_date == session_date:
            found[body.key] = max(body.due_at, found.get(body.key, body.due_at))
    return found


class RestFeed:
    """Runs the session's schedule until cancelled."""

    def __init__(
        self,
        rest: UwRest,
        intake: Intake,
        states: FeedStates,
        clock: MarketClock,
        day: PlannedDay,
        flows: Mapping[str, frozenset[str]],
    ) -> None:
        """`flows` are the families of channels that a feed brings while it is up."""
        self._rest = rest
        self._intake = intake
        self._states = states
        self._clock = clock
        self._day = day
        self._flows = flows
        self._budget = RestBudget(rest, intake, clock, day)
        self._endpoints = RestEndpoints(intake, states, day.session_date, clock.now)
        self._expiries: Mapping[str, Sequence[date]] = {}
        self._held: tuple[str, ...] = ()
        self._jobs: dict[str, Job] = {}
        self._asked_at: dict[str, datetime] = {}
        self._taken: dict[str, datetime] = {}
        self._due: list[tuple[datetime, str]] = []
        self._ready: asyncio.PriorityQueue[tuple[Rank, datetime, str]] = asyncio.PriorityQueue()
        """At most one entry for each call: it is due again only when it was made."""
        self._busy: set[str] = set()
        """Ready or being asked."""
        self._down_since: datetime | None = None
        self._prices: dict[str, float] = {}
        self._begun_at: datetime | None = None
        self._situation = Situation(day.open_at, day, day.open_at)
        self._seen: tuple[object, ...] = ()
        self._wake = asyncio.Event()

    def remember(self, taken: Mapping[str, datetime]) -> None:
        """Calls by times of the day that an earlier process made in this session, by name, with
        the time that each was taken for."""
        self._taken = dict(taken)

    def change_hours(self, day: PlannedDay) -> None:
        """The same session, with the hours that it has now."""
        self._day = day
        self._seen = ()
        self._wake.set()

    def list_expiries(self, expiries: Mapping[str, Sequence[date]]) -> None:
        """Ask about these expiries of each symbol from now on, nearest first."""
        self._expiries = expiries
        self._list_jobs()

    def note(self, event: Recorded) -> None:
        """Ask about the contracts that the trader says it holds."""
        body = event.body
        if not isinstance(body, LinesWanted) or body.requester != HOLDER:
            return
        held = sorted(line.contract.occ_symbol for line in body.lines if line.reason == HELD)
        if tuple(held) != self._held:
            self._held = tuple(held)
            self._list_jobs()

    @property
    def quota_share(self) -> float:
        """Used part of the vendor's calls of the day."""
        return self._rest.quota_share

    @property
    def is_idle(self) -> bool:
        """Nothing is due, under way, or to be planned anew."""
        now = self._clock.now()
        is_due = bool(self._due) and self._due[0][0] <= now
        return bool(self._jobs) and not (is_due or self._busy or self._seen != self._look(now))

    async def run(self) -> None:
        """Ask what is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(CALLS_IN_FLIGHT_MAX):
                tasks.create_task(self._work(), name=f"feeds.uw.rest.{number}")
            while True:
                self._wake.clear()
                now = self._clock.now()
                if self._seen != self._look(now):
                    self._make_timetable(now)
                self._release(now)
                await self._clock.wait(self._next_at(now), self._wake)

    # The timetable.

    def _list_jobs(self) -> None:
        self._jobs = jobs(self._expiries, self._held, self._day.session_date)
        self._seen = ()
        self._wake.set()

    def _look(self, now: datetime) -> tuple[object, ...]:
        """What the timetable hangs on; a new value asks for a new one."""
        changes_at = self._situation.changes_at()
        return (
            changes_at is not None and now >= changes_at,
            *(self._states.is_up(feed) for feed in self._flows),
            self._states.is_paused(REST),
            self._clock.seconds_min,
            *self._budget.look(now),
        )

    def _make_timetable(self, now: datetime) -> None:
        down = [feed for feed in self._flows if not self._states.is_up(feed)]
        self._down_since = (self._down_since or now) if down else None
        flowing = frozenset[str]().union(
            *(f for feed, f in self._flows.items() if feed not in down)
        )
        # Not before the first timetable: only then is the clock set.
        self._begun_at = self._begun_at or now
        plain = Situation(
            now=now,
            day=self._day,
            begun_at=self._begun_at,
            flowing=flowing,
            down_since=self._down_since,
            seconds_min=self._clock.seconds_min,
        )
        pace = self._budget.pace(plain, self._jobs.values())
        self._situation = replace(plain, pace=pace)
        if pace.decides:
            self._endpoints.turned_over()
        else:
            self._endpoints.spent(f"{self._rest.quota_share:.0%} of the day's calls are used")
        self._due = []
        if not self._states.is_paused(REST):
            for key in self._jobs.keys() - self._busy:
                self._plan(key, now)
        self._seen = self._look(now)

    def _plan(self, key: str, now: datetime) -> None:
        job = self._jobs.get(key)
        if job is None or self._endpoints.is_off(job):
            return
        asked_at = self._asked_at.get(key)
        if not job.schedule.decides:  # what decisions read is asked anew by every process
            asked_at = asked_at or self._taken.get(key)
        at = due_at(job, replace(self._situation, now=now), asked_at)
        if at is not None:
            waits_until = self._endpoints.waits_until(job)
            heapq.heappush(self._due, (max(at, waits_until or at), key))

    def _release(self, now: datetime) -> None:
        while self._due and self._due[0][0] <= now:
            at, key = heapq.heappop(self._due)
            self._busy.add(key)
            self._ready.put_nowait((self._rank(self._jobs[key]), at, key))

    @staticmethod
    def _rank(job: Job) -> Rank:
        return Rank.USEFUL if job.is_useful else Rank.NEEDED

    def _next_at(self, now: datetime) -> datetime:
        moments = [now + IDLE, self._situation.changes_at(), self._budget.replans_at(now)]
        if self._due:
            moments.append(self._due[0][0])
        return min(moment for moment in moments if moment is not None)

    # Asking.

    async def _work(self) -> None:
        while True:
            _, _, key = await self._ready.get()
            job = self._jobs.get(key)
            if job is not None and not self._endpoints.is_off(job):
                began, pages = self._clock.now(), await self.ask(job)
                if pages:
                    self._note_batch(job, began, pages)
            now = self._clock.now()
            self._asked_at[key] = now
            self._busy.discard(key)
            if not self._states.is_paused(REST):
                self._plan(key, now)
            self._wake.set()

    async def ask(self, job: Job) -> int:
        """Ask once, page by page; each answer, or what came instead, goes to the intake.

        The pages of a whole answer, 0 when it is not whole.
        """
        query = job.query(self._clock.now(), self._prices)
        walk = Walk(job.endpoint.path, query, job.schedule.pages_max)
        following: dict[str, str | list[str]] | None = query
        pages = 0
        while following is not None:
            answer = await self._ask_page(job, following)
            if answer is None:
                return 0
            pages += 1
            is_last = job.schedule.pages_max == 1
            following = None if is_last else walk.next_query(answer.body_bytes)
        return pages

    def _note_batch(self, job: Job, began: datetime, pages: int) -> None:
        """Keep on the log that a time of day is settled, behind the answers themselves."""
        due = batch_due(job, self._day, began, self._taken.get(job.key))
        if due is None:
            return
        self._taken[job.key] = due
        day = self._day.session_date
        body = RestBatchTaken(key=job.key, session_date=day, due_at=due, pages=pages)
        identity = derived_id("rest.batch", day, job.key, due.isoformat())
        self._intake.put(BATCH_STREAM, body, feed=REST, event_id=identity)

    async def _ask_page(self, job: Job, query: Mapping[str, str | list[str]]) -> UwAnswer | None:
        """The answer when it is a good one."""
        try:
            answer = await self._rest.get(
                job.endpoint.path, job.path, query, rank=self._rank(job), tries_max=TRIES_MAX
            )
        except UwQuotaSpent:
            return None  # the budget has seen it, and plans anew
        except UwUnavailable as error:
            self._endpoints.failed(job, str(error))
            if error.answer is not None:
                keep(self._intake, error.answer, job.symbol)
            return None
        keep(self._intake, answer, job.symbol)
        metrics.REST_QUOTA_USED.set(self._rest.quota_share)
        if self._endpoints.answered(job, answer) is not Verdict.GOOD:
            return None
        if job.endpoint.path == PRICE_ENDPOINT:
            self._note_price(job.symbol, answer.body_bytes)
        return answer

    def _note_price(self, symbol: str, body: bytes) -> None:
        """The range of strikes to ask for follows the price; without one there is none."""
        try:
            self._prices[symbol] = float(_stock_state.decode(body).data.close)
        except (msgspec.DecodeError, ValueError):
            self._prices.pop(symbol, None)
