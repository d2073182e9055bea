"""The desk as it was at a log position: the tables of the page, parameters and health.

Folds with the functions that feed the live tables (api/desk_fold.py), so that a reviewer sees
what the operator saw. Used by state, diff and export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api import desk_fold
from api.fold_state import DeskFold, Row, Table, at
from domain.event import Recorded
from domain.events.positions import PositionMarked
from domain.events.system import (
    ParametersChanged,
    ProcessFault,
    ProcessHeartbeat,
    ProcessStarted,
    WorkerStarted,
)
from run.build import build_id
from run.config import load_settings
from run.replay.printing import Progress
from run.replay.question import for_times
from run.replay.reading import newest_of_stream, of, selected
from run.snapshots import folded, state_cache
from store.contract import EventStore, Selection
from store.postgres import PostgresStore

VIEWS = (
    "positions", "orders", "signals", "approvals", "deliveries", "reports", "alerts", "health",
    "parameters",
)  # fmt: skip
ROWS_MAX = 1_000_000
"""Rows of one table that are kept: a review leaves none out, but memory has an end."""
LOOK_BACK_POSITIONS = (2_000, 20_000, 200_000)
"""How far before the moment the last heartbeat of each process is looked for, in turn."""

_TYPES = desk_fold.TYPES | {"ParametersChanged", "ProcessFault", "ProcessStarted", "WorkerStarted"}


@dataclass(slots=True)
class Past:
    """Rows by id of every view, as of a log position."""

    fold: DeskFold = field(default_factory=lambda: DeskFold(rows_max=ROWS_MAX))
    parameters: Table = field(default_factory=dict)
    workers: Table = field(default_factory=dict)
    processes: Table = field(default_factory=dict)

    def apply(self, event: Recorded) -> None:
        """Fold one event."""
        desk_fold.apply(self.fold, event)
        moment = at(event.market_time)
        match event.body:
            case ParametersChanged() as body:
                about = {"since": moment, "version": body.version, "who": body.who, "why": body.why}
                for name, value in body.values.items():
                    self.parameters[name] = {"name": name, "value": value, **about}
            case WorkerStarted() as body:
                self.workers[body.worker] = {
                    "run_id": body.run_id, "build": body.build, "started_at": moment,
                    "resumed_after": body.resumed_after,
                }  # fmt: skip
            case ProcessStarted() as body:
                self.processes[body.process] = {"build": body.build, "started_at": moment}
            case ProcessFault() as body:
                fault = {"fault": f"{body.error}: {body.detail}", "fault_at": moment}
                self.processes.setdefault(body.process, {}).update(fault)
            case _:
                pass

    def view(self, name: str) -> Table:
        """The rows of one of VIEWS by id."""
        if name == "health":
            return self._health()
        if name == "parameters":
            return dict(sorted(self.parameters.items()))
        table: Table = getattr(self.fold, "publications" if name == "deliveries" else name)
        return table

    def _health(self) -> Table:
        fold = self.fold
        rows: Table = {"halt": fold.halt, "clock": fold.clock, "session": fold.session}
        rows |= {"broker": fold.broker, "account": fold.account}
        rows |= {f"feed {name}": row for name, row in fold.feeds.items()}
        rows |= {f"worker {name}": row for name, row in self.workers.items()}
        rows |= {f"process {name}": row for name, row in sorted(self.processes.items())}
        return {name: {"part": name, **row} for name, row in rows.items() if row}


async def desk_at(store: EventStore, up_to: int, asked: str = "state") -> Past:
    """The desk after the event at position `up_to`; an empty one for 0. A long fold leaves
    snapshots for the next question, and shows how far `asked` is."""
    cache = None
    if isinstance(store, PostgresStore):
        cache = state_cache(store, load_settings(), build_id())
    progress = Progress(asked, 0, up_to)
    past = await folded(
        store, cache, "replay.past", of(*_TYPES), Past, Past.apply, up_to, progress.at
    )
    progress.end()
    if up_to > 0:
        await _hear_processes(store, past, up_to)
        await _mark_positions(store, past, up_to)
    return past


async def _hear_processes(store: EventStore, past: Past, up_to: int) -> None:
    """The last heartbeat of each process; silence is real seconds up to the moment."""
    heard: dict[str, Recorded] = {}
    for width in LOOK_BACK_POSITIONS:
        beats = selected(store, of("ProcessHeartbeat"), max(0, up_to - width), up_to)
        heard = {event.stream: event async for event in beats}
        if len(heard) >= len(past.processes) or width >= up_to:
            break
    last = await for_times(store).read(up_to - 1, limit=1, up_to=up_to)
    for event in heard.values():
        body = event.body
        assert isinstance(body, ProcessHeartbeat)
        row = past.processes.setdefault(body.process, {})
        row |= {"state": body.state, "position": body.position, "heard_at": at(event.market_time)}
        row["figures"] = dict(body.figures)
        if last:
            silence = (last[0].recorded_at - event.recorded_at).total_seconds()
            row["silent_seconds"] = round(silence, 1)


async def _mark_positions(store: EventStore, past: Past, up_to: int) -> None:
    """The last mark of each position that was open."""
    rows = {
        f"marks/{position_id}": row
        for position_id, row in past.fold.positions.items()
        if not row["is_over"]
    }
    if not rows:
        return
    selection = Selection(types=frozenset({"PositionMarked"}), streams=tuple(rows))
    recent = selected(store, selection, max(0, up_to - LOOK_BACK_POSITIONS[0]), up_to)
    found = {event.stream: event async for event in recent}
    for stream, row in rows.items():
        event = found.get(stream) or await newest_of_stream(store, stream, up_to)
        if event is not None and isinstance(body := event.body, PositionMarked):
            row |= {"mark": body.mark, "unrealised_pnl": body.unrealised_pnl}
            row["marked_at"] = at(event.market_time)


_PASSING = frozenset(
    {"as_of", "position", "heard_at", "silent_seconds", "figures", "marked_at", "part"}
)
"""Fields that change with every event and say nothing about what changed."""


def changes(before: Table, after: Table) -> dict[str, list[Row]]:
    """What differs between the rows of one view: added, gone, changed (field: [was, now])."""
    changed: list[Row] = []
    for key in before.keys() & after.keys():
        was, now = before[key], after[key]
        fields = {
            name: [was.get(name), now.get(name)]
            for name in sorted((was.keys() | now.keys()) - _PASSING)
            if was.get(name) != now.get(name)
        }
        if fields:
            changed.append({"id": key, "fields": fields})
    return {
        "added": [{"id": key, **row} for key, row in after.items() if key not in before],
        "gone": [{"id": key, **row} for key, row in before.items() if key not in after],
        "changed": sorted(changed, key=lambda row: str(row["id"])),
    }


def is_empty(found: Mapping[str, list[Any]]) -> bool:
    """True when `changes` found nothing."""
    return not any(found.values())
