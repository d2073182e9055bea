"""The director of the demo: sets the pace of the day, on the log and in the sandboxes.

Every change of pace is a ClockStarted event. Before a slow stretch the clock stands still until
the workers have caught up, so that no decision rests on a backlog.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import aiohttp

from domain.event import Recorded
from domain.events.interest_rates import RATES_STREAM, RatePoint, RateUpdated
from domain.events.orders import OrderChanged, OrderIntended
from domain.events.positions import PositionClosed, PositionOpened, PositionReopened
from domain.events.system import (
    PARAMETERS_STREAM,
    ClockStarted,
    ParametersChanged,
    PlannedDay,
)
from run.demo.pace import Lag, Pace
from run.demo.plan import Phase
from run.worker import Recorder
from store.contract import EventStore, Selection

POLL_SECONDS = 0.05
SETTLE_SECONDS_MAX = 30.0
OVERTIME_SPEED_MAX = 30.0
OVERTIME_REAL_SECONDS = 20.0
"""A trade that outlasts a slow stretch is watched this much longer before the clock runs fast."""
WORKERS = ("signals", "trader", "outbox")
TENOR_DAYS = (30, 91, 365)
PACED = ("signals", "trader")
"""Workers that the clock waits for; deliveries may lag."""
WATCHED = frozenset(
    {
        "OrderIntended",
        "OrderChanged",
        "PositionOpened",
        "PositionClosed",
        "PositionReopened",
        "ApprovalPrompted",
        "ApprovalDecided",
        "RiskDecided",
        "ReconciliationCompleted",
    }
)


@dataclass(slots=True)
class Scene:
    """What the director sees on the log: whether a trade is under way."""

    working: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    trades: int = 0

    @property
    def is_quiet(self) -> bool:
        return not self.working and not self.open

    def apply(self, event: Recorded) -> None:
        match event.body:
            case OrderIntended() as body:
                self.working.add(body.order_ref)
            case OrderChanged() as body if body.state.is_final:
                self.working.discard(body.order_ref)
            case PositionOpened() as body:
                self.open.add(body.position_id)
                self.trades += 1
            case PositionReopened() as body:
                self.open.add(body.position_id)
            case PositionClosed() as body:
                self.open.discard(body.position_id)
            case _:
                pass


class Director:
    """Owns the clock of a demo run. `controls` are the sandboxes' control addresses."""

    def __init__(
        self,
        store: EventStore,
        recorder: Recorder,
        http: aiohttp.ClientSession,
        controls: Sequence[str],
        day: PlannedDay,
        say: Callable[[str], None],
    ) -> None:
        self.scene = Scene()
        self.phase = ""
        self._store = store
        self._recorder = recorder
        self._http = http
        self._controls = controls
        self._day = day
        self._say = say
        self._base = day.open_at
        self._real = time.time()
        self._speed = 0.0

    def now(self) -> datetime:
        """Market time, as the log computes it."""
        return self._base + timedelta(seconds=(time.time() - self._real) * self._speed)

    async def set_clock(
        self, speed: float, phase: Phase | None, at: datetime | None = None
    ) -> None:
        """Write ClockStarted at the market time reached, and tell the sandboxes."""
        base = at or self.now()
        started = ClockStarted(
            base_market_time=base,
            speed=speed,
            session_date=self._day.session_date,
            thinned=phase.thinned if phase else True,
            entries_open=phase.entries_open if phase else False,
            reason=phase.name if phase else "standing still",
        )
        appended = await self._recorder.record("clock", started, occurred_at=base)
        self._base, self._speed = appended.market_times[0], speed
        self._real = appended.recorded_at.timestamp()
        body = {
            "base_market_time": self._base.isoformat(),
            "base_real_epoch": self._real,
            "speed": speed,
            "thinned": started.thinned,
        }
        for control in self._controls:
            async with self._http.post(f"{control}/_sim/clock", json=body) as answer:
                answer.raise_for_status()

    async def tighten_limits(self, limits: Mapping[str, float]) -> None:
        """Set parameters before the desk starts, once: what the operator changed since stays."""
        if await self._store.stream_version(PARAMETERS_STREAM):
            return
        change = ParametersChanged(
            values=dict(limits), version=1, who="director", why="limits of the demo's desk"
        )
        await self._recorder.record(PARAMETERS_STREAM, change)

    async def enter_rates(self, rate: float) -> None:
        """Enter the curve of rates before the desk starts, once, as the operator of a real desk
        does: the market prices its options at one rate."""
        if await self._store.stream_version(RATES_STREAM):
            return
        points = tuple(RatePoint(days=days, rate=rate) for days in TENOR_DAYS)
        curve = RateUpdated(
            as_of=self._day.session_date, source="market model", points=points, who="director"
        )
        await self._recorder.record(RATES_STREAM, curve)

    async def watch(self) -> None:
        """Follow the log; never returns."""
        async for events, _ in self._store.subscribe(0, Selection(types=WATCHED)):
            for event in events:
                self.scene.apply(event)

    async def settle(self) -> None:
        """Stand still until every worker has consumed what is on the log now."""
        await self.set_clock(0.0, None)
        head = await self._store.head()
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < deadline:
            behind = [w for w in WORKERS if await self._store.checkpoint(w) < head]
            if not behind:
                return
            await asyncio.sleep(POLL_SECONDS)
        self._say(f"workers are behind: {', '.join(behind)}; going on")

    async def direct(self, phases: Sequence[Phase]) -> None:
        """Run the phases that lie ahead, one after the other."""
        for phase in phases:
            if self.now() >= phase.until:
                continue
            if not phase.thinned:
                await self.settle()
            self.phase = phase.name
            self._say(f"{phase.name}: until {phase.until:%H:%M} UTC at {phase.speed:g} x")
            await self._run_phase(phase, partial(self._has_reached, phase.until))
            if phase.waits_for_quiet and not self.scene.is_quiet:
                await self._overtime(phase)

    def _has_reached(self, market_time: datetime) -> bool:
        return self.now() >= market_time

    async def _overtime(self, phase: Phase) -> None:
        """Let what is under way end before the next stretch, closed to new entries."""
        speed = max(phase.speed, OVERTIME_SPEED_MAX)
        self._say(f"a trade is under way: on at {speed:g} x, closed to new entries")
        closed = replace(phase, name=f"{phase.name}, overtime", speed=speed, entries_open=False)
        deadline = time.monotonic() + OVERTIME_REAL_SECONDS
        await self._run_phase(closed, lambda: self.scene.is_quiet or time.monotonic() >= deadline)

    async def _run_phase(self, phase: Phase, is_over: Callable[[], bool]) -> None:
        """Run at the phase's speed, or as much slower as the workers need to follow."""
        await self.set_clock(phase.speed, phase)
        pace = Pace(phase.speed, entries_open=phase.entries_open, at=time.monotonic())
        lag = Lag()
        while not is_over():
            head = await self._store.head()
            slowest = min([await self._store.checkpoint(worker) for worker in PACED])
            at = time.monotonic()
            speed = pace.speed_for(lag.seconds(at, head, slowest), at)
            if speed != self._speed:
                self._say(f"{phase.name}: on at {speed:g} x, as fast as this machine follows")
                await self.set_clock(speed, replace(phase, speed=speed))
            await asyncio.sleep(POLL_SECONDS)
