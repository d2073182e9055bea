"""Projections that stand before an event they cannot project: said and decided as for workers.

Used by run/projector.py. A stop is a WorkerStopped event with its alert on the streams of the
projection's own name; `python -m run.worker_control` decides. The consumer of that name on the log
is the position of the last stop that was settled: a projection that comes past its event after all
and an operator who passes over it move it by compare and set, so that only one of them can. Its
position in the log stands beside its views, never here.
"""

from __future__ import annotations

from domain.event import Recorded
from domain.events.system import WorkerStopped
from projections.projector import PoisonEvent, Standing
from run import metrics
from run.stopped import PoisonInput, decision, load_skips, say
from run.worker import Recorder
from store.contract import Checkpoint, EventStore
from store.errors import CheckpointConflict


class ProjectionStops:
    """The stops of all projections of one process."""

    def __init__(self, store: EventStore, build: str, run_id: str) -> None:
        self._store = store
        self._build = build
        self._run_id = run_id
        self._recorders: dict[str, Recorder] = {}

    async def standing(self, name: str) -> Standing:
        """What the log says of a projection."""
        return await projection_standing(self._store, name)

    async def stand(self, name: str, poison: PoisonEvent) -> None:
        """Put the stop and its alert on the log; returns when the operator has decided."""
        recorder = self._recorders.setdefault(
            name, Recorder(self._store, name, self._build, self._run_id)
        )
        source = PoisonInput(poison.source, poison.error)
        said_at = await say(recorder, source)
        metrics.STOPPED_AT.labels(name).set(source.position)
        # A decision about an earlier stop before this event may have come in between.
        if source.position not in await load_skips(self._store, name):
            await decision(recorder, source, said_at)
        metrics.STOPPED_AT.labels(name).set(0)

    async def passed(self, name: str, standing: Standing) -> bool:
        """Settle a stop whose event is in the view; False when it was passed over meanwhile."""
        try:
            await self._store.append([], Checkpoint(name, standing.settled, standing.stop))
        except CheckpointConflict:
            return False
        return True


async def newest_stop(store: EventStore, name: str) -> tuple[Recorded, WorkerStopped] | None:
    """The last time that a projection said it stands."""
    for event in reversed(await store.read_stream(f"worker/{name}")):
        if isinstance(event.body, WorkerStopped):
            return event, event.body
    return None


async def projection_standing(store: EventStore, name: str) -> Standing:
    """What the log says of a projection."""
    settled = await store.checkpoint(name)
    skipped = await load_skips(store, name)
    newest = await newest_stop(store, name)
    if newest is None or newest[0].position <= settled:
        return Standing(skipped, settled=settled)
    event, body = newest
    return Standing(skipped, body.position, event.position, settled)
