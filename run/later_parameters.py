"""Parameters that a log was given after its beginning, because a later build knows more of them.

Inputs before that were decided by a build that did not ask for them. This one cannot fold them
without: it takes from the beginning on what the log first says of each. Read before the first
event by whoever folds the log with stages (run/worker.py, run/replay/consumption.py).
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from domain.event import Recorded
from domain.events.system import ParametersChanged
from domain.parameter import ParameterValue
from domain.stage import Consumer
from store.contract import EventStore, Selection

START = "start"
"""Who writes shipped defaults that the log lacks, before any worker of a build goes on."""


async def begin(consumer: Consumer[Any], store: EventStore) -> None:
    """Give a consumer that has folded nothing the parameters that came later.

    Nothing is given where the first start has written them all: the usual log.
    """
    first: Recorded | None = None
    known: set[str] = set()
    later: dict[str, ParameterValue] = {}
    after = 0
    while page := await store.read(after, Selection(types=frozenset({"ParametersChanged"}))):
        for event in page:
            assert isinstance(event.body, ParametersChanged)
            if first is None:
                known.update(event.body.values)
                first = event if event.body.who == START else None
                continue
            for name in event.body.values.keys() - known:
                later.setdefault(name, event.body.values[name])
        after = page[-1].position
    if first is None or not later:
        return
    why = "first value of a parameter that the log was given later"
    given = ParametersChanged(values=later, version=0, who=START, why=why)
    consumer.evolve(replace(first, body=given))
