"""A worker stands before an input it cannot take, says so, and obeys the operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain.event import Recorded
from domain.events.analytics import BarIgnored
from domain.events.controls import HaltRequested
from domain.events.system import InputSkipped, ProcessHeartbeat, WorkerStopped
from domain.stage import Emission
from run import worker_control
from run.stopped import PoisonInput, StartAgain, load_skips
from run.worker import Recorder, Worker, inputs_with_emissions
from run.worker_control import Refused
from store.contract import PAGE_EVENTS_MAX, Selection
from store.errors import CheckpointConflict
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.run.test_worker_shell import Count, CountingStage, ask
from tests.store.propose import AT, propose

NAME = "signals"


class FragileStage(CountingStage):
    """Counts halts, and breaks on those of `poison`."""

    def __init__(self, *poison: str) -> None:
        self.poison = poison

    def evolve(self, state: Count, event: Recorded) -> Count:
        if isinstance(event.body, HaltRequested) and event.body.who in self.poison:
            raise ZeroDivisionError("a rule divides by nothing")
        return super().evolve(state, event)


class MarkingStage(CountingStage):
    """Answers with numbers, which share a commit: one a stream of its own."""

    types = frozenset({"HaltRequested"})

    def evolve(self, state: Count, event: Recorded) -> Count:
        assert isinstance(event.body, HaltRequested)
        mark = BarIgnored(symbol=event.body.who, start=AT, last_start=AT)
        state.due = [Emission(f"marks/{event.body.who}", mark)]
        return state


def worker(store: Any, stage: Any, **given: Any) -> Worker:
    return Worker(NAME, [stage], store, "build-1", **given)


@asynccontextmanager
async def running(one: Worker) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(20):
            yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wait_for(store: Any, after: int, *types: str) -> Recorded:
    """The first event of these types after a position."""
    async for events, _ in store.subscribe(after, Selection(types=frozenset(types))):
        if events:
            found: Recorded = events[0]
            return found
    raise AssertionError


async def stopped(store: Any, after: int = 0) -> WorkerStopped:
    """Waits until a worker stands; what it says."""
    body = (await wait_for(store, after, "WorkerStopped")).body
    assert isinstance(body, WorkerStopped)
    return body


def command(store: Any) -> Recorder:
    return Recorder(store, "worker_control", "build-1", "run-control")


async def test_it_stops_at_the_input_and_all_before_it_is_committed(store: PostgresStore) -> None:
    for number in (1, 2, 3):
        await ask(store, number)
    told: list[PoisonInput] = []
    async with running(worker(store, FragileStage("w2"), on_stopped=told.append)) as task:
        body = await stopped(store)
        beat = (await wait_for(store, body.position, "ProcessHeartbeat")).body
        while isinstance(beat, ProcessHeartbeat) and beat.state != "stopped":
            beat = (await wait_for(store, await store.head(), "ProcessHeartbeat")).body
        while not told:
            await asyncio.sleep(0.01)
        assert not task.done()
    assert (body.position, body.input_type, body.error) == (2, "HaltRequested", "ZeroDivisionError")
    assert body.detail == "a rule divides by nothing"
    assert await store.checkpoint(NAME) == 1
    assert [halt.reason for halt in await bodies(store, "TradingHalted")] == ["number 1"]
    assert isinstance(beat, ProcessHeartbeat)
    assert (beat.process, beat.position, beat.figures["stopped_at"]) == (NAME, 1, 2.0)
    alert = next(a for a in await bodies(store, "AlertRaised") if a.code == "WORKER_STOPPED")
    assert alert.severity == "critical"
    assert "input 2 HaltRequested: ZeroDivisionError" in alert.text
    assert [poison.position for poison in told] == [2]


async def test_a_restart_meets_the_input_again_and_waits(store: PostgresStore) -> None:
    await ask(store, 1)
    for _ in range(2):
        async with running(worker(store, FragileStage("w1"))) as task:
            body = await stopped(store, await store.head())
            assert not task.done()
            assert body.position == 1
    assert len(await bodies(store, "WorkerStopped")) == 2
    assert len(await bodies(store, "WorkerStarted")) == 2
    alerts = [a.alert_id for a in await bodies(store, "AlertRaised")]
    assert len(set(alerts)) == 2


async def test_skip_passes_over_that_input_alone_live_and_in_every_later_fold(
    store: PostgresStore,
) -> None:
    for number in (1, 2, 3):
        await ask(store, number)
    async with running(worker(store, FragileStage("w2"))) as task:
        await stopped(store)
        await worker_control.skip(command(store), NAME, 2, "operator", "a test")
        with pytest.raises(StartAgain, match="skip of input 2"):
            await task
    async with running(worker(store, FragileStage("w2"))):
        await wait_for(store, await store.head() - 1, "AlertRaised")
        while len(await bodies(store, "TradingHalted")) < 2:
            await wait_for(store, await store.head(), "TradingHalted")
    halts = await bodies(store, "TradingHalted")
    assert [(halt.who, halt.reason) for halt in halts] == [("w1", "number 1"), ("w3", "number 2")]
    again = worker(store, FragileStage("w2"))
    await again.recover()
    assert again.consumer.states[0].halts == 2
    verified = worker(store, FragileStage("w2"))
    verified.skipped = await load_skips(store, NAME)
    positions = []
    async for source, own in inputs_with_emissions(verified, 0, await store.checkpoint(NAME)):
        assert verified.consumer.verify(source, own) == []
        positions.append(source.position)
    assert 2 not in positions


async def test_every_skip_is_known_however_many_there_are(store: PostgresStore) -> None:
    """One more than a page of the log holds."""
    count = PAGE_EVENTS_MAX + 1
    skips = [
        InputSkipped(worker=NAME if n % 2 else "other", position=n, who="w", why="test")
        for n in range(1, count + 1)
    ]
    await store.append([propose(body, "control/skips", n) for n, body in enumerate(skips)])
    assert await load_skips(store, NAME) == set(range(1, count + 1, 2))


async def test_retry_tries_the_same_input_again(store: PostgresStore) -> None:
    await ask(store, 1)
    async with running(worker(store, FragileStage("w1"))) as task:
        await stopped(store)
        await worker_control.retry(command(store), NAME, "operator", "it is fixed")
        with pytest.raises(StartAgain, match="retry of input 1"):
            await task
    async with running(worker(store, FragileStage())):
        halted = await wait_for(store, 0, "TradingHalted")
    assert halted.input_position == 1
    assert await bodies(store, "InputSkipped") == []
    assert (await worker_control.place(store, NAME)).stopped_at is None


async def test_an_event_that_no_build_can_read_is_stopped_at_and_skipped(
    store: PostgresStore,
) -> None:
    await ask(store, 1)
    recorder = Recorder(store, "api", "build-1", "run-bad")
    await recorder.record("control/api", HaltRequested.model_construct(who="nobody"))
    await ask(store, 3)
    async with running(worker(store, CountingStage())) as task:
        body = await stopped(store)
        assert (body.position, body.error) == (2, "UnreadableEvent")
        assert await store.checkpoint(NAME) == 1
        await worker_control.skip(command(store), NAME, 2, "operator", "bytes of a broken sender")
        with pytest.raises(StartAgain):
            await task
    async with running(worker(store, CountingStage())):
        await wait_for(store, 3, "WorkerStarted")
        found = await wait_for(store, body.position + 5, "TradingHalted")
    assert found.input_position == 3


async def test_what_the_log_refuses_is_stopped_at_the_input_that_led_to_it(
    store: PostgresStore,
) -> None:
    for number in range(5):
        await ask(store, number)
    one = worker(store, MarkingStage())
    await one.recover()
    page = await store.read(0, one.selection)
    await one.take(page[:2], 2)
    # Somebody else writes to a stream of the stage that this worker has counted on.
    mark = BarIgnored(symbol="w1", start=AT, last_start=AT)
    await Recorder(store, "intruder", "build-1", "run-i").record("marks/w3", mark)
    one._commits.versions["marks/w3"] = 0
    with pytest.raises(PoisonInput, match="input 4 HaltRequested: VersionConflict"):
        await one.take(page[2:], 5)
    assert await store.checkpoint(NAME) == 3
    own = await store.emissions(NAME, 0, 10)
    assert [event.input_position for event in own] == [1, 2, 3]
    # Another run reads the version anew and goes on.
    again = worker(store, MarkingStage())
    await again.recover()
    await again.take(await store.read(3, again.selection, up_to=5), 5)
    assert await store.checkpoint(NAME) == 5


async def test_an_input_that_another_build_cannot_fold_is_never_skipped(
    store: PostgresStore,
) -> None:
    await ask(store, 1)
    first = worker(store, CountingStage())
    await first.recover()
    await first.take(await store.read(0, first.selection), await store.head())
    async with running(worker(store, FragileStage("w1"))) as task:
        body = await stopped(store)
        assert (body.position, body.in_recovery) == (1, True)
        with pytest.raises(Refused, match="decisions rest on it"):
            await worker_control.skip(command(store), NAME, 1, "operator", "why not")
        await worker_control.retry(command(store), NAME, "operator", "")
        with pytest.raises(StartAgain):
            await task
    async with running(worker(store, CountingStage())):
        await wait_for(store, body.position, "WorkerStarted")
    assert (await worker_control.place(store, NAME)).stopped_at is None


async def test_of_two_live_copies_only_one_appends_and_the_other_ends_and_says_why(
    store: PostgresStore, database_url: str
) -> None:
    async with (
        await PostgresStore.open(database_url, application_name="copy") as other,
        running(worker(store, CountingStage())) as first,
        running(worker(other, CountingStage())) as second,
    ):
        await asyncio.gather(wait_for(store, 0, "WorkerStarted"), wait_for(store, 1, "ClockTicked"))
        number = 0
        while not (first.done() or second.done()):
            number += 1
            await ask(store, number)
            await asyncio.wait({first, second}, timeout=0.05)
        ended, alive = (first, second) if first.done() else (second, first)
        error = ended.exception()
        assert isinstance(error, BaseExceptionGroup)
        assert isinstance(error.exceptions[0], CheckpointConflict)
        assert "signals must run once" in str(error.exceptions[0])
        before = len(await bodies(store, "TradingHalted"))
        await ask(store, number + 1)
        while len(await bodies(store, "TradingHalted")) <= before:
            assert not alive.done()
            await wait_for(store, await store.head(), "ClockTicked")
    halts = await bodies(store, "TradingHalted")
    assert len({halt.reason for halt in halts}) == len(halts)
    faults = await bodies(store, "ProcessFault")
    assert [fault.error for fault in faults] == ["CheckpointConflict"]
    # The log itself holds no two decisions on one input.
    own = await store.emissions(NAME, 0, await store.head())
    assert len({(event.input_position, event.ordinal) for event in own}) == len(own)


async def test_a_skip_while_the_worker_recovers_is_known_to_it(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it folds what was skipped, stands anew, and no command could release it."""
    for number in (1, 2, 3):
        await ask(store, number)
    async with running(worker(store, FragileStage("w2"))):
        await stopped(store)
    reads = 0

    def skipping_before_the_second(read: Callable[..., Awaitable[Any]]) -> Any:
        async def reading(*given: Any) -> Any:
            nonlocal reads
            reads += 1
            if reads == 2:
                await worker_control.skip(command(store), NAME, 2, "operator", "a test")
            return await read(*given)

        return reading

    checkpoint, load = PostgresStore.checkpoint, load_skips
    monkeypatch.setattr(PostgresStore, "checkpoint", skipping_before_the_second(checkpoint))
    monkeypatch.setattr("run.worker.load_skips", skipping_before_the_second(load))
    again = worker(store, FragileStage("w2"))
    async with running(again) as task:
        (ended,) = await asyncio.gather(task, return_exceptions=True)
    # The skip moved the checkpoint: this copy ends, and its process starts anew.
    assert isinstance(ended, BaseExceptionGroup)
    assert isinstance(ended.exceptions[0], CheckpointConflict)
    monkeypatch.undo()
    last = worker(store, FragileStage("w2"))
    async with running(last):
        await wait_for(store, 0, "HaltRequested")
        while last.position < 3:
            await wait_for(store, await store.head(), "ClockTicked")
    assert last.skipped == {2} and len(await bodies(store, "WorkerStopped")) == 1
