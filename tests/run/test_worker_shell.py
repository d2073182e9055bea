"""The worker shell on a real log: commit with checkpoint, recovery, verification, fencing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.event import Recorded, derived_id
from domain.events.controls import AlertRaised, HaltRequested, TradingHalted
from domain.stage import Consumer, Emission, StageDefect
from run.stopped import PoisonInput
from run.worker import Recorder, Worker, inputs_with_emissions
from store.contract import Selection
from store.errors import CheckpointConflict


@dataclass(slots=True)
class Count:
    halts: int = 0
    due: list[Emission] = field(default_factory=list)


class CountingStage:
    """Answers every halt request with its number, and every halt with an alert."""

    name = "counting"
    types = frozenset({"HaltRequested", "TradingHalted"})

    def initial(self) -> Count:
        return Count()

    def evolve(self, state: Count, event: Recorded) -> Count:
        state.due = []
        if isinstance(event.body, HaltRequested):
            state.halts += 1
            halted = TradingHalted(who=event.body.who, reason=f"number {state.halts}")
            state.due.append(Emission("halts", halted))
        else:
            alert = AlertRaised(alert_id="a", severity="info", code="HALT", text=str(state.halts))
            state.due.append(Emission("alerts", alert))
        return state

    def react(self, state: Count, event: Recorded) -> Sequence[Emission]:
        return state.due


class LoopingStage(CountingStage):
    def evolve(self, state: Count, event: Recorded) -> Count:
        state.due = [Emission("halts", TradingHalted(who="loop", reason="again"))]
        return state


def worker(store: Any, stage: Any = None) -> Worker:
    return Worker("counter", [stage or CountingStage()], store, "build-1")


async def ask(store: Any, number: int) -> None:
    recorder = Recorder(store, "api", "build-1", f"run-{number}")
    await recorder.record("control/api", HaltRequested(who=f"w{number}", route="api", reason="r"))


async def page(store: Any, one: Worker) -> list[Recorded]:
    events: list[Recorded] = await store.read(one.position, one.selection)
    return events


async def test_decisions_and_checkpoint_are_committed_together(store: Any) -> None:
    await ask(store, 1)
    one = worker(store)
    await one.recover()
    events = await page(store, one)
    emitted = await one.take(events, await store.head())
    assert [event.type for event in emitted] == ["TradingHalted", "AlertRaised"]
    assert {event.input_position for event in emitted} == {events[0].position}
    assert await store.checkpoint("counter") == events[0].position


async def test_a_worker_that_starts_again_goes_on_where_the_log_says(store: Any) -> None:
    await ask(store, 1)
    first = worker(store)
    await first.recover()
    await first.take(await page(store, first), await store.head())
    await ask(store, 2)
    again = worker(store)
    await again.recover()
    emitted = await again.take(await page(store, again), await store.head())
    halted = [e.body for e in emitted if isinstance(e.body, TradingHalted)]
    assert [body.reason for body in halted] == ["number 2"]


async def test_running_again_over_the_log_finds_no_difference(store: Any) -> None:
    one = worker(store)
    await one.recover()
    for number in range(5):
        await ask(store, number)
        await one.take(await page(store, one), await store.head())
    again = worker(store)
    seen = 0
    async for source, own in inputs_with_emissions(again, 0, await store.checkpoint("counter")):
        assert again.consumer.verify(source, own) == []
        seen += 1
    assert seen == 5


async def test_a_changed_rule_is_found_at_the_right_input(store: Any) -> None:
    one = worker(store)
    await one.recover()
    for number in range(3):
        await ask(store, number)
    await one.take(await page(store, one), await store.head())

    class Other(CountingStage):
        def evolve(self, state: Count, event: Recorded) -> Count:
            state = super().evolve(state, event)
            if state.halts == 2 and isinstance(event.body, HaltRequested):
                state.due = []
            return state

    again = worker(store, Other())
    found = []
    async for source, own in inputs_with_emissions(again, 0, await store.checkpoint("counter")):
        if again.consumer.verify(source, own):
            found.append(source.position)
    requests = await store.read(0, Selection(types=frozenset({"HaltRequested"})))
    assert found == [requests[1].position]


async def test_two_copies_of_a_worker_never_both_append(store: Any) -> None:
    await ask(store, 1)
    first, second = worker(store), worker(store)
    await first.recover()
    await second.recover()
    events = await page(store, first)
    await first.take(events, await store.head())
    with pytest.raises(CheckpointConflict):
        await second.take(events, await store.head())
    halts = await store.read(0, Selection(types=frozenset({"TradingHalted"})))
    assert len(halts) == 1


async def test_what_the_log_refused_is_never_carried_out(store: Any) -> None:
    await ask(store, 1)
    carried_out: list[Recorded] = []
    first = worker(store)
    second = Worker("counter", [CountingStage()], store, "build-1", on_committed=carried_out.extend)
    await first.recover()
    await second.recover()
    events = await page(store, first)
    await first.take(events, await store.head())
    with pytest.raises(CheckpointConflict):
        await second.take(events, await store.head())
    assert carried_out == []


async def test_a_running_worker_decides_what_arrives_and_beats(store: Any) -> None:
    one = worker(store)
    task = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(10):
            await one.ready.wait()
            await ask(store, 1)
            async for events, _ in store.subscribe(
                0, Selection(types=frozenset({"TradingHalted", "ProcessHeartbeat"}))
            ):
                if any(isinstance(event.body, TradingHalted) for event in events):
                    break
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    started = await store.read(0, Selection(types=frozenset({"WorkerStarted"})))
    assert [event.body.run_id for event in started] == [one.run_id]


async def test_a_worker_that_ends_says_what_went_wrong_not_that_tasks_ended(store: Any) -> None:
    def full(_: Sequence[Recorded]) -> None:
        raise RuntimeError("order work must be at most 5000, was 5001")

    one = Worker("counter", [CountingStage()], store, "build-1", on_committed=full)
    await ask(store, 1)
    async with asyncio.timeout(10):
        with pytest.raises(BaseExceptionGroup):
            await one.run()
    faults = await store.read(0, Selection(types=frozenset({"ProcessFault"})))
    assert [(event.body.process, event.body.error) for event in faults] == [
        (one.name, "RuntimeError")
    ]
    assert "order work" in faults[0].body.detail


async def test_a_decision_on_new_streams_waits_for_its_commit_alone(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No round trip for each stream comes before the bytes of an order may leave; what is written
    to a stream afterwards expects what was written first."""

    async def asked(stream: str) -> int:
        raise AssertionError(f"the log must not be asked about {stream}")

    await ask(store, 1)
    one = worker(store)
    await one.recover()
    events = await page(store, one)
    monkeypatch.setattr(store, "stream_version", asked)
    emitted = await one.take(events, await store.head())
    assert [(event.stream, event.version) for event in emitted] == [("halts", 1), ("alerts", 1)]
    assert one.deciding_input(events[-1].position) == events[-1], "nor need its age be asked for"
    assert one.deciding_input(emitted[-1].position) is None
    await ask(store, 2)
    emitted = await one.take(await page(store, one), await store.head())
    assert [(event.stream, event.version) for event in emitted] == [("halts", 2), ("alerts", 2)]
    await Recorder(store, "intruder", "build-1", "run-i").record(
        "halts", TradingHalted(who="intruder", reason="r")
    )
    await ask(store, 3)
    with pytest.raises(PoisonInput, match="VersionConflict"):
        await one.take(await page(store, one), await store.head())


def test_a_stage_that_feeds_itself_for_ever_is_a_defect() -> None:
    consumer: Consumer[Any] = Consumer("counter", "build-1", [LoopingStage()])
    from tests.run.events import halt_request

    with pytest.raises(StageDefect, match="emissions per input"):
        consumer.step(halt_request(1))


def test_ids_of_emissions_are_the_same_on_every_run() -> None:
    from tests.run.events import halt_request

    ids = []
    for _ in range(2):
        consumer: Consumer[Any] = Consumer("counter", "build-1", [CountingStage()])
        ids.append([event.event_id for event in consumer.step(halt_request(1))])
    assert (
        ids[0]
        == ids[1]
        == [
            derived_id("counter", derived_id("halt", 1), 0),
            derived_id("counter", derived_id("halt", 1), 1),
        ]
    )
