"""What a start writes before the market: missing parameters and the plan of the session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from domain.event import derived_id
from domain.events.system import (
    PARAMETERS_STREAM,
    SESSION_STREAM,
    ClockStarted,
    ParametersChanged,
    SessionPlanned,
)
from domain.parameter import Parameter, ParameterState, missing
from run.worker import Recorder
from store.contract import EventStore, Selection

POLL_SECONDS = 0.1


async def write_missing_parameters(
    store: EventStore, recorder: Recorder, known: Mapping[str, Parameter]
) -> int:
    """Write the shipped defaults that the log lacks; returns how many."""
    state = ParameterState()
    for event in await store.read(0, Selection(types=frozenset({"ParametersChanged"}))):
        assert isinstance(event.body, ParametersChanged)
        state.apply(event.body)
    lacking = missing(known, state)
    if lacking:
        change = ParametersChanged(
            values=lacking,
            version=state.version + 1,
            who="start",
            why="shipped defaults that the log lacked",
        )
        # Two processes that start together write the same fact once.
        identity = derived_id("parameters", state.version + 1, sorted(lacking.items()))
        await recorder.record(PARAMETERS_STREAM, change, event_id=identity)
    return len(lacking)


async def running_clock(store: EventStore) -> ClockStarted:
    """The newest ClockStarted; waits for the first."""
    after, newest = 0, None
    while True:
        page = await store.read(after, Selection(types=frozenset({"ClockStarted"})))
        if page:
            after = page[-1].position
            newest = page[-1].body
        elif newest is not None:
            assert isinstance(newest, ClockStarted)
            return newest
        else:
            await asyncio.sleep(POLL_SECONDS)


async def write_session_plan(recorder: Recorder, plan: SessionPlanned) -> None:
    """Write the plan of the session; a repeat writes nothing new."""
    identity = derived_id("session", plan.day.session_date, plan.library)
    await recorder.record(SESSION_STREAM, plan, event_id=identity)
