"""A worker's commit that the log refuses in part: what is committed, and how far it says it is."""

from __future__ import annotations

import pytest

from domain.event import Recorded
from domain.events.analytics import BarIgnored
from domain.events.controls import HaltRequested
from domain.stage import Emission
from run.stopped import PoisonInput
from run.worker import Recorder, Worker
from store.postgres import PostgresStore
from tests.run.test_worker_shell import Count, CountingStage, ask
from tests.store.propose import AT


class SeldomStage(CountingStage):
    """Answers the first and the last of five inputs, each with a mark in a stream of its own."""

    types = frozenset({"HaltRequested"})

    def evolve(self, state: Count, event: Recorded) -> Count:
        assert isinstance(event.body, HaltRequested)
        state.due = []
        if event.body.who in ("w0", "w4"):
            mark = BarIgnored(symbol=event.body.who, start=AT, last_start=AT)
            state.due = [Emission(f"marks/{event.body.who}", mark)]
        return state


async def test_inputs_without_an_answer_before_the_refused_one_are_consumed(
    store: PostgresStore,
) -> None:
    """The checkpoint stands right before the refused input: a skip passes over that one alone."""
    for number in range(5):
        await ask(store, number)
    one = Worker("signals", [SeldomStage()], store, "build-1")
    await one.recover()
    mark = BarIgnored(symbol="w4", start=AT, last_start=AT)
    await Recorder(store, "intruder", "build-1", "run-i").record("marks/w4", mark)
    one._commits.versions["marks/w4"] = 0
    with pytest.raises(PoisonInput, match="input 5 HaltRequested: VersionConflict"):
        await one.take(await store.read(0, one.selection, up_to=5), 5)
    assert await store.checkpoint("signals") == 4
    assert [event.input_position for event in await store.emissions("signals", 0, 10)] == [1]
