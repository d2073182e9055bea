"""Appends under faults: the line breaks, the backend ends or the process dies, at every step.

Producers of one life append at the same time, so that their calls share a group. What a process
that lives on appends is acknowledged in the end, whatever becomes of its connection; a process that
dies is followed by one that appends again what was not acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from uuid import UUID

from domain.event import Proposed, Recorded
from store.contract import Checkpoint
from store.errors import CheckpointConflict
from store.postgres import PostgresStore
from tests.crash.log_life import WAIT_SECONDS_MAX, Ground, until
from tests.crash.relay import Loss
from tests.store.propose import halt, price
from tests.store.sealed_log import sealer, verify

BEFORE_SEND = "before the append is sent"
IN_TRANSACTION = "in the transaction of the append"
UNDONE_IN_COMMIT = "in COMMIT, which is undone"
ABANDONED_IN_COMMIT = "in COMMIT, which nobody hears of until it is settled"
DONE_IN_COMMIT = "in COMMIT, which goes through"
BEFORE_ANSWER = "after COMMIT, before its answer"
POINTS = (
    BEFORE_SEND,
    IN_TRANSACTION,
    UNDONE_IN_COMMIT,
    ABANDONED_IN_COMMIT,
    DONE_IN_COMMIT,
    BEFORE_ANSWER,
)
PRODUCERS = (1, 5, 64)
APPEND = "append_(event|rows)"
"""What the SQL of every append says (store/single.py, store/group.py)."""
LOG_LOCK = 7_236_002
"""Taken by every append (sql/0012_append_rows.sql)."""
COMMIT_LOCK = 7_236_999
# A deferred trigger runs when COMMIT has begun, before it is written that it is done.
GATE = f"""
    CREATE FUNCTION wait_in_commit() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = '20s' AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared({COMMIT_LOCK}); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER wait_in_commit AFTER INSERT ON commits
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_in_commit();
"""
WAITING = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1::bigint::oid AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(slots=True)
class Call:
    """One append call of a producer, and where it was told that its events are."""

    events: list[Proposed]
    checkpoint: Checkpoint | None
    acknowledged: tuple[int, ...] = ()
    tried_before_death: bool = False


@dataclass
class AppendRow:
    """Lives of producers on one log."""

    ground: Ground
    store: PostgresStore
    consumers: dict[str, int]
    total: int = 0

    @classmethod
    async def open(cls, ground: Ground) -> AppendRow:
        await ground.owner.execute(GATE)
        store = await PostgresStore.open(ground.relayed, application_name="producer")
        # The first move of a consumer is asked twice: here every append is through at once.
        consumers = [f"consumer {number}" for number in range(max(PRODUCERS))]
        for consumer in consumers:
            await store.append([], Checkpoint(consumer, 0, 1))
        return cls(ground, store, dict.fromkeys(consumers, 1))

    async def close(self) -> None:
        await self.store.close()

    async def live(self, seed: int) -> str:
        random = Random(seed)
        point = POINTS[seed % len(POINTS)]
        dies = random.random() < 0.25
        calls = self._calls(seed, random)
        before = await self.store.head()
        strike = await self._arm(point)
        async with self._producing(calls) as producers:
            await strike()
            if dies:
                await self._die(producers)
        if dies:
            for call in calls:
                call.tried_before_death = True
            async with self._producing([call for call in calls if not call.acknowledged]):
                pass
        await self._check(calls, before)
        return f"{point}; the process dies" if dies else point

    async def end(self) -> None:
        """The whole log can be sealed and verified."""
        await sealer(self.store, self.ground.folder).beat()
        found = await verify(self.ground.dsn, self.ground.folder)
        assert found.finding is None, found.finding
        assert found.sealed_to == self.total

    def _calls(self, seed: int, random: Random) -> list[Call]:
        calls = []
        for number in range(random.choice(PRODUCERS)):
            stream = f"faults/{seed}/{number}"
            count = random.randint(1, 3)
            events = [halt(k, stream, expected_version=k) for k in range(1, count + 1)]
            if random.random() < 0.4:
                events.append(price(f"{seed}/{number}"))
            checkpoint = None
            if random.random() < 0.3:
                consumer = f"consumer {number}"
                stands_at = self.consumers[consumer]
                checkpoint = Checkpoint(consumer, stands_at, stands_at + 1)
            calls.append(Call(events, checkpoint))
        return calls

    @asynccontextmanager
    async def _producing(self, calls: list[Call]) -> AsyncIterator[list[asyncio.Task[None]]]:
        """All calls at once; at the end each that was not cancelled has come through."""
        producers = [asyncio.create_task(self._produce(call)) for call in calls]
        try:
            yield producers
            for outcome in await asyncio.gather(*producers, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome
        finally:
            for producer in producers:
                producer.cancel()
            await asyncio.gather(*producers, return_exceptions=True)

    async def _produce(self, call: Call) -> None:
        """A process that lives is told in the end, so an error fails the life. One that began anew
        finds its checkpoint moved when the dead one was through."""
        try:
            done = await self.store.append(call.events, call.checkpoint)
        except CheckpointConflict:
            assert call.tried_before_death and call.checkpoint is not None
            assert await self.store.checkpoint(call.checkpoint.consumer) == call.checkpoint.position
            done = await self.store.append(call.events)
            assert all(done.repeated), "a checkpoint moved without its events"
        call.acknowledged = done.positions

    async def _arm(self, point: str) -> Callable[[], Awaitable[None]]:
        """Make ready to strike, before anything is appended; what it returns waits for the
        strike."""
        relay = self.ground.relay
        if point == IN_TRANSACTION:
            return await self._hold(LOG_LOCK, self._end_backend)
        if point == UNDONE_IN_COMMIT:
            return await self._hold(COMMIT_LOCK, self._end_backend)
        if point == ABANDONED_IN_COMMIT:
            relay.strike(Loss.CLIENT, among=APPEND)
            await self._lock(COMMIT_LOCK)
            return self._settled
        if point == DONE_IN_COMMIT:
            relay.strike(Loss.CLIENT, among=APPEND)
            relay.on_strike = self._keep_away
            return await self._hold(COMMIT_LOCK, self._let_through)
        relay.strike(Loss.REQUEST if point == BEFORE_SEND else Loss.ANSWER, among=APPEND)
        return self._struck

    async def _lock(self, lock: int) -> None:
        await self.ground.owner.execute("SELECT pg_advisory_lock($1::bigint)", lock)

    async def _struck(self) -> None:
        await asyncio.wait_for(self.ground.relay.struck.wait(), WAIT_SECONDS_MAX)

    async def _settled(self) -> None:
        """The client was cut off: it ends the backend that still may commit, and asks again."""
        try:
            ended = self.ground.relay.abandoned_ended.wait()
            await asyncio.wait_for(ended, WAIT_SECONDS_MAX)
        finally:
            await self.ground.owner.execute("SELECT pg_advisory_unlock_all()")

    async def _hold(
        self, lock: int, then: Callable[[int], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Hold a lock until an append waits for it, then strike at its backend."""
        await self._lock(lock)
        owner = self.ground.owner
        waiting: list[int] = []

        async def somebody_waits() -> bool:
            waiting[:] = [row["pid"] for row in await owner.fetch(WAITING, lock)]
            return bool(waiting)

        async def strike() -> None:
            try:
                await until(somebody_waits, "an append that waits")
                await then(waiting[0])
            finally:
                await owner.execute("SELECT pg_advisory_unlock_all()")

        return strike

    async def _end_backend(self, pid: int) -> None:
        await self.ground.owner.execute("SELECT pg_terminate_backend($1)", pid)
        await self._gone(pid)

    def _keep_away(self) -> None:
        self.ground.relay.is_down = True

    async def _let_through(self, pid: int) -> None:
        """The client was cut off and cannot come back before its group is committed."""
        relay, owner = self.ground.relay, self.ground.owner
        await owner.execute("SELECT pg_advisory_unlock_all()")

        async def committed() -> bool:
            last = await owner.fetchval("SELECT coalesce(max(last_position), 0) FROM commits")
            return bool(last > self.total)

        await until(committed, "the commit that was let through")
        relay.let_go()
        relay.is_down, relay.on_strike = False, None

    async def _gone(self, pid: int) -> None:
        async def gone() -> bool:
            return not await self.ground.owner.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid
            )

        await until(gone, f"the end of backend {pid}")

    async def _die(self, producers: list[asyncio.Task[None]]) -> None:
        """As the process dies: its tasks and sockets go at once. Another one starts."""
        for producer in producers:
            producer.cancel()
        appender = self.store._appender._task
        assert appender is not None
        appender.cancel()
        self.ground.relay.cut_all()
        await asyncio.gather(appender, *producers, return_exceptions=True)
        self.store._pool.terminate()
        await self.store._doorbell.close()
        self.store = await PostgresStore.open(self.ground.relayed, application_name="producer")

    async def _check(self, calls: list[Call], before: int) -> None:
        """Everything is there once, where it was said to be, and nothing else."""
        events = await self.store.read(before)
        positions = [event.position for event in events]
        assert positions == list(range(before + 1, before + 1 + len(events))), "positions are dense"
        there = {event.event_id: event for event in events}
        given = [event.event_id for call in calls for event in call.events]
        assert len(there) == len(events) and there.keys() == set(given), "each event once"
        self.total += len(events)
        for call in calls:
            self._check_call(call, there)
            if call.checkpoint is not None:
                consumer = call.checkpoint.consumer
                assert await self.store.checkpoint(consumer) == call.checkpoint.position
                self.consumers[consumer] = call.checkpoint.position
        again = await self.store.append([event for call in calls for event in call.events])
        assert all(again.repeated), "a repeat is no new event"
        assert again.positions == tuple(there[event_id].position for event_id in given)

    def _check_call(self, call: Call, there: dict[UUID, Recorded]) -> None:
        found = [there[event.event_id] for event in call.events]
        assert tuple(event.position for event in found) == call.acknowledged, "as acknowledged"
        for event, proposed in zip(found, call.events, strict=True):
            assert proposed.expected_version in (None, event.version), "versions go on"
