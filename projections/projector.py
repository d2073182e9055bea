"""The generic projector: log in, views out, position and views moved together.

run/projector.py runs one for each projection. A projection is a pure function from an event to
effects; a target applies effects and its own position in one step (one Lua call of Redis, one
transaction of Postgres), so that a crash can leave neither without the other. A target that was
flushed, was built by another version, or holds what this log does not (the log was put back from a
backup), is built anew from zero beside the old one and swapped in. Nothing else writes a view, and
no decision reads one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import asyncpg
import structlog
from redis.exceptions import RedisError

from domain.event import Recorded
from store.cancellation import raise_if_cancelled
from store.contract import EventStore, Selection
from store.errors import UnreadableEvent
from store.patience import LOST, may_pass

REBUILD_PAGE = 5_000
PAGE_EVENTS = 1_000
BEAT_SECONDS = 0.1
"""From one page that is not full to the next: a transaction for each few prints would cost several
times the processor, and what decides runs beside this."""
IDLE_APPLY_SECONDS = 1.0
"""A position may lag this long behind a log that holds nothing for this projection."""
_RETRY_SECONDS_MIN = 0.1
_RETRY_SECONDS_MAX = 1.0
_LOST = (RedisError, asyncpg.PostgresError, *LOST)

Effect = TypeVar("Effect")
EffectIn = TypeVar("EffectIn", contravariant=True)


OnApplied = Callable[[Sequence[Recorded], float], None]
"""Gets the events of each page that was applied while following, and the real seconds it took."""


OnAsked = Callable[[int, int], Awaitable[None]]
"""Gets the positions (after, up_to] among which a rebuild was asked for, once it is done."""


class RebuildLost(Exception):
    """What was being built beside the live target is gone: it was flushed meanwhile, or two
    rebuilds ran at once and the later one goes on. To be tried again."""


class TargetDamaged(Exception):
    """The target refuses what it must accept: somebody else wrote into it. Built anew, once."""


class PoisonEvent(Exception):
    """A projection cannot project an event, or this build cannot read it."""

    def __init__(self, source: Recorded | UnreadableEvent, error: Exception) -> None:
        super().__init__(f"event {source.position} {source.type}: {type(error).__name__}: {error}")
        self.source = source
        self.error = error


@dataclass(frozen=True, slots=True)
class Standing:
    """What the log says of the events that one projection could not project.

    `skipped` are those that the operator lets it pass over; it still stands before `before`, as
    the WorkerStopped at `stop` says. Stops up to `settled` were passed over or projected after all.
    """

    skipped: frozenset[int] = frozenset()
    before: int | None = None
    stop: int = 0
    settled: int = 0


class Stops(Protocol):
    """Where a projection says that it stands, and learns what was decided (run/)."""

    async def standing(self, name: str) -> Standing: ...

    async def stand(self, name: str, poison: PoisonEvent) -> None:
        """Say that it stands; returns when the operator has decided about this event."""
        ...

    async def passed(self, name: str, standing: Standing) -> bool:
        """Say that it projected the event after all; False when that was passed over meanwhile."""
        ...


def _never(_: Recorded) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Projection(Generic[Effect]):
    """What is projected: the types it reads and a pure function from an event to effects.

    A new `version` makes the target be built anew. `window_events` bounds how far back a rebuild
    begins, for targets that keep only the newest; 0 is from the beginning.
    """

    name: str
    version: int
    types: frozenset[str]
    effects: Callable[[Recorded], Sequence[Effect]]
    asks_for_rebuild: Callable[[Recorded], bool] = _never
    window_events: int = 0

    @property
    def selection(self) -> Selection:
        return Selection(types=self.types)


@dataclass(frozen=True, slots=True)
class TargetState:
    """Where a target stands. `generation` is new with every rebuild; `built_at` is the position
    that the rebuild went up to. `newest` names the last event that was applied, as `mark` does;
    empty where the target does not keep it."""

    generation: str
    version: int
    position: int
    built_at: int
    newest: str = ""


class Target(Protocol[EffectIn]):
    """Where effects go, together with the position."""

    async def state(self) -> TargetState | None:
        """None when there is nothing: never built, or flushed."""
        ...

    async def apply(
        self, effects: Sequence[EffectIn], state: TargetState, position: int
    ) -> TargetState | None:
        """Apply and move the position in one step, and keep `newest` of `state`; None, and nothing
        done, when the target does not stand at the generation and position of `state` any more."""
        ...

    async def begin(self, version: int, position: int) -> TargetState:
        """Empty this target and start a new generation at a position."""
        ...

    def beside(self) -> Target[EffectIn]:
        """The target under construction that belongs to this one."""
        ...

    async def swap_in(self, built: TargetState) -> TargetState:
        """Replace this target by the one built beside it, in one step."""
        ...


class Projector(Generic[Effect]):
    """Keeps one target up to date with the log."""

    def __init__(
        self,
        store: EventStore,
        projection: Projection[Effect],
        target: Target[Effect],
        on_applied: OnApplied | None = None,
        stops: Stops | None = None,
        on_asked: OnAsked | None = None,
    ) -> None:
        self.projection = projection
        self.position = 0
        self.stopped_at: int | None = None
        """The event before which it stands until the operator decides; None while it follows."""
        self.rebuilds = 0
        self.rebuilding_since: float | None = None
        """Monotonic seconds at which a rebuild began; the live target has stood still since."""
        self._store = store
        self._target = target
        self._on_applied = on_applied
        self._stops = stops
        self._on_asked = on_asked
        self._standing = Standing()
        self._log = structlog.get_logger(projection.name)

    async def run(self) -> None:
        """Follow the log until cancelled; waits for a lost Redis or Postgres to come back.

        Before an event that it cannot project it stands and says so until the operator decides: a
        restart by itself would meet the event again, and the other projections go on. What a lost
        connection left unknown is settled by asking the target where it stands: it moves its
        position by compare and set, so nothing is applied twice.

        Raises:
            PoisonEvent: it stands, and nobody was given who could be asked.
            StoreUnavailable: a rebuild could not read the log.
        """
        delay = _RETRY_SECONDS_MIN
        damaged = False
        while True:
            raise_if_cancelled()
            stood_at = self.position
            try:
                state = None if damaged else await self._target.state()
                if (
                    state is None
                    or state.version != self.projection.version
                    or await self._is_of_another_log(state)
                ):
                    state = await self.rebuild()
                    damaged = False
                await self._follow(state)
            except PoisonEvent as error:
                await self._stand(error)
            except UnreadableEvent as error:
                await self._stand(PoisonEvent(error, error))
            except TargetDamaged as error:
                if damaged:
                    raise
                damaged = True
                self._log.error("target damaged", projection=self.projection.name, error=str(error))
            except (*_LOST, RebuildLost) as error:
                if _is_defect(error):
                    raise
                self._log.warning("target lost", projection=self.projection.name, error=str(error))
                delay = _RETRY_SECONDS_MIN if self.position > stood_at else delay
                await asyncio.sleep(delay)
                delay = min(2 * delay, _RETRY_SECONDS_MAX)

    async def _follow(self, state: TargetState) -> None:
        """Apply pages until the target is found flushed, replaced, or asked to be built anew."""
        raise_if_cancelled()
        self.position, self.rebuilding_since = state.position, None
        # The first page moves the position though it be empty: a quiet log may bring no other.
        applied_at = time.monotonic() - IDLE_APPLY_SECONDS
        selection = await self._selection()
        if not await self._is_past_its_stop():
            await self.rebuild()
            return
        pages = self._store.subscribe(state.position, selection, PAGE_EVENTS)
        async with aclosing(pages) as following:  # type: ignore[type-var]
            async for events, scanned in following:
                if any(self._wants_rebuild(event, state) for event in events):
                    built = await self.rebuild()
                    if self._on_asked is not None:
                        await self._on_asked(state.position, built.position)
                    return
                if not events and time.monotonic() - applied_at < IDLE_APPLY_SECONDS:
                    continue
                began = time.monotonic()
                effects, marked = self._effects(events), _marked(state, events)
                moved = await self._target.apply(effects, marked, scanned)
                raise_if_cancelled()
                if moved is None:
                    self._log.warning("target changed hands", projection=self.projection.name)
                    return
                state = moved
                self.position = scanned
                if not await self._is_past_its_stop():
                    await self.rebuild()
                    return
                applied_at = time.monotonic()
                if events and self._on_applied is not None:
                    self._on_applied(events, applied_at - began)
                if len(events) < PAGE_EVENTS:
                    await asyncio.sleep(began + BEAT_SECONDS - applied_at)

    async def rebuild(self) -> TargetState:
        """Build the target from the log beside the live one, and swap it in."""
        self._log.info("rebuild begins", projection=self.projection.name)
        if self.rebuilding_since is None:
            self.rebuilding_since = time.monotonic()
        window = self.projection.window_events
        start = max(0, await self._store.head() - window) if window else 0
        selection = await self._selection()
        beside = self._target.beside()
        state = await beside.begin(self.projection.version, start)
        while (head := await self._store.head()) > state.position:
            page = await self._store.read(state.position, selection, REBUILD_PAGE, head)
            scanned = page[-1].position if len(page) == REBUILD_PAGE else head
            moved = await beside.apply(self._effects(page), _marked(state, page), scanned)
            raise_if_cancelled()
            if moved is None:
                raise RebuildLost(
                    f"rebuild of {self.projection.name} must be alone, was joined by another"
                )
            state = moved
        state = await self._target.swap_in(state)
        self.rebuilds += 1
        self.rebuilding_since = None
        self.position = state.position
        self._log.info("rebuilt", projection=self.projection.name, position=state.position)
        return state if await self._is_past_its_stop() else await self.rebuild()

    async def _is_of_another_log(self, state: TargetState) -> bool:
        """Whether the target has seen what is not on this log: it stands beyond its end, or where
        its newest event stood there is another one by now."""
        head = await self._store.head()
        found = ""
        if state.newest and state.position <= head:
            position = int(state.newest.partition(" ")[0])
            try:
                page = await self._store.read(position - 1, limit=1, up_to=position)
                found = mark(position, page[0].event_id) if page else ""
            except UnreadableEvent as error:
                found = mark(position, error.event_id)
        if state.position <= head and found == state.newest:
            return False
        self._log.error(
            "target is of another log",
            projection=self.projection.name,
            position=state.position,
            newest=state.newest,
            head=head,
            on_the_log=found,
        )
        return True

    async def _selection(self) -> Selection:
        """What it reads: without what the operator lets it pass over, here and in any rebuild."""
        if self._stops is not None:
            self._standing = await self._stops.standing(self.projection.name)
        return replace(self.projection.selection, without=self._standing.skipped)

    async def _is_past_its_stop(self) -> bool:
        """Settle a stop whose event is in the view now. False when the operator decided to pass
        over it before this was said: the view then has too much."""
        standing = self._standing
        if self._stops is None or standing.before is None or self.position < standing.before:
            return True
        self._standing = replace(standing, before=None)
        return await self._stops.passed(self.projection.name, standing)

    async def _stand(self, poison: PoisonEvent) -> None:
        """Wait for the operator's decision; the target stays as it is."""
        self.stopped_at = poison.source.position
        self._log.error("projection stands", projection=self.projection.name, error=str(poison))
        if self._stops is None:
            raise poison
        await self._stops.stand(self.projection.name, poison)
        self.stopped_at = None

    def _effects(self, events: Sequence[Recorded]) -> list[Effect]:
        found: list[Effect] = []
        for event in events:
            try:
                found.extend(self.projection.effects(event))
            except Exception as error:
                raise PoisonEvent(event, error) from error
        return found

    def _wants_rebuild(self, event: Recorded, state: TargetState) -> bool:
        return event.position > state.built_at and self.projection.asks_for_rebuild(event)


def mark(position: int, event_id: UUID) -> str:
    """Names an event so that it cannot be taken for the one at its position of another log."""
    return f"{position} {event_id}"


def _marked(state: TargetState, events: Sequence[Recorded]) -> TargetState:
    if not events:
        return state
    newest = events[-1]
    return replace(state, newest=mark(newest.position, newest.event_id))


def _is_defect(error: BaseException) -> bool:
    """An error of our statements, not of the connection: waiting would not heal it."""
    return not isinstance(error, RedisError | RebuildLost) and not may_pass(error)
