"""Stages and the order in which a worker consumes the log.

A stage is a pure state machine. A worker has a fixed list of stages and takes inputs one at a
time, by position; what its stages emit joins one FIFO queue and goes to all of them before the
next input. The same functions serve live work, recovery and verification, so that the three
cannot drift apart (docs/architecture.md, "Order of consumption").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from msgspec.structs import replace

from domain.comparison import body_differences
from domain.event import Body, Recorded, derived_id, event_type

EMISSIONS_PER_INPUT_MAX = 1_000

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Emission:
    """What a stage wants on the log. Ids, times and causation are added by `step`.

    `correlation_id` starts or joins another story than the input's; None keeps the input's.
    """

    stream: str
    body: Body
    correlation_id: UUID | None = None


class Stage(Protocol[S]):
    """A pure state machine over events.

    `evolve` returns the state after an event; it may reuse and change the state it was given,
    which has one owner (a failure drops it and folds anew). `react` looks at the state after
    `evolve` and returns emissions; it must not change the state. Both depend on their arguments
    alone. Rules use `market_time`; only limits on our own machinery use `recorded_at`.
    """

    name: str
    types: frozenset[str]

    def initial(self) -> S: ...

    def evolve(self, state: S, event: Recorded) -> S: ...

    def react(self, state: S, event: Recorded) -> Sequence[Emission]: ...


class StageDefect(Exception):
    """A stage broke its contract; the worker must stop."""


def emission_as_event(
    emission: Emission, cause: Recorded, source: Recorded, worker: str, build: str, ordinal: int
) -> Recorded:
    """Emission `ordinal` of input `source`, caused by `cause`, as all stages see it.

    It carries the input's position and market time; stream version 0 is filled in by the shell.
    """
    return Recorded(
        position=source.position,
        stream=emission.stream,
        version=0,
        type=event_type(emission.body),
        schema=type(emission.body).schema_version,
        event_id=derived_id(worker, source.event_id, ordinal),
        occurred_at=source.market_time,
        recorded_at=source.recorded_at,
        market_time=source.market_time,
        causation_id=cause.event_id,
        correlation_id=emission.correlation_id or cause.correlation_id,
        worker=worker,
        build=build,
        input_position=source.position,
        ordinal=ordinal,
        body=emission.body,
    )


def as_consumed(own: Recorded, source: Recorded) -> Recorded:
    """A recorded own event as stages saw it when it was emitted: at the place of its input."""
    return replace(
        own,
        position=source.position,
        recorded_at=source.recorded_at,
        market_time=source.market_time,
    )


class Consumer(Generic[S]):
    """The stages of one worker with their states: the fold that live work and replay share."""

    def __init__(self, worker: str, build: str, stages: Sequence[Stage[Any]]) -> None:
        self.worker = worker
        self.build = build
        self.stages = tuple(stages)
        self.states: list[Any] = [stage.initial() for stage in stages]
        self._takers: Mapping[str, Sequence[tuple[int, Stage[Any]]]] = {
            name: [(k, stage) for k, stage in enumerate(self.stages) if name in stage.types]
            for name in self.types
        }
        """Which stages take a type, with their places."""

    @property
    def types(self) -> frozenset[str]:
        """Every type that some stage of this worker consumes."""
        return frozenset().union(*(stage.types for stage in self.stages))

    def evolve(self, event: Recorded) -> None:
        """Fold one event into every stage, in list order, without reacting."""
        for index, stage in self._takers.get(event.type, ()):
            self.states[index] = stage.evolve(self.states[index], event)

    def _evolve_and_react(self, event: Recorded) -> Iterator[Emission]:
        for index, stage in self._takers.get(event.type, ()):
            self.states[index] = stage.evolve(self.states[index], event)
            yield from stage.react(self.states[index], event)

    def step(self, source: Recorded) -> list[Recorded]:
        """Take one input and everything that follows from it.

        Raises:
            StageDefect: more than EMISSIONS_PER_INPUT_MAX emissions, which is a loop.
        """
        emitted: list[Recorded] = []
        queue = deque([source])
        while queue:
            current = queue.popleft()
            for emission in self._evolve_and_react(current):
                if len(emitted) >= EMISSIONS_PER_INPUT_MAX:
                    raise StageDefect(
                        f"{self.worker}: emissions per input must be at most "
                        f"{EMISSIONS_PER_INPUT_MAX}, input was {source.position} {source.type}"
                    )
                event = emission_as_event(
                    emission, current, source, self.worker, self.build, len(emitted)
                )
                emitted.append(event)
                queue.append(event)
        return emitted

    def fold(self, source: Recorded, recorded: Iterable[Recorded]) -> None:
        """Recovery: fold an input and its recorded emissions, in ordinal order, evolving only."""
        self.evolve(source)
        for own in recorded:
            self.evolve(as_consumed(own, source))

    def verify(
        self, source: Recorded, recorded: Sequence[Recorded], tolerance: float = 0.0
    ) -> list[str]:
        """Run `react` again on an input and compare with what was recorded; floating point numbers
        may differ by `tolerance` of themselves.

        Returns the differences as sentences, none when the decisions are the same. The state
        evolves with the recorded emissions, so that one difference does not cascade: each
        recorded emission is what the next reaction is asked about.
        """
        differences: list[str] = []
        queue = deque([source])
        seen = 0
        while queue:
            current = queue.popleft()
            for emission in self._evolve_and_react(current):
                ordinal = seen
                seen += 1
                if ordinal >= len(recorded):
                    differences.append(
                        f"emission {ordinal} {event_type(emission.body)} is not on the log"
                    )
                    continue
                own = recorded[ordinal]
                again = emission_as_event(
                    emission, current, source, self.worker, self.build, ordinal
                )
                differences.extend(_differences(own, again, tolerance))
                queue.append(as_consumed(own, source))
        for own in recorded[seen:]:
            differences.append(f"emission {own.ordinal} {own.type} on the log is not decided again")
            self.evolve(as_consumed(own, source))
        return differences


_COMPARED = (
    "ordinal", "stream", "type", "event_id", "occurred_at", "causation_id", "correlation_id",
    "body",
)  # fmt: skip


def _differences(own: Recorded, again: Recorded, tolerance: float) -> Iterator[str]:
    for field in _COMPARED:
        was, now = getattr(own, field), getattr(again, field)
        if was == now:
            continue
        if field == "body" and type(was) is type(now):
            for name, old, new in body_differences(was, now, tolerance):
                yield f"emission {own.ordinal} {own.type}: {name} was {old!r}, is now {new!r}"
        else:
            yield f"emission {own.ordinal} {own.type}: {field} was {was!r}, is now {now!r}"
