"""A newer build asks for parameters that the beginning of an older log does not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.event import Recorded
from domain.events.controls import AlertRaised, HaltRequested
from domain.events.system import ParametersChanged
from domain.parameter import Parameter, ParameterState, ParameterValue
from domain.stage import Emission
from run.feeds.start import write_missing_parameters
from run.stopped import PoisonInput
from run.worker import Recorder, Worker

OLD = Parameter("old", 1.0, "s", "prior", 0.0, 10.0)
NEW = Parameter("new", 2.0, "s", "prior", 0.0, 10.0)


@dataclass(slots=True)
class Asked:
    parameters: ParameterState = field(default_factory=ParameterState)
    answers: list[float] = field(default_factory=list)


class AskingStage:
    """Asks for both parameters at every request."""

    name = "asking"
    types = frozenset({"HaltRequested", "ParametersChanged"})

    def initial(self) -> Asked:
        return Asked()

    def evolve(self, state: Asked, event: Recorded) -> Asked:
        if isinstance(event.body, ParametersChanged):
            state.parameters.apply(event.body)
        else:
            state.answers.append(state.parameters.number("old") + state.parameters.number("new"))
        return state

    def react(self, state: Asked, event: Recorded) -> Sequence[Emission]:
        if isinstance(event.body, ParametersChanged):
            return []
        text = str(state.answers[-1])
        return [
            Emission("alerts", AlertRaised(alert_id="a", severity="info", code="ASKED", text=text))
        ]


def worker(store: Any) -> Worker:
    return Worker("asking", [AskingStage()], store, "build-2")


def request() -> HaltRequested:
    return HaltRequested(who="ann", route="cli", reason="test")


async def an_older_log(recorder: Recorder, store: Any) -> None:
    """Begun by a build that knew one parameter; one request was taken then."""
    await write_missing_parameters(store, recorder, {"old": OLD})
    await recorder.record("control/cli", request())


async def taken(one: Worker, store: Any) -> list[Recorded]:
    await one.start()
    page = await store.read(one.position, one.selection, 100)
    return await one.take(page, await store.head())


async def change(recorder: Recorder, version: int, **values: ParameterValue) -> None:
    body = ParametersChanged(values=values, version=version, who="ann", why="test")
    await recorder.record("parameters", body)


async def test_a_newer_build_goes_on_from_inputs_that_are_older_than_its_parameters(
    store: Any,
) -> None:
    """After an upgrade the trader would stand before a position that nobody closes."""
    recorder = Recorder(store, "feeds", "build-1", "run-1")
    await an_older_log(recorder, store)
    with pytest.raises(PoisonInput, match="new is not set"):
        await taken(worker(store), store)
    await write_missing_parameters(store, recorder, {"old": OLD, "new": NEW})
    await change(recorder, 3, new=5.0)
    await recorder.record("control/cli", request())
    one = worker(store)
    emitted = await taken(one, store)
    assert [event.body.text for event in emitted] == ["3.0", "6.0"]
    again = worker(store)
    await again.recover()
    assert again.consumer.states == one.consumer.states


async def test_a_log_whose_first_start_wrote_them_all_is_folded_as_it_stands(store: Any) -> None:
    """A later value never reaches back: a change by the operator holds from its moment on."""
    recorder = Recorder(store, "feeds", "build-1", "run-1")
    await change(recorder, 1, old=3.0)
    await write_missing_parameters(store, recorder, {"old": OLD, "new": NEW})
    await recorder.record("control/cli", request())
    await change(recorder, 3, old=4.0, new=5.0)
    emitted = await taken(worker(store), store)
    assert [event.body.text for event in emitted] == ["5.0"]
